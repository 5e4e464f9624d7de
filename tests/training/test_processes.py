"""Training in two processes: both players' weights are the same in both in the end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json
import sys
from pathlib import Path
import torch
from accelerate import PartialState
from condgen import build, load
from condgen.training import Trainer, TrainingConfig
process = PartialState(cpu=True)
data = load("digits")
torch.manual_seed(0)
model = build(sys.argv[2], data.schema, data.shape, channels=8, **json.loads(sys.argv[3]))
Trainer(model, data, Path(sys.argv[1]), TrainingConfig(images=1024, batch=128, previews=0)).run()
weights = torch.cat([p.detach().flatten() for p in model.parameters()])
sums = Path(sys.argv[1]) / f"sum-{process.process_index}"  # not printed: lines of two processes run into each other
sums.write_text(f"{process.num_processes} {weights.double().sum().item()}")
process.destroy_process_group()
"""


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("projection", "{}"),
        pytest.param("infogan", '{"discover": 200}', marks=pytest.mark.slow),
        pytest.param("flow", '{"depth": 1}', marks=pytest.mark.slow),
    ],
)
def test_two_processes_agree(tmp_path: Path, model: str, arguments: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, str(script), str(tmp_path), model, arguments],
        env={**os.environ, "ACCELERATE_USE_CPU": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    first, second = ((tmp_path / f"sum-{k}").read_text() for k in range(2))
    assert first == second
    assert first.startswith("2 ")
