"""Servers started from Python."""

import signal
import threading
from pathlib import Path
from urllib.request import urlopen

import pytest

import condgen
from condgen.errors import RequestError
from condgen.progress import SILENT
from condgen.runs.run import Run
from condgen.serving.background import Background


def test_runs_are_served_until_the_context_ends(run: Run, points: Run) -> None:
    with served(run, f"two={points.path}", token="secret") as server:
        assert server.names == [run.path.name, "two"]
        assert repr(server) == (
            f"Server at {server.address}\n  condgen.Client('{server.address}/{run.path.name}'); "
            f"condgen.Client('{server.address}/two')"
        )
        client = condgen.Client(f"{server.address}/{run.path.name}", token="secret")
        assert client.sample(digit=7, n=2).condition.describe() == ["digit=7"] * 2
    assert not server.running
    assert repr(server).startswith(f"Server at {server.address} (stopped)")
    with pytest.raises(OSError, match="refused"):
        urlopen(server.address)


def served(*models: Run | str, token: str | None = None) -> Background:
    return condgen.serve(*models, port=0, token=token, background=True)


def test_without_a_background_it_serves_until_it_is_interrupted(run: Run) -> None:
    interrupt = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    interrupt.start()
    condgen.serve(run, port=0, progress=SILENT)
    assert not [t for t in threading.enumerate() if t.name == "condgen-server" and t.is_alive()]


def test_two_models_of_one_name_and_wrong_limits_are_refused(run: Run) -> None:
    with pytest.raises(RequestError, match=f"{run.path} and {run.path} would both be called"):
        served(run, str(run.path))
    with pytest.raises(RequestError, match="batch must be above 0"):
        condgen.serve(run, batch=0)


def test_paths_may_be_paths(run: Run) -> None:
    with condgen.serve(Path(run.path), port=0, background=True) as server:
        assert server.names == [run.path.name]
