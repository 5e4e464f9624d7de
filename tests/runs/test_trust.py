import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from condgen.data import load
from condgen.errors import CondgenError
from condgen.progress import SILENT
from condgen.runs import data as data_module
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.runs.trust import UntrustedError
from condgen.training import checkpoint
from tests.conftest import SMALL, Command


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with data and a run trained on it, by somebody else: nothing here knows of it."""
    home = tmp_path_factory.mktemp("home")
    rows = [f"{k % 7 / 7},{k % 5 / 5},{k % 2}" for k in range(200)]
    (home / "points.csv").write_text("x0,x1,side\n" + "\n".join(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDGEN_CACHE", str(home / "cache of somebody else"))
        train("cvae", str(home / "points.csv"), home / "run", images=256, progress=SILENT, **SMALL)
    return home


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The addresses that are read."""
    read: list[str] = []
    real = data_module.load_source

    def noting(source: Any, progress: Any = None) -> Any:
        read.append(source.address)
        return real(source, progress)

    monkeypatch.setattr(data_module, "load_source", noting)
    return read


def naming(run: Path, folder: Path, **entries: object) -> Path:
    """A copy of a run whose header says something else of its data."""
    info, tensors = checkpoint.load(run / checkpoint.FILE)
    info.data |= entries
    checkpoint.save(folder / checkpoint.FILE, info, tensors)
    return folder


def test_nothing_is_read_that_only_the_run_names(home: Path, reads: list[str]) -> None:
    with pytest.raises(UntrustedError, match=r"points\.csv.*`trust=True`.*`data=DATA`.*Nothing was read"):
        Run.open(home / "run").data()
    assert reads == []


def test_what_a_person_names_is_read(home: Path, reads: list[str]) -> None:
    assert len(Run.open(home / "run").data(str(home / "points.csv")).train)
    assert reads == [str(home / "points.csv")]


def test_a_trusted_run_may_choose_and_its_places_are_remembered(home: Path, reads: list[str]) -> None:
    assert len(Run.open(home / "run", trust=True).data().train)
    assert len(Run.open(home / "run").data().train)
    assert len(reads) == 2


def test_a_person_is_not_asked_about_data_trained_on_before(home: Path, tmp_path: Path) -> None:
    trained = train("cvae", str(home / "points.csv"), tmp_path / "own", images=256, progress=SILENT, **SMALL)
    assert len(Run.open(trained.path).data().train)


def test_data_in_the_current_folder_or_the_runs_own_may_be_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    assert len(Run.open(home / "run").data().train)
    monkeypatch.chdir(tmp_path)
    own = naming(home / "run", tmp_path / "moved", source=str(tmp_path / "moved" / "points.csv"))
    (own / "points.csv").write_bytes((home / "points.csv").read_bytes())
    monkeypatch.chdir(tmp_path / "here")
    assert len(Run.open(own).data().train)


def test_a_link_out_of_the_runs_folder_leads_out(home: Path, tmp_path: Path) -> None:
    own = naming(home / "run", tmp_path / "moved", source=str(tmp_path / "moved" / "points.csv"))
    (own / "points.csv").symlink_to(home / "points.csv")
    with pytest.raises(UntrustedError):
        Run.open(own).data()


@pytest.mark.parametrize(
    "address", ["hf:somebody/tracks-you", "/dev/zero", "mnist", "..", "hf:x/\x1b[2Jy", "/nowhere/{000..003}.tar"]
)
def test_no_address_is_looked_up_because_a_run_names_it(
    home: Path, tmp_path: Path, reads: list[str], address: str
) -> None:
    with pytest.raises(UntrustedError) as caught:
        Run.open(naming(home / "run", tmp_path / "moved", source=address)).data()
    assert reads == []
    assert "\x1b" not in str(caught.value)


def test_a_link_that_leads_nowhere_yet_is_not_followed(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "later.csv")
    with pytest.raises(UntrustedError):
        Run.open(naming(home / "run", tmp_path / "moved", source=str(tmp_path / "link.csv"))).data()


def test_data_that_is_gone_is_called_gone(home: Path, tmp_path: Path) -> None:
    """Not untrusted: to trust the run would not help."""
    with pytest.raises(CondgenError) as caught:
        Run.open(naming(home / "run", tmp_path / "moved", source=str(tmp_path / "gone.csv"))).data()
    assert not isinstance(caught.value, UntrustedError)
    assert "gone.csv" in str(caught.value)


def test_built_in_data_needs_no_trust(run: Run) -> None:
    assert len(Run.open(run.path).data().train)


def test_a_teacher_is_not_opened_because_a_run_names_it(home: Path, tmp_path: Path) -> None:
    data = load(str(home / "points.csv"), progress=SILENT)
    taught = naming(home / "run", tmp_path / "taught", teacher={"path": str(home / "run"), "guidance": 2.0})
    info, tensors = checkpoint.load(taught / checkpoint.FILE)
    info.total, info.training["images"] = 1000, 1000
    checkpoint.save(taught / checkpoint.FILE, info, tensors)
    with pytest.raises(UntrustedError, match=f"{home}/run,"):
        resume(taught, data, SILENT)


def test_the_command_line_refuses_or_asks(home: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(text: str, err: bool) -> bool:
        asked.append(text)
        return len(asked) > 1

    refused = command("evaluate", home / "run", "--out", "report")
    assert refused.status == 1
    assert "--trust" in refused.err
    assert "--data DATA" in refused.err
    assert not Path("report").exists()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("condgen.cli.options.typer.confirm", answer)
    from condgen.cli.options import data_of

    with pytest.raises(UntrustedError):
        data_of(Run.open(home / "run"), None)
    assert len(data_of(Run.open(home / "run"), None).train)
    assert len(asked) == 2


def test_the_places_are_told(home: Path, command: Command) -> None:
    told = command("resume", home / "run", "--budget", "+1s", "--trust")
    assert told.status == 0, told.err
    assert f"names what is read: {home / 'points.csv'}" in told.err
    assert json.dumps(str(home / "points.csv")) in Path("../cache/places.jsonl").read_text()
