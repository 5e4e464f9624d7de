"""Whole file systems brought to the disk, where that is known to be kept."""

import ctypes
import errno
import sys
from pathlib import Path

import pytest

from condgen import filesystems
from condgen.filesystems import flushed_at_once

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the call")


class System(ctypes.CDLL):
    """The system, with a file system of a given kind and a call that may fail."""

    def __init__(self, kind: int, error: int = 0):
        super().__init__(None, use_errno=True)
        self.kind, self.error, self.flushed = kind, error, 0

    def fstatfs(self, opened: int, facts: "ctypes.Array[ctypes.c_long]") -> int:
        facts[0] = self.kind
        return 0

    def syncfs(self, opened: int) -> int:
        self.flushed += 1
        ctypes.set_errno(self.error)
        return -1 if self.error else 0


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def placed(system: System, release: tuple[int, ...] = (6, 1)) -> System:
        monkeypatch.setattr(filesystems.ctypes, "CDLL", lambda *_, **__: system)
        monkeypatch.setattr(filesystems, "_release", lambda: release)
        return system

    return placed


def test_a_file_system_that_keeps_its_promise_is_flushed(tmp_path: Path, on) -> None:  # type: ignore[no-untyped-def]
    for kind in filesystems.PROVEN:
        system = on(System(kind))
        assert flushed_at_once(tmp_path)
        assert system.flushed == 1


@pytest.mark.parametrize(("kind", "release"), [(0x6969, (6, 1)), (0x65735546, (6, 1)), (0xEF53, (5, 7))])
def test_others_are_not_trusted(tmp_path: Path, on, kind: int, release: tuple[int, ...]) -> None:  # type: ignore[no-untyped-def]
    """NFS and FUSE send data to somebody who may still hold it; an older Linux is silent about failures."""
    system = on(System(kind), release)
    assert not flushed_at_once(tmp_path)
    assert not system.flushed


def test_data_that_could_not_be_written_is_an_error(tmp_path: Path, on) -> None:  # type: ignore[no-untyped-def]
    on(System(0xEF53, errno.EIO))
    with pytest.raises(OSError, match="error") as found:
        flushed_at_once(tmp_path)
    assert found.value.errno == errno.EIO


def test_the_system_here_answers(tmp_path: Path) -> None:
    opened = tmp_path / "a"
    opened.touch()
    with opened.open("rb") as file:
        assert filesystems._kind(ctypes.CDLL(None), file.fileno()) is not None
    assert filesystems._release() > (2, 0)
    assert flushed_at_once(tmp_path) in (True, False)
