"""Progress: bars in a terminal, lines in a log, nothing where nothing is wanted; one protocol for all work."""

import builtins
import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from condgen.data import Splits
from condgen.inspection.labels import check_labels
from condgen.progress import SILENT, Progress, Task, shown
from condgen.progress.bars import Bars
from condgen.progress.events import Events
from condgen.progress.lines import Lines
from condgen.progress.pace import Pace
from condgen.progress.rewritten import Rewritten
from condgen.runs.train import train
from tests.conftest import SMALL

Seen = Callable[[], str]
LONG = {f"player/term {k}": 0.123456 for k in range(8)}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seen(capsys: pytest.CaptureFixture[str]) -> Seen:
    """Everything written to standard error since the last look."""
    return lambda: capsys.readouterr().err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Standard error is a terminal of so many columns."""

    def of(columns: int) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(columns))

    return of


def bars_after(seen: Seen, alarm: str = "", values: dict[str, float] | None = None) -> str:
    """What a bar shows half-way, 1,000 images a second."""
    clock = Clock()
    bars = Bars(clock=clock)
    with bars.task("training", 90_000_000, done=5_000_000, unit="images") as task:
        bars.alarm(alarm)
        clock.now = 20.0
        task.move(45_000_000, values=values)
        seen()
    return seen()


# ---- numbers


def test_rate_and_time_left_are_those_of_the_last_half_minute() -> None:
    clock = Clock()
    pace = Pace(None, 500, "images", clock)
    assert (pace.seen, pace.left, pace.speed, pace.share) == ("500 images", "", "", "")
    for clock.now in range(10, 101, 10):
        pace.move(500 + 10 * int(clock.now), 100_000, None)
    assert pace.rate == 10
    for clock.now in range(110, 151, 10):
        pace.move(pace.done + 400, None, {"loss": 0.25})
    assert pace.rate == 40
    assert (pace.seen, pace.speed, pace.numbers) == ("3,500 / 100,000 images", "40 images/s", "loss 0.25")
    assert (pace.share, pace.left) == ("4 %", "0:40:12 left")


def test_a_task_that_moves_often_keeps_few_moments() -> None:
    clock = Clock()
    pace = Pace(10**6, 0, "bytes", clock)
    for k in range(1, 10_001):
        clock.now = k / 100
        pace.move(k, None, None)
    assert pace.rate == pytest.approx(100)
    assert len(pace._moments) < 40


# ---- a log


def test_a_log_has_one_line_every_half_minute(seen: Seen) -> None:
    clock = Clock()
    lines = Lines(clock=clock)
    with lines.task("training", 1000, unit="images") as task:
        for images in range(10, 1001, 10):
            clock.now = images / 10
            task.move(images, values={"loss": 0.25})
        lines.note("a note about [bold] and :smile:")
    first, second, third, note = seen().splitlines()
    assert first == "training: 300 / 1,000 images  30 %  0:01:10 left  10 images/s  loss 0.25"
    assert (second.split()[1], third.split()[1]) == ("600", "900")
    assert note == "a note about [bold] and :smile:"


def test_tasks_in_one_another_share_the_lines_of_a_log(seen: Seen) -> None:
    clock = Clock()
    lines = Lines(clock=clock)
    with lines.task("comparing", 2, unit="runs") as whole, lines.task("training", 100, unit="images") as part:
        clock.now = 31.0
        part.move(50)
        whole.move(1)
        clock.now = 62.0
        whole.move(2)
    assert [line.split(":")[0] for line in seen().splitlines()] == ["training", "comparing"]


def test_in_a_log_an_alarm_is_a_line_and_its_end_is_none(seen: Seen) -> None:
    lines = Lines()
    lines.alarm("samples [of 7] hardly differ :smile:")
    lines.alarm("")
    assert seen() == "WARNING: samples [of 7] hardly differ :smile:\n"


@pytest.mark.parametrize("kind", [Lines, Bars])
def test_a_warning_that_holds_is_printed_once_and_again_when_it_comes_back(kind: type[Progress], seen: Seen) -> None:
    progress = kind()
    for text in ("wins 98% of pairs", "wins 99% of pairs", "", "wins 98% of pairs", "the model has collapsed"):
        progress.alarm(text)
    assert seen().splitlines() == [
        f"WARNING: {text}" for text in ("wins 98% of pairs", "wins 98% of pairs", "the model has collapsed")
    ]


# ---- a terminal


def test_in_a_terminal_there_is_a_bar(seen: Seen, terminal: Callable[[int], None]) -> None:
    terminal(200)
    line = bars_after(seen, values={"loss[red]": 0.25})
    assert "training 45,000,000 / 90,000,000 images" in line
    assert "0:00:22 left 2,000,000 images/s  loss[red] 0.25" in line


def test_at_80_columns_losses_are_cut_and_total_and_time_left_stay(seen: Seen, terminal: Callable[[int], None]) -> None:
    terminal(80)
    for alarm in ("", "the model has collapsed"):
        shown = bars_after(seen, alarm, LONG).replace("\r", "\n").splitlines()
        (line,) = {part for part in shown if "images" in part}
        assert "45,000,000 / 90,000,000 images" in line
        assert "0:00:22 left" in line
        assert "…" in line


def test_the_bar_is_marked_for_as_long_as_an_alarm_holds(seen: Seen, terminal: Callable[[int], None]) -> None:
    terminal(200)
    bars = Bars()
    with bars.task("training", 1000, unit="images") as task:
        bars.alarm("the model has collapsed")
        task.move(500)
    said = seen()
    assert "WARNING: the model has collapsed" in said
    assert "FAILING 500 / 1,000 images" in said
    with bars.task("training", 1000, unit="images") as task:
        bars.alarm("")
        task.move(500)
    said = seen()
    assert "training 500 / 1,000 images" in said.splitlines()[-2]


def test_an_inner_bar_goes_when_it_ends_and_the_outer_stays(seen: Seen, terminal: Callable[[int], None]) -> None:
    terminal(100)
    bars = Bars()
    with bars.task("comparing", 2, unit="runs") as whole:
        with bars.task("training", 100, unit="images") as part:
            part.move(50)
        seen()
        whole.move(2)
    assert "comparing 2 / 2 runs" in (said := seen())
    assert "training" not in said


# ---- a notebook without widgets


def test_a_bar_of_text_is_written_over(seen: Seen) -> None:
    clock = Clock()
    text = Rewritten(clock=clock)
    with text.task("training", 1_000, unit="images") as task:
        for clock.now in (0.2, 10.0, 10.1):  # the first is too soon, and the last as well
            task.move(int(50 * clock.now), values={"loss": 0.25})
        first = seen()
        text.note("a note")
        noted = seen()
        clock.now = 20.0
        task.move(1_000)
    bar = "━" * 10 + "─" * 10
    assert first == f"{bar} training: 500 / 1,000 images  50 %  0:00:10 left  50 images/s  loss 0.25"
    assert noted == f"\r{' ' * len(first)}\ra note\n"
    *_, last, end = seen().split("\r")[-1].split("\n")
    assert last.startswith("━" * 20 + " training: 1,000 / 1,000 images  100 %")
    assert end == ""


def test_a_shorter_bar_of_text_leaves_nothing_of_a_longer_one_and_a_long_one_is_cut(seen: Seen) -> None:
    clock = Clock()
    text = Rewritten(clock=clock)
    with text.task("comparing", 2, unit="runs"), text.task("x") as inner:
        clock.now = 1.0
        inner.move(1, values=LONG)
        long = seen()
        clock.now = 2.0
        inner.move(2, values={})
        assert seen() == "\r" + "x: 2".ljust(len(long))
    assert len(long) == 110
    assert long.endswith("…")
    assert seen().count("\n") == 1  # at the end of the outermost task only


class ZMQInteractiveShell:
    """The name by which a notebook is known."""


@pytest.mark.parametrize(("widgets", "kind"), [(False, Rewritten), (True, Bars)])
def test_a_notebook_has_bars_of_text_if_it_has_no_widgets(
    widgets: bool, kind: type[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    monkeypatch.setattr("condgen.progress.bars.find_spec", lambda name: widgets or None)
    assert isinstance(shown(), kind)


IN_A_NOTEBOOK = """
import sys, types
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: None)
sys.modules["ipykernel"] = sys.modules["ipykernel.zmqshell"] = types.ModuleType("ipykernel")
sys.modules["ipywidgets"] = None  # importing it fails
import condgen
import tqdm.auto
"""


def test_a_notebook_without_widgets_is_not_asked_for_them() -> None:
    command = [sys.executable, "-W", "always", "-c", IN_A_NOTEBOOK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "IProgress" not in done.stderr
    without = [*command[:-1], IN_A_NOTEBOOK.replace("import condgen\n", "")]
    assert "IProgress" in subprocess.run(without, capture_output=True, text=True, check=True).stderr


# ---- which one


def test_bars_in_a_terminal_lines_elsewhere_and_one_process_of_several(
    terminal: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(shown(), Lines)
    terminal(80)
    assert isinstance(shown(), Bars)
    monkeypatch.setenv("RANK", "1")
    assert shown() is SILENT


def test_notes_are_spelled_as_an_interface_spells(seen: Seen) -> None:
    for progress in (Lines(str.upper), Bars(str.upper)):
        progress.note("set it")
        assert seen() == "SET IT\n"


def test_silence(seen: Seen) -> None:
    with SILENT.task("training", 10) as task:
        task.move(5)
    SILENT.alarm("the model has collapsed")
    SILENT.note("a note")
    assert (seen(), isinstance(task, Task)) == ("", True)
    assert all(isinstance(each, Progress) for each in (SILENT, Lines(), Bars(), Rewritten(), Events()))


# ---- who reports


def test_a_person_sees_training_in_python_unless_it_is_silent(
    digits: Splits, tmp_path: Path, seen: Seen, terminal: Callable[[int], None]
) -> None:
    terminal(120)
    train("cvae", digits, tmp_path / "shown", images=128, **SMALL)
    assert "128 / 128 images" in seen()
    train("cvae", digits, tmp_path / "silent", images=128, progress=SILENT, **SMALL)
    assert seen() == ""


def test_a_check_of_labels_is_seen(digits: Splits, seen: Seen, terminal: Callable[[int], None]) -> None:
    terminal(120)
    check_labels(digits.validation, folds=2, images=256)
    said = seen()
    assert "checking labels 2 / 2 judges" in said
    assert "training a judge" in said


def test_a_program_reads_progress_as_json(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> None:
    monkeypatch.setenv("CONDGEN_PROGRESS", "json")
    assert isinstance(shown(str.upper), Events)
    clock = Clock()
    events = Events(clock)
    events.note("set `r1=1`")
    with events.task("training", 1_000, done=100, unit="images") as task:
        clock.now = 0.1
        task.move(110)  # too soon for a line
        clock.now = 2.0
        task.move(300, values={"loss": 0.25})
        events.alarm("it failed by 12 %")
        events.alarm("it failed by 13 %")
        events.alarm("")
        events.alarm("")
    state = {"task": "training", "total": 1_000, "unit": "images"}
    assert [json.loads(line) for line in seen().splitlines()] == [
        {"note": "set `r1=1`"},
        state | {"done": 100, "left": None, "values": {}},
        state | {"done": 300, "left": 7, "values": {"loss": 0.25}},
        {"alarm": "it failed by 12 %"},
        {"alarm": ""},
        state | {"done": 300, "left": 7, "values": {"loss": 0.25}, "ended": True},
    ]
