"""Training in several processes: the weights are those of one process, one of them writes, and all stop together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from condgen.data import Splits
from condgen.files import read_log
from condgen.models import build
from condgen.runs.learning import trained_and_opened
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.training import Trainer, TrainingConfig
from condgen.training.checkpoint import FILE
from condgen.training.team import Team

from .processes import CASES, trained, weights

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
ALONE = ["--standalone", "--nproc-per-node", "2"]
SLOWLY = 300  # seconds
DIGITS = ["-m", "condgen.cli", "train", "digits", "--model", "projection", "--set", "channels=8", "--set", "batch=64"]


def environment(**more: str) -> dict[str, str]:
    paths = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **more}


def launched(*arguments: str, launcher: list[str] = ALONE, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*TORCHRUN, *launcher, *arguments], env=environment(), capture_output=True, text=True, timeout=SLOWLY
    )
    assert done.returncode == code, done.stderr
    return done


def must_be_near(
    found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], start: dict[str, torch.Tensor]
) -> None:
    """Equal up to rounding, which is much less than a hundredth of the way that training has gone."""
    assert found.keys() == wanted.keys()
    for name, expected in wanted.items():
        assert found[name].shape == expected.shape, name
        begun = start[name] if start[name].shape == expected.shape else torch.zeros_like(expected)
        gap, way = (found[name].double() - expected.double()).norm(), (expected - begun).double().norm()
        assert gap <= 0.01 * way + 1e-6, f"{name}: off by {gap:.2g} after a way of {way:.2g}"


def checkpoint(folder: Path) -> dict[str, torch.Tensor]:
    """The averaged and the trained weights of a run."""
    found = load_file(folder / FILE)
    return {name: tensor for name, tensor in found.items() if name.startswith(("model/", "ema/"))}


def test_two_processes_train_as_one_does_and_one_of_them_writes(tmp_path: Path, digits: Splits) -> None:
    settings = ["--set", "deviation=8", "--set", "r2=0.1", "--set", "previews=1", "--images", "512"]
    done = launched(*DIGITS, *settings, "--out", str(tmp_path / "two"))
    assert done.stdout.count("Trained projection on 512 images") == 1
    assert done.stderr.count("training examples of shape") == 1
    model = {"channels": 8, "deviation": 8, "r2": 0.1}
    train("projection", "digits", tmp_path / "one", batch=64, previews=1, images=512, **model)
    torch.manual_seed(0)
    start = build("projection", digits.schema, digits.shape, **model).state_dict()
    both = {f"{kind}/{name}": tensor for kind in ("model", "ema") for name, tensor in start.items()}
    must_be_near(*(checkpoint(tmp_path / name) for name in ("two", "one")), both)
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("one", "two")]
    for one, two in zip(*logs, strict=True):
        assert two == pytest.approx(one, rel=1e-2, abs=1e-3)


ENDED = """
import atexit, os, sys
from pathlib import Path

def threads():
    return [name for task in Path("/proc/self/task").iterdir() if "gloo" in (name := (task / "comm").read_text())]

@atexit.register
def count():  # the last to be called
    (out / f"after-{process}").write_text("".join(threads()))

import condgen
from condgen.errors import CondgenError
from condgen.training.team import leave
process, out, end = int(os.environ["RANK"]), Path(sys.argv[1]), sys.argv[2]
condgen.train("gan", "digits", out / "run", channels=4, batch=64, images=128, previews=0)
(out / f"before-{process}").write_text("".join(threads()))
if end == "leaves":
    leave()
elif end == "fails":
    try:
        condgen.train("gan", "digits", out / "other", channels=4, batch=64, images=128, lr=0.1 * (1 + process))
    except CondgenError:
        pass
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
@pytest.mark.parametrize("end", ["leaves", pytest.param("fails", marks=pytest.mark.slow)])
def test_no_thread_of_an_exchange_outlives_python(end: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ENDED)
    launched(str(script), str(tmp_path), end)
    for process in (0, 1):
        assert "gloo" in (tmp_path / f"before-{process}").read_text()
        assert not (tmp_path / f"after-{process}").read_text()


