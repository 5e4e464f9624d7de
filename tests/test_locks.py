"""One process at a time writes to a folder; a dead one holds nobody up."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENOENT
from pathlib import Path

import pytest
from filelock import FileLock

from condgen.errors import RequestError, RunError
from condgen.locks import DEAD, LOCK, OWNER, held, held_new

HOLD = """
import sys, time
from pathlib import Path
from condgen.locks import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_another_process_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        for take in (lambda: held(tmp_path), lambda: held_new(tmp_path, "the run")):
            with pytest.raises(RunError, match=rf"written to by process {process.pid} on .* \(-c .*Wait"), take():
                pass
        assert (tmp_path / OWNER).exists()


def test_a_process_that_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / OWNER).exists()
        with held(tmp_path):
            assert json.loads((tmp_path / OWNER).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_lock(tmp_path: Path) -> None:
    with held(tmp_path):
        assert {file.name for file in tmp_path.iterdir()} == {LOCK, OWNER}
    assert list(tmp_path.iterdir()) == []


def test_a_thread_may_hold_what_it_holds_and_another_may_not(tmp_path: Path) -> None:
    refused: list[str] = []

    def other() -> None:
        try:
            with held(tmp_path):
                pass
        except RunError as error:
            refused.append(str(error))

    with held(tmp_path):
        with held(tmp_path):
            pass
        assert (tmp_path / OWNER).exists()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert refused
    other()
    assert len(refused) == 1


def sign(folder: Path, host: str, seconds_ago: float) -> None:
    (folder / OWNER).write_text(json.dumps({"pid": 7, "host": host, "command": "condgen train\x1b[2J"}))
    then = time.time() - seconds_ago
    os.utime(folder / OWNER, (then, then))


def test_another_machines_owner_counts_as_long_as_it_gives_signs_of_life(tmp_path: Path) -> None:
    """Its lock may not reach this machine; whoever knows better is told which file to remove."""
    sign(tmp_path, "elsewhere", 20)
    with (
        pytest.raises(RunError, match=r"process 7 on elsewhere \(condgen train\[2J\).*remove .*owner.json"),
        held(tmp_path),
    ):
        pass
    assert (tmp_path / OWNER).exists()
    sign(tmp_path, "elsewhere", DEAD + 20)
    with held(tmp_path):
        pass
    sign(tmp_path, "elsewhere", 20)
    (tmp_path / OWNER).unlink()
    with held(tmp_path):
        pass


STRANGE = ["", "[]", "7", "{}", '{"pid": 7}', '{"pid": 7, "host": null}', "[" * 100_000]


@pytest.mark.parametrize("content", STRANGE, ids=range(len(STRANGE)))
def test_an_owner_file_that_is_none_names_nobody(tmp_path: Path, content: str) -> None:
    with holding(tmp_path):
        (tmp_path / OWNER).write_text(content)
        with pytest.raises(RunError, match="written to by another process"), held(tmp_path):
            pass
    with held(tmp_path):
        pass


def test_a_long_command_is_cut(tmp_path: Path) -> None:
    sign(tmp_path, "h" * 5_000, 20)
    with pytest.raises(RunError, match="written to by process 7") as caught, held(tmp_path):
        pass
    assert str(caught.value).count("h") < 300


def test_signs_of_life_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condgen.locks.RENEWED", 0.01)
    with held(tmp_path):
        os.utime(tmp_path / OWNER, (0, 0))
        ends = time.monotonic() + 10
        while (tmp_path / OWNER).stat().st_mtime == 0 and time.monotonic() < ends:
            time.sleep(0.01)
        assert (tmp_path / OWNER).stat().st_mtime > 0


def test_of_several_processes_of_one_training_the_first_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holding(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with held(tmp_path):
            pass
        monkeypatch.setenv("RANK", "0")
        with pytest.raises(RunError), held(tmp_path):
            pass


def test_a_new_folder_is_empty_and_goes_if_nothing_comes_into_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"

    def failing() -> None:
        with held_new(folder, "the run"):
            assert folder.is_dir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert not folder.exists()
    with held_new(folder, "the run"), held_new(folder, "the run"):
        (folder / "file").touch()
    with pytest.raises(RequestError, match=r"is not empty.*Choose a new one for the run"), held_new(folder, "the run"):
        pass
    assert [file.name for file in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("take", [held, lambda folder: held_new(folder, "the run")])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, take: Callable[[Path], Iterator[None]]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file.run cannot be written"), take(tmp_path / "file" / "run"):
        pass


def test_an_owner_that_ends_may_take_the_folder_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, acquire = tmp_path / "lock", FileLock.acquire
    folder.mkdir()

    def after_its_end(lock: FileLock) -> object:
        monkeypatch.setattr(FileLock, "acquire", acquire)
        folder.rmdir()
        raise FileNotFoundError(ENOENT, "the file to lock")

    monkeypatch.setattr(FileLock, "acquire", after_its_end)
    with held(folder):
        assert (folder / LOCK).exists()
