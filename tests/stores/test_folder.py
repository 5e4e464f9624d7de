"""Folders by their address, on this disk and in a store: the same promises."""

import os
from pathlib import Path
from typing import Any

import pytest

from condgen.errors import RunError, StoreError
from condgen.extras import MissingExtraError
from condgen.stores import Folder, folder_at, is_address, patience
from condgen.stores.address import normalised
from condgen.stores.folder import write
from condgen.stores.remote import RemoteFolder

pytest.importorskip("fsspec", reason="pip install 'condgen[remote]'")
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # of huggingface_hub itself


CALM = pytest.mark.filterwarnings("default")  # gcsfs takes its own warnings as errors for those of a network


@pytest.fixture(params=["disk", "memory", "dataset", "model", pytest.param("google", marks=[pytest.mark.slow, CALM])])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty folder, on this disk or in a store whose fixture gives its address."""
    return folder_at(tmp_path / "set" if request.param == "disk" else f"{request.getfixturevalue(request.param)}/set")


def test_a_written_file_is_listed_and_read(folder: Folder) -> None:
    assert not folder.files()
    assert not folder.exists("part/0.bin")
    write(folder, "part/0.bin", b"zero")
    write(folder, "table.csv", b"one")
    assert [*folder.files()] == ["part/0.bin", "table.csv"]
    assert folder.exists("part/0.bin")
    assert folder.read("part/0.bin") == b"zero"


def test_a_stamp_changes_with_the_content(folder: Folder) -> None:
    write(folder, "a", b"before")
    before = folder.files()["a"]
    assert folder.files()["a"] == before
    write(folder, "a", b"after!")
    assert folder.files()["a"] != before
    assert folder.read("a") == b"after!"


def test_after_an_error_while_writing_the_older_file_stays(folder: Folder) -> None:
    write(folder, "a", b"before")

    def interrupted() -> None:
        with folder.writing("a") as partial:
            partial.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert folder.read("a") == b"before"
    assert [*folder.files()] == ["a"]


def test_hidden_files_are_not_listed(folder: Folder) -> None:
    write(folder, ".lease.json", b"{}")
    assert not folder.files()
    assert folder.exists(".lease.json")


def test_a_part_of_a_file_is_read(folder: Folder) -> None:
    write(folder, "a", b"0123456789")
    if isinstance(folder, RemoteFolder):
        assert folder.span("a", 3, 7) == b"3456"


def test_a_large_file_is_fetched_whole(folder: Folder, tmp_path: Path) -> None:
    content = os.urandom(9 * 2**20)
    write(folder, "large.safetensors", content)
    assert folder.read("large.safetensors") == content
    if isinstance(folder, RemoteFolder):
        folder.fetch("large.safetensors", tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == content


def test_a_removed_file_is_gone_and_may_be_removed_again(folder: Folder) -> None:
    write(folder, "a", b"1")
    folder.remove("a")
    folder.remove("a")
    assert not folder.exists("a")


def test_a_missing_file_is_named(folder: Folder) -> None:
    with pytest.raises(RunError, match=r"set/missing\.bin"):
        folder.read("missing.bin")


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("s3://bucket/run/", "s3://bucket/run"),
        ("S3://bucket/Run", "s3://bucket/Run"),
        (Path("s3://bucket/run"), "s3://bucket/run"),
        ("memory:///run", "memory://run"),
        ("hf://datasets/owner/name", "hf://datasets/owner/name"),
    ],
)
def test_addresses(place: str | Path, address: str) -> None:
    assert is_address(place)
    assert normalised(place) == address


@pytest.mark.parametrize(
    "place", ["my-run", "/tmp/s3", "hf:owner/name", "hf:/folder", r"C:\data", "C:/data", "file:///x", "a:b/c"]
)
def test_paths(place: str) -> None:
    assert not is_address(place)


def test_a_file_address_is_a_path() -> None:
    assert folder_at("file:///tmp/x").address == "/tmp/x"


class Failing:
    """A store that fails a number of times, then answers."""

    def __init__(self, error: Exception, times: int):
        self.error, self.left = error, times

    def __call__(self) -> str:
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return "an answer"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAIT", 0.0)


def test_passing_errors_are_tried_again() -> None:
    ask = Failing(ConnectionResetError("the line dropped"), patience.ATTEMPTS - 1)
    assert patience.patiently("s3://bucket", "read", ask) == "an answer"


def test_a_lasting_error_is_explained_with_advice() -> None:
    with pytest.raises(StoreError, match=r"^s3://bucket cannot be read: the line dropped\. Check .*network"):
        patience.patiently("s3://bucket", "read", Failing(ConnectionResetError("the line dropped"), 99))


def test_a_refusal_is_not_tried_again_and_speaks_of_credentials() -> None:
    ask = Failing(PermissionError("Access Denied"), 99)
    with pytest.raises(StoreError, match=r"Access Denied\..*credentials"):
        patience.patiently("s3://bucket", "written", ask)
    assert ask.left == 98


def test_a_file_that_arrives_short_is_put_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = RemoteFolder(f"memory://{tmp_path.name}")
    whole, cut = folder._store.pipe_file, [1]

    def pipe_file(path: str, content: bytes, **how: Any) -> None:
        whole(path, content[: len(content) // 2] if cut and cut.pop() else content, **how)

    monkeypatch.setattr(folder._store, "pipe_file", pipe_file)
    write(folder, "a", b"all of it")
    assert folder.read("a") == b"all of it"


@pytest.mark.parametrize("store", ["memory", "dataset"])
def test_only_one_creates_a_file(store: str, request: pytest.FixtureRequest) -> None:
    folder = RemoteFolder(request.getfixturevalue(store))
    assert folder.create("lease", b"mine")
    assert not folder.create("lease", b"theirs")
    assert folder.read("lease") == b"mine"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(address: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'condgen\[remote\]'"):
        folder_at("s3://bucket/run").exists("a")


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(StoreError, match="carrier-pigeon"):
        folder_at("carrier-pigeon://coop/run").exists("a")
