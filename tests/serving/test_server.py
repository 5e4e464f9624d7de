"""The server as a process: where it listens, what a kill leaves, how it ends."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from condgen import Client
from condgen.errors import RunError
from condgen.pictures import as_uint8
from condgen.runs.run import Run
from condgen.serving.server import is_loopback, listening
from tests.conftest import Command

Start = Callable[..., "Process"]


class Process:
    """`condgen serve` in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "condgen.cli", "serve", *map(str, arguments)]
        self.popen = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "500"})
        assert self.popen.stderr
        self.said = ""
        while not (found := re.search(r"at (http://\S+:(\d+))", self.said)):
            line = self.popen.stderr.readline()
            assert line, self.said
            self.said += line
        self.address, self.port = found[1], int(found[2])

    def end(self, how: signal.Signals) -> int:
        """The status with which it ends after a signal."""
        self.popen.send_signal(how)
        return self.popen.wait(60)


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[Process] = []

    def begin(*arguments: object) -> Process:
        processes.append(Process(*arguments))
        return processes[-1]

    yield begin
    for process in processes:
        process.popen.kill()
        process.popen.wait()
        assert process.popen.stderr
        process.popen.stderr.close()


def right(client: Client, run: Run) -> bool:
    found, expected = (
        client.sample("digit=7", n=3, seed=9),
        as_uint8(run.sample("digit=7", n=3, seed=9).x).numpy() / 255,
    )
    return bool(abs(found.x - expected).max() <= 1 / 255 + 1e-6)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


LONG = {"request": "digit=3", "n": 400, "steps": 40, "format": "ndjson"}


def lines(address: str) -> Iterator[dict[str, Any]]:
    """The lines of a long answer, as they come."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/flow/sample", json.dumps(LONG).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        yield from map(json.loads, answer)


@pytest.mark.slow
def test_a_killed_server_starts_again_and_a_stopped_one_finishes(start: Start, flow: Run, run: Run) -> None:
    models, before = [f"digits={run.path}", f"flow={flow.path}"], contents(flow.path)
    process = start(*models, "--port", 0, "--batch", 16)
    assert "(this machine only)" in process.said
    assert right(Client(f"{process.address}/digits"), run)

    answer = lines(process.address)
    assert next(answer)["seed"] == 0
    children = psutil.Process(process.popen.pid).children(recursive=True)
    assert process.end(signal.SIGKILL) == -signal.SIGKILL
    assert not psutil.wait_procs(children, timeout=60)[1]  # the processes of its models end with it
    with suppress(OSError, ValueError):  # of a line that was cut
        assert len(list(answer)) < 399
    assert contents(flow.path) == before
    with pytest.raises(RunError, match="does not answer"):
        Client(f"{process.address}/digits").schema  # noqa: B018

    again = start(*models, "--port", process.port, "--batch", 16)
    assert again.port == process.port
    assert right(Client(f"{again.address}/digits"), run)
    found: list[dict[str, Any]] = []
    answer = lines(again.address)
    found.append(next(answer))
    reading = threading.Thread(target=lambda: found.extend(answer))
    reading.start()
    status = again.end(signal.SIGTERM)
    reading.join()
    assert [line["seed"] for line in found] == list(range(400))
    assert status == -signal.SIGTERM


@pytest.mark.slow
def test_a_model_whose_process_is_killed_answers_again(start: Start, flow: Run) -> None:
    process = start(f"flow={flow.path}", "--port", 0, "--batch", 16)
    answer = lines(process.address)
    assert next(answer)["seed"] == 0
    models = [each for each in psutil.Process(process.popen.pid).children() if "spawn_main" in " ".join(each.cmdline())]
    assert len(models) == 1
    models[0].kill()
    *made, last = answer
    assert [line["seed"] for line in made] == list(range(1, len(made) + 1))
    assert (len(made) < 399, last["problem"]["status"]) == (True, 500)
    assert "process that computes the model's samples ended" in last["problem"]["detail"]
    assert right(Client(process.address), flow)
    assert process.end(signal.SIGTERM) == -signal.SIGTERM


@pytest.mark.slow
def test_a_new_checkpoint_is_served_without_a_stop(start: Start, run: Run, unconditional: Run, tmp_path: Path) -> None:
    served, other = (shutil.copytree(each.path, tmp_path / each.path.name) for each in (run, unconditional))
    process = start(f"model={served}", "--port", 0)
    before = Client(process.address).fingerprint
    assert before == run.fingerprint
    (other / "checkpoint.safetensors").replace(served / "checkpoint.safetensors")
    until = time.monotonic() + 60
    while Client(process.address).fingerprint == before and time.monotonic() < until:
        time.sleep(0.2)
    assert Client(process.address).fingerprint == unconditional.fingerprint
    assert process.end(signal.SIGINT) == 130


# ---- options


def test_models_can_be_checked_without_serving_them(command: Command, run: Run, points: Run) -> None:
    result = command("serve", f"digits={run.path}", points.path, "--check")
    assert (
        result.out
        == f"digits: can be asked for digit=9\n{points.path.name}: can be asked for {points.schema.example}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nowhere"], 1, "no checkpoint"),
        (["RUN", "RUN"], 2, "would both be called"),
        (["a b=RUN"], 2, "NAME=PATH"),
        (["RUN", "--samples", "5000"], 2, "--samples 2000"),
        (["RUN", "--batch", "0"], 2, "batch must be above 0"),
        (["RUN", "--threads", "0"], 2, "threads must be above 0"),
        (["RUN", "--host", "256.0.0.1"], 1, "Choose another (--port 8001)"),
    ],
)
def test_what_cannot_be_served_is_refused(
    command: Command, run: Run, arguments: list[str], status: int, told: str
) -> None:
    result = command("serve", *(a.replace("RUN", str(run.path)) for a in arguments))
    assert (result.status, told in result.err) == (status, True), result.err


def test_a_port_in_use_is_refused() -> None:
    with listening("127.0.0.1", 0) as first, pytest.raises(RunError, match="Address already in use"):
        listening("127.0.0.1", first.getsockname()[1])


def test_answers_are_sent_as_soon_as_they_are_written() -> None:
    with listening("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("a-host", False)],
)
def test_addresses_of_this_machine_alone_are_known(host: str, here: bool) -> None:
    assert is_loopback(host) == here
