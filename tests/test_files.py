"""Files that are whole or not there, and logs that a crash may have cut short."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from condgen.errors import RunError
from condgen.files import (
    MANY,
    STALE,
    keep,
    log_line,
    make_folder,
    must_be_writable,
    publish,
    read_log,
    sync,
    write_new,
    write_text,
    writing,
)
from condgen.outputs import new_folder


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_file_is_replaced_as_a_whole_and_others_may_read_it(tmp_path: Path) -> None:
    path, beside = tmp_path / "new" / "[a].txt", tmp_path / "beside"
    beside.touch()
    write_text(path, "old")
    with writing(path) as partial:
        partial.write_text("new")
        partial.chmod(0o600)
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(path.parent) == [path.name]
    assert path.stat().st_mode == beside.stat().st_mode


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")

    def stopped() -> None:
        with writing(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_several_may_write_the_same_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with writing(path) as first, writing(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # which finished last
    assert names(tmp_path) == ["a.txt"]


def test_what_dead_processes_left_is_cleared_and_what_others_write_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a [1].txt"
    old, fresh, other = (tmp_path / f".{name}.partial" for name in ("a [1].txt.dead", "a [1].txt.busy", "b.txt.dead"))
    for folder in (old, fresh, other):
        folder.mkdir()
        (folder / path.name).touch()
    for folder in (old, other):
        then = folder.stat().st_mtime - STALE - 60
        os.utime(folder, (then, then))
    write_text(path, "new")
    assert names(tmp_path) == sorted([fresh.name, other.name, path.name])


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing is known of other processes: an hour passes first")
def test_what_a_killed_process_was_writing_is_cleared_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a-1.txt"
    script = f"""
import os, signal
from pathlib import Path
from condgen.files import writing
with writing(Path({str(path)!r})) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert [name for name in names(tmp_path) if name.endswith(".partial")]
    with writing(path) as mine:
        mine.write_text("mine")
        write_text(path, "new")
        assert mine.exists()
    assert names(tmp_path) == ["a-1.txt"]


def test_everything_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watched(file: int) -> None:
        synced.append(f"{Path(f'/proc/self/fd/{file}').readlink().name} {(tmp_path / 'all').exists()}")
        fsync(file)

    (tmp_path / "some").mkdir()
    for name in ("a", "b"):
        (tmp_path / "some" / name).write_text(name)
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc to see which file is brought to the disk")
    monkeypatch.setattr("condgen.files.os.fsync", watched)
    publish(tmp_path / "some", tmp_path / "all")
    assert sorted(synced[:2]) == ["a False", "b False"]
    assert synced[2:] == ["some False", f"{tmp_path.name} True"]  # its names too, then its own
    assert names(tmp_path / "all") == ["a", "b"]


def test_a_folder_of_many_files_is_flushed_with_its_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    (tmp_path / "some" / "deep").mkdir(parents=True)
    for k in range(MANY):
        (tmp_path / "some" / "deep" / f"{k}").touch()
    monkeypatch.setattr("condgen.files.flushed_at_once", lambda _: not done.append(f"{(tmp_path / 'all').exists()}"))
    monkeypatch.setattr("condgen.files._flush", lambda path: done.append(path.name))
    publish(tmp_path / "some", tmp_path / "all")
    assert done == ["False", tmp_path.name]  # before it has its name, and then its name
    assert len(names(tmp_path / "all" / "deep")) == MANY


def test_where_a_file_system_cannot_be_flushed_each_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    files = [tmp_path / f"{k}" for k in range(MANY + 2)]
    for file in files:
        file.touch()
    monkeypatch.setattr("condgen.files.flushed_at_once", lambda _: False)
    monkeypatch.setattr("condgen.files._flush", lambda path: done.append(path.name))
    sync(tmp_path)
    assert sorted(done) == sorted([tmp_path.name, *(file.name for file in files)])


def test_a_file_system_that_cannot_write_gives_no_folder_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Path) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("condgen.files.MANY", 1)
    monkeypatch.setattr("condgen.files.flushed_at_once", failing)
    with pytest.raises(RunError, match="cannot be written"), new_folder(tmp_path / "a", "it") as partial:
        write_new(str(partial / "b"), b"content")
    assert not (tmp_path / "a").exists()


def test_a_file_is_written_whole_however_little_the_system_takes_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr("condgen.files.os.write", lambda file, content: write(file, bytes(content[:3])))
    write_new(str(tmp_path / "a"), b"ten bytes.")
    assert (tmp_path / "a").read_bytes() == b"ten bytes."


def test_folders_that_are_made_are_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[Path, bool]] = []
    monkeypatch.setattr("condgen.files.sync", lambda path, deep=True: synced.append((path, deep)))
    make_folder(tmp_path / "a" / "b")
    assert sorted(synced) == [(tmp_path, False), (tmp_path / "a", False)]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2


@pytest.mark.parametrize("links", [True, False])
def test_a_file_keeps_a_second_name_when_another_takes_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Some disks know one name a file only."""
    if not links:
        monkeypatch.setattr("condgen.files.Path.hardlink_to", lambda *_: (_ for _ in ()).throw(OSError(1, "no links")))
    path, older = write_text(tmp_path / "a", "old"), write_text(tmp_path / "b", "older")
    keep(path, older)
    assert path.samefile(older) == links
    write_text(path, "new")
    assert (path.read_text(), older.read_text()) == ("new", "old")
    assert names(tmp_path) == ["a", "b"]


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    must_be_writable(tmp_path)
    must_be_writable(tmp_path / "a" / "b")
    assert names(tmp_path) == []
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "a"):
        with pytest.raises(RunError, match=f"{place.name} cannot be written"):
            must_be_writable(place)


def test_text_that_cannot_be_written_is_a_paragraph_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file.inner\.txt cannot be written"):
        write_text(tmp_path / "file" / "inner.txt", "text")


def test_a_log_comes_back_without_the_line_that_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_log(path) == []
    path.write_text(log_line({"images": 1}) + "[1]\n" + log_line({"images": 2, "warning": "ü"}) + '{"images": 3, "lo')
    assert read_log(path) == [{"images": 1}, {"images": 2, "warning": "ü"}]
