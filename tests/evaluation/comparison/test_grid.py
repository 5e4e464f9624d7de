import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.errors import RequestError, RunError
from condgen.evaluation.comparison.comparison import Failure, compare
from condgen.evaluation.comparison.grid import Grid, GridCell, cells
from condgen.evaluation.measure import fingerprint
from condgen.evaluation.report import Report
from condgen.progress import Silent
from condgen.room import Room
from condgen.runs import costs
from condgen.runs.run import Run
from condgen.training import checkpoint
from condgen.training.signals import Interrupted
from tests.evaluation.comparison.test_comparison import PROTOCOL, report

TINY: dict[str, Any] = {"channels": 8, "latent": 2, "previews": 0, "batch": 64}
IMAGES = 256


@dataclass
class Measurer:
    """Measures nothing, and remembers what it was asked."""

    seen: list[str] = field(default_factory=list)

    def __call__(self, run: Run, data: Splits) -> Report:
        self.seen.append(run.path.name)
        info = run.info
        return report(
            0.9,
            model=info.recipe["model"],
            arguments=info.recipe["arguments"],
            training=info.training,
            path=run.path.name,
            data=info.data,
            images=info.images,
            seconds=info.seconds,
            weights=fingerprint(run),
        )


@dataclass
class Notes(Silent):
    """What a grid said."""

    lines: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.lines.append(text)

    def of(self, what: str) -> list[str]:
        """The cells that it said this of."""
        return [line.split()[1].rstrip(":") for line in self.lines if what in line]


def plan(data: Splits, seeds: Sequence[int] = (0,), **other: Any) -> list[GridCell]:
    settings = TINY | other.pop("settings", {})
    return cells(data, ["cvae"], ["film", "concat"], seeds=seeds, images=IMAGES, settings=settings, **other)


