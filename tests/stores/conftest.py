"""A store: in memory, and a real S3-compatible server in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import pytest

from condgen.stores import patience

NEEDED = ("s3fs", "moto", "flask", "flask_cors")


class Server:
    """The server's address, and its faults."""

    def __init__(self, address: str):
        self.address = address

    def fail(self, every: int, seed: int = 0) -> None:
        """Let one request in so many fail from now on. 0: none."""
        self._ask(f"?every={every}&seed={seed}")

    @property
    def faults(self) -> dict[str, int]:
        """The number of requests since `fail`, by what became of them."""
        return self._ask("")

    def _ask(self, query: str) -> Any:
        with urlopen(f"{self.address}/-/faults{query}") as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install 'condgen[dev]'")
    with subprocess.Popen([sys.executable, "-m", "tests.stores.server"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Server(process.stdout.readline().strip())
        process.kill()


@pytest.fixture
def s3(_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """The server, as every process of this test knows it. Its requests fail only if the test says so."""
    for name, value in {
        "AWS_ENDPOINT_URL": _server.address,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",  # nothing is behind it
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "CONDGEN_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    _server.fail(0)
    yield _server
    _server.fail(0)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(s3: Server) -> str:
    """The address of a new bucket."""
    import s3fs

    name = f"b-{uuid4().hex[:12]}"
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of an empty folder of a store in this process's memory, with a cache of its own."""
    fsspec = pytest.importorskip("fsspec", reason="pip install 'condgen[remote]'")
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(patience, "WAIT", 0.0)
    yield f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").store.clear()
    fsspec.filesystem("memory").pseudo_dirs[:] = [""]
