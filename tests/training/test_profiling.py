"""Where the time of a step goes: a table and a trace, of a run that is otherwise the same."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from condgen.data import Splits
from condgen.models import build
from condgen.progress import SILENT
from condgen.training import Trainer, TrainingConfig, checkpoint
from condgen.training.profiling import BEFORE, MEASURED, OUTSIDE, TABLE, TRACE, WARM, Profile, Times
from tests.conftest import Command

STEPS = BEFORE + WARM + MEASURED


class Uneven(nn.Module):
    """A part that takes long, and one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.large = nn.ModuleList([nn.Linear(2_000, 2_000) for _ in range(2)])
        self.small = nn.Linear(2_000, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.large:
            x = layer(x)
        out: torch.Tensor = self.small(x).sum()
        return out


@pytest.fixture
def times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Times]:
    """Those of the uneven model."""
    found: list[Times] = []
    of = Times.of
    monkeypatch.setattr(Times, "of", lambda events: found.append(of(events)) or found[-1])
    model, x = Uneven(), torch.randn(64, 2_000)
    optimiser = torch.optim.SGD(model.parameters())
    with Profile(model, tmp_path, SILENT) as profile:
        for _ in range(STEPS):
            model(x).backward()
            optimiser.step()
            profile.step()
    yield found[0]
    assert not model.large[0]._forward_hooks
    assert not model.large[0]._forward_pre_hooks


def test_time_is_that_of_the_part_and_kind_in_which_it_passes(times: Times) -> None:
    assert times.forward["large"] > 5 * times.forward["small"] > 0
    assert times.backward["large"] > 5 * times.backward["small"] > 0
    assert times.forward["(optimiser)"] > 0
    assert max(times.kinds, key=lambda kind: times.kinds[kind]) == "matrix products"
    both = sum(times.forward.values()) + sum(times.backward.values())
    assert both == pytest.approx(sum(times.kinds.values()))
    assert 0.5 * times.whole < both <= 1.01 * times.whole
    assert times.backward[OUTSIDE] < times.backward["large"]


def test_the_table_is_sorted_and_leaves_out_what_takes_no_time() -> None:
    times = Times(10.0, {"a": 1.0, "b": 2.0, "c": 0.01}, {"a": 4.0}, {"convolutions": 7.5})
    lines = str(times).splitlines()
    assert "10.0 ms" in lines[0]
    assert [line.split() for line in lines[3:5]] == [
        ["a", "1.0", "ms", "4.0", "ms", "50.0%"],
        ["b", "2.0", "ms", "0.0", "ms", "20.0%"],
    ]
    assert [line.split()[-1] for line in lines[7:]] == ["75.0%", "25.0%"]


def trained(digits: Splits, folder: Path, profile: bool, steps: int = STEPS + 1) -> dict[str, torch.Tensor]:
    folder.mkdir()
    torch.manual_seed(0)
    model = build("projection", digits.schema, digits.shape, channels=8)
    settings = TrainingConfig(images=8 * steps, batch=8, previews=0, profile=profile)
    Trainer(model, digits, folder, settings).run()
    return checkpoint.load(folder / checkpoint.FILE)[1]


def test_a_run_on_record_is_the_same_run(digits: Splits, tmp_path: Path) -> None:
    plain, other = (trained(digits, tmp_path / str(profile), profile) for profile in (False, True))
    assert all(torch.equal(plain[name], other[name]) for name in plain)
    assert not (tmp_path / "False" / TABLE).exists()
    table = (tmp_path / "True" / TABLE).read_text()
    assert "critic.trunk" in table
    assert "convolutions" in table
    with gzip.open(tmp_path / "True" / TRACE) as file:
        names = {event["name"] for event in json.load(file)["traceEvents"]}
    assert "part: generator.backbone" in names


def test_too_short_a_run_says_that_nothing_is_on_record(tmp_path: Path, command: Command) -> None:
    short = ("--model", "cvae", "--images", 1_000, "--set", "channels=4", "--profile")
    result = command("train", "digits", *short, "--out", tmp_path / "r")
    assert result.status == 0, result.err
    assert f"fewer than {STEPS} steps" in result.err
    assert not (tmp_path / "r" / TABLE).exists()
