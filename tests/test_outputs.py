"""New folders appear whole; an unfinished one is told apart, continued by its own request and by no other."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from condgen.errors import CondgenWarning, RequestError, RunError
from condgen.locks import held
from condgen.outputs import new_folder

SEVEN, EIGHT = {"digit": 7}, {"digit": 8}


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def stopped(path: Path, request: dict[str, int] | None, *files: str) -> None:
    """Write these files, then be interrupted."""
    with new_folder(path, "it", request) as partial:
        for name in files:
            (partial / name).touch()
        raise KeyboardInterrupt


@pytest.mark.parametrize("request_", [None, SEVEN])
def test_it_has_its_name_only_when_it_is_whole(tmp_path: Path, request_: dict[str, int] | None) -> None:
    path = tmp_path / "a" / "b"
    with new_folder(path, "it", request_) as partial:
        (partial / "c").touch()
        assert not path.exists()
    assert names(path) == ["c"]
    assert names(path.parent) == ["b"]


@pytest.mark.parametrize("path", [".", "", "/"])
def test_a_folder_without_a_name_of_its_own_is_refused(path: str) -> None:
    with pytest.raises(RequestError, match="is there already"), new_folder(Path(path), "it"):
        pass


def test_a_folder_that_is_there_but_empty_may_be_filled(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a", "it"):
        pass
    with new_folder(tmp_path / "a", "it") as partial:
        (partial / "b").touch()
    assert names(tmp_path / "a") == ["b"]
    with pytest.raises(RequestError, match="is not empty; nothing was overwritten"), new_folder(tmp_path / "a", "it"):
        pass


def test_what_was_written_without_a_request_goes_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        stopped(tmp_path / "a", None, "b")
    with pytest.raises(KeyboardInterrupt):
        stopped(tmp_path / "a", SEVEN)
    assert names(tmp_path) == []


def test_nothing_is_kept_before_something_is_recorded_as_finished(tmp_path: Path) -> None:
    def begun(record: str) -> None:
        with new_folder(tmp_path / "a", "it", SEVEN, "record") as partial:
            (partial / "b").touch()
            (partial / "record").write_text(record)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begun("")
    assert names(tmp_path) == []
    with pytest.warns(CondgenWarning, match="kept in"), pytest.raises(KeyboardInterrupt):
        begun("b")


def test_the_same_request_continues_and_another_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.warns(CondgenWarning, match=r"kept in .*a\.partial"), pytest.raises(KeyboardInterrupt):
        stopped(path, SEVEN, "b")
    with pytest.raises(RequestError, match="beginning of something else"), new_folder(path, "it", EIGHT):
        pass
    with new_folder(path, "it", SEVEN) as partial:
        assert (partial / "b").exists()
    assert names(path) == ["b"]


def test_writing_without_a_request_starts_anew(tmp_path: Path) -> None:
    with pytest.warns(CondgenWarning), pytest.raises(KeyboardInterrupt):
        stopped(tmp_path / "a", SEVEN, "b")
    with new_folder(tmp_path / "a", "it") as partial:
        (partial / "c").touch()
    assert names(tmp_path / "a") == ["c"]


def test_the_same_request_in_another_order_is_the_same(tmp_path: Path) -> None:
    with pytest.warns(CondgenWarning), pytest.raises(KeyboardInterrupt):
        stopped(tmp_path / "a", {"digit": 7, "n": 2}, "b")
    with new_folder(tmp_path / "a", "it", {"n": 2, "digit": 7}):
        pass
    assert names(tmp_path / "a") == ["b"]


def test_an_unfinished_file_is_not_published(tmp_path: Path) -> None:
    with new_folder(tmp_path / "a", "it") as partial:
        (partial / ".b.of-a-writer-that-failed.partial").mkdir()
    assert names(tmp_path / "a") == []


def test_a_file_with_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(RunError, match="a cannot be written: Not a directory"), new_folder(tmp_path / "a", "it"):
        pass
    assert (tmp_path / "a").read_text() == "mine"
    assert names(tmp_path) == ["a"]


def test_a_folder_of_somebody_else_with_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.partial").mkdir()
    (tmp_path / "a.partial" / "mine").touch()
    with pytest.raises(RequestError, match=r"a\.partial is not empty"), new_folder(tmp_path / "a", "it"):
        pass
    assert names(tmp_path / "a.partial") == ["mine"]


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_what_a_killed_process_left_is_continued(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from condgen.outputs import new_folder
with new_folder(Path({str(tmp_path / "a")!r}), "it", {SEVEN}) as partial:
    (partial / "b").touch()
    (partial / ".c.of-another-machine.partial").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert names(tmp_path) == [".a.lock", "a.partial"]
    with new_folder(tmp_path / "a", "it", SEVEN) as partial:
        assert (partial / "b").exists()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["b"]


def test_two_do_not_write_the_same(tmp_path: Path) -> None:
    (tmp_path / ".a.lock").mkdir()
    script = f"""
from pathlib import Path
from condgen.outputs import new_folder
with new_folder(Path({str(tmp_path / "a")!r}), "it", {SEVEN}):
    pass
"""
    with held(tmp_path / ".a.lock"):
        done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert "RunError" in done.stderr
    assert f"process {os.getpid()} on" in done.stderr


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file.out cannot be written"), new_folder(tmp_path / "file" / "out", "it"):
        pass
