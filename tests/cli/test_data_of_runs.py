"""The README's run, trained from Python, in every command; what commands say where a run's data is not at hand."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from condgen.evaluation.judge.judge import train_judge
from condgen.training import checkpoint
from tests.cli.test_cli import one_paragraph
from tests.cli.test_evaluate import BRIEF
from tests.conftest import Command

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("condgen.evaluation.judge.judge.train_judge", partial(train_judge, images=5_000))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which somebody did what the README does in Python, though for a shorter time."""
    example = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    quick, changed = re.subn(r"images=\d+_000", "images=2_000", example[1])
    assert changed == 2
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("CONDGEN_CACHE", str(home / "cache"))
        patch.chdir(home)
        exec(quick, {})
        yield home


Change = Callable[[dict[str, Any]], dict[str, Any]]


def copied(run: Path, to: Path, change: Change = dict, seed: int = 0) -> Path:
    """A copy of a run, without its report, whose header says something else of its data or is of another seed."""
    info, tensors = checkpoint.load(run / checkpoint.FILE)
    info.data, info.training["seed"] = change(info.data), seed
    to.mkdir()
    checkpoint.save(to / checkpoint.FILE, info, tensors)
    return to


def test_every_command_takes_the_run_of_the_readme(command: Command, home: Path) -> None:
    def do(*arguments: object) -> str:
        result = command(*arguments)
        assert result.status == 0, result.err
        return result.out

    do("resume", "my-run")
    assert "report.html" in do("evaluate", "my-run", *BRIEF)
    do("doctor", "my-run")
    other = copied(home / "my-run", home / "other-run", seed=1)
    assert "projection" in do("compare", "my-run", other, *BRIEF)
    do("gallery", "my-run", "--only", "neighbours", "-n", 2)
    assert "not at hand" not in (home / "my-run" / "gallery.html").read_text(encoding="utf-8")
    do("sample", "my-run", "digit=7", "-n", 1, "--out", "sevens")
    do("edit", "cvae-run", "sevens/000000.png", "digit=1", "--from", "digit=7", "--out", "edited")


def in_memory(data: dict[str, Any]) -> dict[str, Any]:
    return {"fingerprint": data["fingerprint"]}


def moved(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"source": "/gone/digits"}


def changed(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"fingerprint": "of other images"}


COMMANDS = {
    "evaluate": ["evaluate", "RUN", *BRIEF],
    "doctor": ["doctor", "RUN"],
    "compare": ["compare", "RUN", "OTHER", *BRIEF],
    "resume": ["resume", "RUN", "--budget", "+0.1s"],
    "distill": ["distill", "RUN", "--out", "nowhere"],
}


def on(name: str, run: Path, other: Path) -> list[str]:
    """A command on a run, or on two."""
    return [{"RUN": str(run), "OTHER": str(other)}.get(word, word) for word in COMMANDS[name]]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (in_memory, ["built in memory", "condgen.resume("]),
        (moved, ["/gone/digits", "does not exist"]),
        (changed, ["digits", "have changed"]),
    ],
)
def test_data_that_is_not_at_hand_is_asked_for(
    command: Command, home: Path, tmp_path: Path, change: Change, parts: list[str], name: str
) -> None:
    run, other = (copied(home / "my-run", tmp_path / f"run-{seed}", change, seed) for seed in (0, 1))
    one_paragraph(command(*on(name, run, other)), 1, str(run), *parts, "--data DATA")


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"distill"}))  # which a CVAE cannot be
def test_data_that_is_named_is_taken(command: Command, home: Path, tmp_path: Path, name: str) -> None:
    run, other = (copied(home / "my-run", tmp_path / f"run-{seed}", moved, seed) for seed in (0, 1))
    result = command(*on(name, run, other), "--data", "digits")
    assert result.status == 0, result.err
    if name == "compare":
        assert [file.name for file in run.iterdir()] == [checkpoint.FILE], "a report on named data is not the run's own"


def test_a_gallery_is_made_without_the_data_and_with_data_that_is_named(
    command: Command, home: Path, tmp_path: Path
) -> None:
    run = copied(home / "my-run", tmp_path / "run", in_memory)
    gallery = ["gallery", run, "--only", "neighbours", "-n", 2, "--out", tmp_path / "page.html"]
    assert command(*gallery).status == 0
    assert "built in memory" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert command(*gallery, "--data", "digits").status == 0
    assert "built in memory" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_run_is_resumed_on_its_own_data_only(command: Command, home: Path, tmp_path: Path) -> None:
    run = copied(home / "my-run", tmp_path / "run", in_memory)
    one_paragraph(command("resume", run, "--data", "colored-digits"), 1, str(run), "not what", "have changed")
    assert command("resume", run, "--data", "digits").status == 0


def test_data_to_train_on_is_no_option(command: Command, home: Path, tmp_path: Path) -> None:
    grid = ["compare", "digits", "--models", "cvae", "--images", "100", "--out", tmp_path / "grid"]
    one_paragraph(command(*grid, "--data", "digits"), 2, "--data", "--models")