@pytest.mark.slow
def test_a_command_starts_its_processes_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, *DIGITS, "--images", "128", "--processes", "2", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=SLOWLY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained projection on 128 images") == 1
    again = subprocess.run([*command, "--set", "batch=63"], env=environment(), capture_output=True, text=True)
    assert again.returncode != 0
    assert "is not empty" in again.stderr


@pytest.fixture(scope="module")
def in_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of every case after a few steps in two processes."""
    folder = tmp_path_factory.mktemp("two")
    launched("-m", "tests.training.processes", str(folder), *CASES)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_family_is_the_same_in_two_processes(
    case: str, in_two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = weights(trained(case, tmp_path)[0])
    monkeypatch.setattr("tests.training.processes.STEPS", 0)
    must_be_near(load_file(in_two / f"{case}.safetensors"), wanted, weights(trained(case, tmp_path)[0]))


REFUSED = """
import os, sys
from pathlib import Path
import condgen
from condgen.errors import CondgenError
from condgen.training.team import leave
process, out = int(os.environ["RANK"]), Path(sys.argv[1])
data = condgen.load("digits")
cases = {
    "batch": {"batch": 63}, "setting": {"lr": 0.001 * (process + 1)}, "model": {"latent": 8 + process},
    "data": {"data": data.select([]) if process else data},
}
for name, each in cases.items():
    try:
        condgen.train("gan", each.pop("data", data), out / name, images=128, **({"batch": 64} | each))
    except CondgenError as error:
        (out / f"{name}-{process}").write_text(str(error))
leave()
"""


@pytest.mark.slow
def test_processes_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(REFUSED)
    launched(str(script), str(tmp_path))
    said = {name: {(tmp_path / f"{name}-{k}").read_text() for k in (0, 1)} for name in ("batch", "setting", "model")}
    (text,) = said["batch"]
    assert text.startswith("A batch of 63 cannot be divided among 2 processes. Choose another (`batch=62`)")
    for name, other in (("setting", "setting of training"), ("model", "model")):
        (text,) = said[name]
        assert text.startswith(f"Process 1 of 2 has another {other} than process 0. Start all with the same command")


class Two:
    """Two processes without a launcher, as on two machines: each its own port, and nobody to end the other."""

    def __init__(self, *arguments: str, **more: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1"}
        self.processes = [
            subprocess.Popen(
                [sys.executable, *arguments],
                env=environment(**place, RANK=str(k), LOCAL_RANK="0", **more),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for k in (0, 1)
        ]

    def __enter__(self) -> "Two":
        return self

    def __exit__(self, *why: object) -> None:
        for each in self.processes:
            each.kill()
            each.communicate()

    def ended(self) -> list[tuple[int, str]]:
        """Exit status and errors of both."""
        said = [each.communicate(timeout=SLOWLY)[1] for each in self.processes]
        return [(each.returncode, text) for each, text in zip(self.processes, said, strict=True)]


def until(happened: Callable[[], bool]) -> None:
    ends = time.monotonic() + SLOWLY
    while not happened():
        assert time.monotonic() < ends
        time.sleep(0.05)


def begun(folder: Path) -> bool:
    """Whether a run in a folder has logged something."""
    return (folder / "log.jsonl").exists() and bool((folder / "log.jsonl").read_text())


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_and_one_process_may_go_on(tmp_path: Path) -> None:
    settings = ["--set", "previews=0", "--images"]
    with Two(*DIGITS, *settings, "32768", "--out", str(tmp_path / "run")) as both:
        until(lambda: begun(tmp_path / "run"))
        both.processes[1].send_signal(signal.SIGTERM)
        (first, said), (second, _) = both.ended()
    assert (first, second) == (143, 143), said
    assert "Stopped by SIGTERM" in said
    stopped = Run.open(tmp_path / "run").info.images
    assert 0 < stopped < 32768
    assert resume(tmp_path / "run").info.images == 32768


@pytest.mark.slow
def test_a_lost_process_ends_the_other_with_a_message_and_the_run_goes_on_by_the_same_command(tmp_path: Path) -> None:
    command = [*DIGITS, "--set", "previews=0", "--images", "16384", "--resume", "--out", str(tmp_path / "run")]
    with Two(*command) as both:
        until(lambda: begun(tmp_path / "run"))
        both.processes[1].kill()
        (first, said), _ = both.ended()
    assert first == 1, said
    assert "Error: Another process of this training ended, or does not answer" in said
    assert "Traceback" not in said
    assert Run.open(tmp_path / "run").info.images < 16384
    done = launched(*command)
    assert "Trained projection on 16,384 images" in done.stdout


RESTARTED = """
import os, signal, sys
import condgen
from condgen.progress import Silent
from condgen.training.team import leave