@pytest.fixture(scope="module")
def done(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grid of two settings and two seeds, trained and measured."""
    out = tmp_path_factory.mktemp("grids") / "grid"
    Grid(out, digits, Measurer(), PROTOCOL).run(plan(digits, (0, 1)))
    return out


# ---- plans


def test_a_grid_is_every_model_mechanism_prior_and_seed_under_one_budget(digits: Splits) -> None:
    planned = cells(digits, ["cvae"], ["film", "concat"], ["standard", "gaussian"], (3, 4), seconds=5, settings=TINY)
    assert len({cell.name for cell in planned}) == 8
    assert [cell.name for cell in planned][:2] == ["cvae-film-standard-3", "cvae-film-gaussian-3"]
    assert all(cell.arguments["seconds"] == 5 and "images" not in cell.arguments for cell in planned)
    assert planned[-1].arguments["seed"] == 4


def test_models_have_their_own_mechanism_unless_one_is_named(digits: Splits) -> None:
    assert [cell.name for cell in cells(digits, ["vae", "cvae", "vae"], images=10)] == ["vae-0", "cvae-0"]


def test_all_impossible_settings_are_refused_at_once(digits: Splits) -> None:
    with pytest.raises(RequestError) as refused:
        cells(digits, ["cvae", "vae", "nonsense"], ["film", "none"], images=10)
    said = str(refused.value)
    assert said.startswith("Nothing was trained, because 5 of 6 settings of the grid are impossible.")
    for label in ("vae-film, vae-none", "nonsense-film, nonsense-none", "cvae-none"):
        assert f"{label}: " in said
    assert "Unknown setting of vae 'mechanism'" in said


def test_a_grid_needs_one_budget_a_model_and_no_setting_twice(digits: Splits) -> None:
    for budget in ({}, {"images": 10, "seconds": 5.0}):
        with pytest.raises(RequestError, match="under one budget"):
            cells(digits, ["cvae"], **budget)
    with pytest.raises(RequestError, match="at least one model"):
        cells(digits, [], images=10)
    with pytest.raises(RequestError, match="sets seed, prior itself"):
        cells(digits, ["cvae"], images=10, settings={"seed": 1, "latent": 4, "prior": "flow"})


# ---- training


def test_every_cell_is_trained_alike_and_measured(done: Path, digits: Splits) -> None:
    names = {"cvae-film-0", "cvae-film-1", "cvae-concat-0", "cvae-concat-1"}
    assert {path.name for path in done.iterdir() if path.is_dir()} == names
    for name in names:
        info, _ = checkpoint.load(done / name / checkpoint.FILE)
        assert info.images == IMAGES
        assert info.training["seed"] == int(name[-1])
        assert (done / name / "report.json").exists()


def test_a_finished_grid_trains_and_measures_nothing(done: Path, digits: Splits) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*") if path.is_file() and path.name != ".lock"}
    measurer, notes = Measurer(), Notes()
    reports, failures = Grid(done, digits, measurer, PROTOCOL, progress=notes).run(plan(digits, (0, 1)))
    assert (measurer.seen, notes.lines, failures) == ([], [], [])
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert [row.label for row in compare(reports).rows] == ["film", "concat"]
    assert [row.seeds for row in compare(reports).rows] == [(0, 1), (0, 1)]


def test_another_protocol_measures_again_and_trains_nothing(done: Path, digits: Splits, tmp_path: Path) -> None:
    (tmp_path / "cvae-film-0").symlink_to(done / "cvae-film-0")
    planned, measurer, notes = plan(digits)[:1], Measurer(), Notes()
    for _ in range(2):  # the measurer goes on measuring by the old protocol, so its report never is the one wanted
        Grid(tmp_path, digits, measurer, replace(PROTOCOL, samples=7), progress=notes).run(planned)
    Grid(tmp_path, digits, measurer, PROTOCOL, {"guidance": 2.0}, progress=notes).run(planned)
    assert notes.of("training") == notes.of("going on") == []
    assert measurer.seen == ["cvae-film-0"] * 3


def test_a_report_of_other_weights_is_not_taken(done: Path, digits: Splits, tmp_path: Path) -> None:
    planned, measurer = plan(digits)[:1], Measurer()
    Grid(tmp_path, digits, measurer, PROTOCOL).run(planned)
    (tmp_path / "cvae-film-0/report.json").write_text((done / "cvae-film-1/report.json").read_text())
    Grid(tmp_path, digits, measurer, PROTOCOL).run(planned)
    assert len(measurer.seen) == 2


class Stopper(Silent):
    """Interrupts the process once, as Ctrl-C does, when training begins to show progress."""

    sent = False

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        if not self.sent:
            self.sent = True
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_grid_goes_on_where_it_was(digits: Splits, tmp_path: Path) -> None:
    planned = cells(digits, ["cvae"], ["film", "concat"], images=64 * 25, settings=TINY)
    with pytest.raises(Interrupted, match="goes on with all runs"):
        Grid(tmp_path, digits, Measurer(), PROTOCOL, progress=Stopper()).run(planned)
    stopped, _ = checkpoint.load(tmp_path / "cvae-film-0" / checkpoint.FILE)
    assert stopped.images < 64 * 25
    notes, measurer = Notes(), Measurer()
    reports, _ = Grid(tmp_path, digits, measurer, PROTOCOL, progress=notes).run(planned)
    assert notes.of("going on after") == ["cvae-film-0"]
    assert notes.of(": training") == ["cvae-concat-0"]
    assert measurer.seen == ["cvae-film-0", "cvae-concat-0"]
    assert [r.run["images"] for r in reports] == [64 * 25] * 2


def test_a_grid_goes_on_after_a_kill_before_the_first_checkpoint(digits: Splits, tmp_path: Path) -> None:
    planned = plan(digits)[:1]
    left = tmp_path / planned[0].name
    (left / "tensorboard").mkdir(parents=True)
    (left / "log.jsonl").touch()
    reports, failures = Grid(tmp_path, digits, Measurer(), PROTOCOL).run(planned)
    assert [r.run["images"] for r in reports] == [IMAGES]
    assert failures == []


def test_folders_of_other_settings_or_data_are_refused_before_anything_is_trained(done: Path, digits: Splits) -> None:
    for changed, said in (
        ({"settings": {"latent": 3}}, "latent=2 instead of 3"),
        ({"settings": {"lr": 0.5}}, "lr=0.008 instead of 0.5"),
    ):
        notes = Notes()
        with pytest.raises(RequestError, match=re.escape(said)):
            Grid(done, digits, Measurer(), PROTOCOL, progress=notes).run(plan(digits, (9, 0), **changed))
        assert notes.lines == []
    fewer = replace(digits, train=digits.train[:500])
    with pytest.raises(RequestError, match=r"data=\w+ instead of \w+.*Nothing was trained or overwritten"):
        Grid(done, fewer, Measurer(), PROTOCOL).run(plan(fewer))
    assert not (done / "cvae-film-9").exists()


def test_a_cell_that_fails_is_listed_and_the_others_go_on(digits: Splits, tmp_path: Path) -> None:
    planned = plan(digits)
    wild = replace(planned[0], arguments=planned[0].arguments | {"lr": 1e30, "clip": 1e30})
    measurer, notes = Measurer(), Notes()
    reports, failures = Grid(tmp_path, digits, measurer, PROTOCOL, progress=notes).run([wild, planned[1]])
    assert measurer.seen == ["cvae-concat-0"]
    assert failures[0].reason.startswith("Training diverged")
    assert notes.of("failed") == ["cvae-film-0"]
    film = compare(reports, failures).rows[1]
    assert "film" in film.label
    assert film.seeds == ()
    assert film.failed[0].startswith("cvae-film-0 failed: Training diverged")


def test_a_cell_too_large_for_memory_is_listed_and_the_others_go_on(
    digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "memory", lambda device="cpu": Room("the memory", 2**30))
    planned = plan(digits)
    large = replace(planned[0], arguments=planned[0].arguments | {"batch": 2**24})
    reports, failures = Grid(tmp_path, digits, Measurer(), PROTOCOL).run([large, planned[1]])
    assert [r.run["path"] for r in reports] == ["cvae-concat-0"]
    assert failures[0].reason.startswith("Training in batches of 16,777,216 would take")


def test_a_failure_stands_in_the_row_of_its_setting(done: Path, digits: Splits) -> None:
    class Broken(Measurer):
        def __call__(self, run: Run, data: Splits) -> Report:
            if run.path.name == "cvae-film-1":
                raise torch.OutOfMemoryError("Tried to allocate 20 GiB.\nAnd more words.")
            return super().__call__(run, data)

    protocol = replace(PROTOCOL, seed=5)  # so that every cell is measured
    reports, failures = Grid(done, digits, Broken(), protocol).run(plan(digits, (0, 1)))
    assert [failure.reason for failure in failures] == ["Tried to allocate 20 GiB."]
    rows = compare(reports, failures).rows
    assert [(row.label, row.seeds, len(row.failed)) for row in rows] == [("film", (0,), 1), ("concat", (0, 1), 0)]
    assert isinstance(failures[0], Failure)


def test_two_grids_cannot_work_in_one_folder(digits: Splits, tmp_path: Path) -> None:
    class Second(Measurer):
        def __call__(self, run: Run, data: Splits) -> Report:
            with pytest.raises(RunError, match="Another comparison is at work"):
                Grid(tmp_path, digits, Measurer(), PROTOCOL).run(planned)
            return super().__call__(run, data)

    planned = plan(digits)[:1]
    second = Second()
    Grid(tmp_path, digits, second, PROTOCOL).run(planned)
    assert second.seen == ["cvae-film-0"]
    Grid(tmp_path, digits, Measurer(), PROTOCOL).run(planned)  # the lock is gone
