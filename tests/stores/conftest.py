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
from tests.hub.conftest import hub  # noqa: F401 (a fixture)
from tests.hub.stand_in import Repository, StandIn

NEEDED = ("s3fs", "moto", "flask", "flask_cors")
GOOGLE = "pip install gcsfs gcp-storage-emulator"  # in an environment of their own: they bring many packages
EMULATOR = """
import sys
from http.server import ThreadingHTTPServer
from gcp_storage_emulator import server
server.server.HTTPServer = ThreadingHTTPServer  # a second connection would wait for the end of the first
with server.create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket") as running:
    print(running._api._httpd.server_port, flush=True)
    sys.stdin.read()
"""


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


@pytest.fixture
def dataset(hub: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:  # noqa: F811
    """The address of an empty repository of a dataset, at a stand-in of the Hugging Face Hub."""
    yield from _repository(hub, "datasets", monkeypatch, tmp_path)


@pytest.fixture
def model(hub: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:  # noqa: F811
    """The address of an empty repository of a model, at a stand-in of the Hugging Face Hub."""
    yield from _repository(hub, "models", monkeypatch, tmp_path)


def _repository(server: StandIn, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    from huggingface_hub import HfFileSystem

    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", server.address)  # for workers in other processes
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    server.repositories[f"{kind}/someone/set"] = Repository()
    yield "hf://someone/set" if kind == "models" else f"hf://{kind}/someone/set"
    HfFileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def _google() -> Iterator[str]:
    """The address of an emulator of Google's Cloud Storage. Unlike Google's, it does not decide between two writers."""
    for name in ("gcsfs", "gcp_storage_emulator"):
        pytest.importorskip(name, reason=GOOGLE)
    with subprocess.Popen(
        [sys.executable, "-c", EMULATOR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


@pytest.fixture
def google(_google: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of an empty folder in a bucket there."""
    import gcsfs

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", _google)
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    yield f"gs://bucket/{uuid4().hex[:12]}"
    gcsfs.GCSFileSystem.clear_instance_cache()
