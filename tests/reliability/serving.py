"""A server that is killed while it answers: whoever asked is told, and the next server answers as always."""

import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from .kills import contents
from .world import REQUESTS, World, finished, moment, process, same_files, wait

PATIENCE = 60.0  # seconds within which a server is up
MOST = 3  # servers of one attempt that are killed


class Serving:
    """Kills of `serve` while `sample` asks it."""

    def __init__(self, world: World):
        self.world = world
        self.run = world.run.with_name("served")

    def killed(self, chance: random.Random, place: Path) -> int:
        """The samples that were asked for, in spite of several servers that were killed."""
        wanted, before, out, kills = self.unharmed(), contents(self.run), place / "out", 0
        while kills < MOST and not out.exists():
            with self._served(place) as (server, address), process(asking(address, out), place / "said.txt") as client:
                status = wait(client, moment(chance, self.world.seconds["ask"]))
                os.kill(server, signal.SIGKILL)
                if status is None:  # in the middle of an answer
                    kills += 1
                    status = wait(client)
            said = (place / "said.txt").read_text()
            assert status == 0 or (status == 1 and "Traceback" not in said), f"status {status}: {said[-500:]}"
        if not out.exists():
            self._ask(place, out)
        same_files(out, wanted)
        assert contents(self.run) == before, "the run was changed"
        return kills

    def unharmed(self) -> Path:
        """The samples of a server that nobody harmed."""
        wanted = self.run.with_name("unharmed-served")
        if not wanted.exists():
            shutil.copytree(self.world.run, self.run)
            place = self.run.with_name("asking")
            place.mkdir()
            self._ask(place, place / "out", warming=True)
            self._ask(place, wanted)
        return wanted

    def _ask(self, place: Path, out: Path, warming: bool = False) -> None:
        with self._served(place, warming) as (_, address):
            started = time.monotonic()
            finished(asking(address, out), place / "said.txt", warming)
            self.world.seconds["ask"] = time.monotonic() - started

    @contextmanager
    def _served(self, place: Path, warming: bool = False) -> Iterator[tuple[int, str]]:
        """A server, by its process and its address. warming: as for `finished`."""
        port = free_port()
        if warming:
            finished(["serve", str(self.run), "--check"], place / "server.txt", warming)
        with process(["serve", str(self.run), f"--port={port}"], place / "server.txt") as server:
            wait_for(f"http://127.0.0.1:{port}/readyz", place / "server.txt")
            yield server, f"http://127.0.0.1:{port}/{self.run.name}"


def asking(address: str, out: Path) -> list[str]:
    return ["sample", address, *REQUESTS, f"--out={out}"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(address: str, said: Path) -> None:
    """Wait until a server answers. Raises AssertionError if it does not."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            with urlopen(address, timeout=PATIENCE):
                return
        except (URLError, ConnectionError):
            time.sleep(0.02)
    raise AssertionError(f"no server: {said.read_text()[-500:]}")