class Dies(Silent):
    def task(self, *arguments, **more):
        if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().task(*arguments, **more)

condgen.train("gan", "digits", sys.argv[1], channels=8, batch=64, images=512, previews=0, resume=True, progress=Dies())
leave()
"""


@pytest.mark.slow
def test_torchrun_restarts_a_run_that_lost_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")  # docs/guides/machines.md says why
    script = tmp_path / "script.py"
    script.write_text(RESTARTED)
    launched(str(script), str(tmp_path / "run"), launcher=[*ALONE, "--max-restarts", "1"])
    assert Run.open(tmp_path / "run").info.finished


@dataclass(frozen=True)
class Second(Team):
    """The second of two processes, which notes what the first one sends."""

    received: list[Tensor] = field(default_factory=list)

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Note the tensors."""
        self.received.extend(tensors)


def test_weights_of_a_finished_run_are_spread_without_counts_on_the_cpu(
    tmp_path: Path, digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NCCL takes tensors of GPUs alone, and a GAN's position in training is none."""
    model = build("projection", digits.schema, digits.shape, channels=8)
    trainer = Trainer(model, digits, tmp_path, TrainingConfig(images=640, batch=64))
    team = trainer.team = Second(1, 2)
    monkeypatch.setattr(trainer, "run", lambda: None)
    averages = trained_and_opened(trainer).model
    own = {id(tensor) for tensor in [*averages.parameters(), *averages.buffers()]}
    assert {id(tensor) for tensor in team.received} == own


def test_a_run_goes_on_only_with_the_same_arguments(tmp_path: Path) -> None:
    given = {"channels": 8, "images": 128, "batch": 64, "previews": 0}
    first = train("gan", "digits", tmp_path / "run", resume=True, **given)
    assert train("gan", "digits", tmp_path / "run", resume=True, **given).fingerprint == first.fingerprint
    with pytest.raises(Exception, match="begun with another lr"):
        train("gan", "digits", tmp_path / "run", resume=True, lr=0.1, **given)
    with pytest.raises(Exception, match="not empty"):
        train("gan", "digits", tmp_path / "run", **given)


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    given = {"channels": 8, "images": 128, "batch": 64, "previews": 0}
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "log.jsonl").write_text('{"images": 64, "loss": 1}\n')
    with pytest.raises(Exception, match="not empty"):
        train("gan", "digits", tmp_path, **given)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(Exception, match="not empty"):
        train("gan", "digits", tmp_path, resume=True, **given)
    (tmp_path / "notes.txt").unlink()
    (tmp_path / ".checkpoint.safetensors.56ad39e9-99999999-elsewhere.partial").mkdir()  # killed while it was written
    (tmp_path / "..owner.json.2695505f-99999999-elsewhere.partial").mkdir()
    assert train("gan", "digits", tmp_path, resume=True, **given).info.finished
