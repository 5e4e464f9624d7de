"""The studio on a port, in the browser of this machine, and on the command line."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from condgen.errors import RunError
from condgen.progress.protocol import Silent
from condgen.runs.run import Run
from condgen.studio import server
from condgen.studio.app import create_studio
from tests.conftest import Command


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The studio's own port, which something else listens at."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        monkeypatch.setattr(server, "PORT", port)
        yield port


def test_a_port_in_use_is_replaced_unless_it_was_named(used: int) -> None:
    with server.listen(None) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.getsockname()[1] != used
    with pytest.raises(RunError, match=str(used)):
        server.listen(used)


@pytest.mark.parametrize(("wanted", "screen"), [(True, True), (False, True), (True, False)])
def test_the_page_is_opened_where_there_is_a_window_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: bool, screen: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":0" if screen else "")
    monkeypatch.setattr(server.threading, "Thread", Now)
    monkeypatch.setattr(server, "server_of", lambda app, patience: Idle())
    notes = Notes()
    server.show(create_studio(runs=tmp_path), 0, token="a b", browser=wanted, progress=notes)
    [note] = notes.told
    address = next(word for word in note.split() if word.startswith("http"))
    assert address.endswith("/#token=a%20b")
    assert opened == ([address] if wanted and screen else [])


class Now:
    """A thread that is done at once."""

    def __init__(self, target: Any, args: Any, daemon: bool) -> None:
        self.start = lambda: target(*args)


class Idle:
    def run(self, sockets: list[socket.socket]) -> None:
        pass


class Notes(Silent):
    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def test_the_command_names_what_it_would_show(command: Command, run: Run, tmp_path: Path) -> None:
    assert command("studio", f"mine={run.path}", "--check").out == "mine: can be asked for digit=9\n"
    (tmp_path / "runs" / "found").mkdir(parents=True)
    (tmp_path / "runs" / "found" / "checkpoint.safetensors").symlink_to(run.path / "checkpoint.safetensors")
    assert command("studio", "--runs", tmp_path / "runs", "--check").out == "found: can be asked for digit=9\n"
    nothing = command("studio", "--runs", tmp_path / "empty", "--check")
    assert (nothing.status, nothing.out) == (0, "")
    missing = command("studio", tmp_path / "nosuch", "--check")
    assert missing.status == 1
    assert "nosuch" in missing.err
