"""Published datasets from a local copy, and how they are downloaded; the web is a server on this machine."""

import gzip
import hashlib
import io
import re
import socket
import struct
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from condgen.data import load, published
from condgen.data.published import CIFAR10_CLASSES, PUBLISHED
from condgen.data.readers.binary import read_idx
from condgen.data.storage.downloads import Remote, fetch
from condgen.errors import DataError
from tests.conftest import Command
from tests.data.readers.test_faces import celeba
from tests.data.test_sources import complaint, everything, write

CONTENT = np.random.default_rng(0).bytes(200_000)


@dataclass
class Web:
    """What the server has, what it was asked for, and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)
    cut: int | None = None  # bytes after which it hangs up
    moved: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    home: str = ""


@pytest.fixture
def web() -> Iterator[Web]:
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers["Range"])
            if place := state.moved.get(self.path.lstrip("/")):
                self.send_response(302)
                self.send_header("Location", place)
                self.end_headers()
                return
            content = state.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            start = int(re.findall(r"\d+", self.headers["Range"] or "0")[0]) if state.ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: state.cut])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.home = f"http://127.0.0.1:{server.server_port}/"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def remote(web: Web, name: str = "file.bin", content: bytes = CONTENT) -> Remote:
    web.files[name] = content
    return Remote(web.home + name, hashlib.sha256(content).hexdigest(), len(content))


def test_a_download_is_kept_and_not_repeated(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    assert fetch(file, tmp_path / "a").read_bytes() == CONTENT
    assert fetch(file, tmp_path / "a").read_bytes() == CONTENT
    assert web.asked == [None]
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on_where_it_stopped(web: Web, tmp_path: Path, ranges: bool) -> None:
    file = remote(web)
    web.cut, web.ranges = 70_000, ranges
    with pytest.raises(DataError, match=r"to continue from there|could not be downloaded"):
        fetch(file, tmp_path)
    assert not (tmp_path / "file.bin").exists()
    web.cut = None
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert web.asked == [None, "bytes=70000-"]


def test_a_file_that_is_not_what_was_published_is_discarded(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    web.files["file.bin"] = b"x" * len(CONTENT)
    with pytest.raises(DataError, match="SHA-256"):
        fetch(file, tmp_path)
    assert not (tmp_path / "file.bin").exists()
    web.files["file.bin"] = CONTENT
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_what_cannot_be_downloaded_is_named(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"127.*nothing\.gz could not be downloaded: .*Not Found"):
        fetch(Remote(web.home + "nothing.gz", "0" * 64, 5), tmp_path)


def test_a_file_that_moved_is_followed(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    web.files["elsewhere"] = web.files.pop("file.bin")
    web.moved["file.bin"] = f"{web.home}elsewhere"
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert (tmp_path / "file.bin").is_file()


@pytest.mark.parametrize("begun", [b"", CONTENT[:1000]])
def test_a_login_page_is_never_taken_for_a_part_of_the_file(web: Web, tmp_path: Path, begun: bytes) -> None:
    file = remote(web)
    web.files["file.bin"] = b"<html>please log in</html>" * 100
    if begun:
        write(tmp_path / "file.bin.partial", begun)
    with pytest.raises(DataError, match=r"would send 2,600 bytes, but .* 200,000"):
        fetch(file, tmp_path)
    assert not (tmp_path / "file.bin").exists()
    web.files["file.bin"] = CONTENT
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_a_damaged_beginning_is_found_out_and_fetched_anew(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    write(tmp_path / "file.bin.partial", bytes(70_000))
    with pytest.raises(DataError, match="discarded"):
        fetch(file, tmp_path)
    assert fetch(file, tmp_path).read_bytes() == CONTENT


def test_two_who_want_one_file_fetch_it_once(web: Web, tmp_path: Path) -> None:
    file = remote(web)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: fetch(file, tmp_path).read_bytes(), range(2)))
    assert both == [CONTENT, CONTENT]
    assert web.asked == [None]


def test_no_network_is_told_in_the_systems_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        there = f"http://127.0.0.1:{taken.getsockname()[1]}/x.gz"
        with pytest.raises(DataError, match=r"x\.gz could not be downloaded: .*[Rr]efused"):
            fetch(Remote(there, "0" * 64, 5), tmp_path)
    assert not (tmp_path / "x.gz").exists()


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_a_folder_called_like_a_dataset_is_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    for file, content in mnist_files().items():
        write(tmp_path / "kept" / "datasets" / "mnist" / f"{file}.gz", gzip.compress(content))
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "kept"))
    assert [note for note in load(name).notes if f"./{name}" in note]
    monkeypatch.chdir(tmp_path / "kept")
    assert not [note for note in load(name).notes if f"./{name}" in note]


def test_a_download_that_fails_mentions_the_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))
    nowhere = published.Idx("mnist", web.home, published.MNIST.checks, "digit", tuple("0123456789"))
    monkeypatch.setitem(PUBLISHED, "mnist", published.Published("", nowhere, ""))
    complaint("mnist", "could not be downloaded", "./mnist")


# ---- MNIST and its kin


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def mnist_files(n: int = 20, test: int = 5) -> dict[str, bytes]:
    """Images whose every pixel is 20 times their class."""
    files = {}
    for part, count in (("train", n), ("t10k", test)):
        labels = np.arange(count) % 10
        files[f"{part}-images-idx3-ubyte"] = idx(np.tile((20 * labels)[:, None, None], (1, 28, 28)))
        files[f"{part}-labels-idx1-ubyte"] = idx(labels)
    return files


def assert_pixels_tell_the_class(source: str, data_dir: Path | None, n: int = 25) -> None:
    splits = load(source, data_dir=data_dir)
    assert len(splits.test) == 5
    x, condition = everything(splits)
    assert x.shape[0] == n
    assert x[:, :, 0, 0].float().mean(1).div(20).tolist() == next(iter(condition.values.values())).tolist()


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize("layout", ["{}", "MNIST/raw/{}", "gz"])
def test_a_local_copy_takes_the_place_of_the_download(tmp_path: Path, name: str, layout: str) -> None:
    for file, content in mnist_files().items():
        place = f"{file}.gz" if layout == "gz" else layout.format(file)
        write(tmp_path / place, gzip.compress(content) if layout == "gz" else content)
    assert_pixels_tell_the_class(name, tmp_path)


def test_mnist_is_downloaded_into_the_cache(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))
    files = [(f"{name}.gz", gzip.compress(content, mtime=0)) for name, content in mnist_files().items()]
    web.files = dict(files)
    checks = tuple((name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in files)
    there = published.Idx("mnist", web.home, checks, "digit", tuple("0123456789"))
    monkeypatch.setitem(PUBLISHED, "mnist", published.Published("", there, ""))
    assert_pixels_tell_the_class("mnist", None)
    assert_pixels_tell_the_class("mnist", None)
    assert len(web.asked) == 4
    assert sorted(f.name for f in (tmp_path / "datasets" / "mnist").glob("*.gz")) == sorted(web.files)


def test_a_size_and_attributes_may_be_asked_of_published_data(tmp_path: Path) -> None:
    for file, content in mnist_files().items():
        write(tmp_path / file, content)
    assert load("mnist", data_dir=tmp_path, size=32).shape == (1, 32, 32)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_a_download_that_fails_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))
    complaint(name, "http", "no route to host", str(tmp_path / "datasets" / name), "`data_dir`")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08\x03",
        b"\0\0\x0d\x01" + bytes(8),
        idx(np.zeros((3, 4)))[:-1],
        gzip.compress(b"\0\0\x08", mtime=0)[:-4],
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.idx"):
        read_idx(write(tmp_path / "a.idx", content))


def test_an_incomplete_copy_is_explained(tmp_path: Path) -> None:
    write(tmp_path / "train-images-idx3-ubyte", mnist_files()["train-images-idx3-ubyte"])
    complaint("mnist", str(tmp_path), "train-labels-idx1-ubyte.gz", "https://", data_dir=tmp_path)
    complaint("mnist", "must be a folder", data_dir=tmp_path / "nowhere")
    complaint("digits", "mnist", "data_dir", data_dir=tmp_path)


# ---- CIFAR-10


def cifar_batches(n: int = 10) -> dict[str, bytes]:
    """Six files; images are 10 times their class in red, 20 times in green, 30 times in blue."""

    def record(k: int) -> bytes:
        return bytes([k]) + b"".join(bytes([c * k]) * 1024 for c in (10, 20, 25))

    batch = b"".join(record(k % 10) for k in range(n))
    return {f"data_batch_{k}.bin": batch for k in range(1, 6)} | {"test_batch.bin": batch[: 4 * 3073]}


@pytest.mark.parametrize("packed", [False, True])
def test_cifars_binary_version(tmp_path: Path, packed: bool) -> None:
    for name, content in cifar_batches().items():
        write(tmp_path / "cifar-10-batches-bin" / name, content)
    folder = tmp_path
    if packed:
        folder = tmp_path / "copy"
        folder.mkdir()
        with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "cifar-10-batches-bin", "cifar-10-batches-bin")
    splits = load("cifar10", data_dir=folder)
    assert len(splits.test) == 4
    assert splits.shape == (3, 32, 32)
    x, condition = everything(splits)
    assert len(x) == 54
    assert condition.rows()[0]["object"] in CIFAR10_CLASSES
    for channel, factor in enumerate((10, 20, 25)):
        assert x[:, channel, 5, 7].div(factor).tolist() == condition.values["object"].tolist()


@pytest.mark.parametrize(
    ("content", "part"), [(b"", "whole number"), (bytes(3072), "whole number"), (b"\x0b" + bytes(3072), "class 11")]
)
def test_damaged_cifar_files_are_explained(tmp_path: Path, content: bytes, part: str) -> None:
    for name in cifar_batches():
        write(tmp_path / name, content)
    complaint("cifar10", part, data_dir=tmp_path)


def test_a_folder_without_cifar_is_explained(tmp_path: Path) -> None:
    complaint("cifar10", "cifar-10-binary.tar.gz", "https://www.cs.toronto.edu", data_dir=tmp_path)
    write(tmp_path / "cifar-10-binary.tar.gz", gzip.compress(io.BytesIO().getvalue()))
    complaint("cifar10", "cifar-10-binary.tar.gz", data_dir=tmp_path)


# ---- CelebA


def test_celeba_takes_a_local_copy_named_or_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    celeba(tmp_path / "datasets" / "celeba")
    assert load("celeba", data_dir=tmp_path / "datasets" / "celeba").schema.names == ["Eyeglasses", "Male", "Young"]
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))
    assert load("celeba", attributes=["Male"], size=4).shape == (3, 4, 4)
    complaint("celeba", "list_attr_celeba.txt", data_dir=tmp_path)


# ---- the command line


def test_inspect_takes_a_local_copy(tmp_path: Path, command: Command) -> None:
    for file, content in mnist_files().items():
        write(tmp_path / file, content)
    shown = command("inspect", "mnist", "--data-dir", tmp_path, "--json")
    assert shown.status == 0
    assert '"digit"' in shown.out


def test_datasets_lists_every_name_and_kind(command: Command) -> None:
    shown = command("datasets").out
    for word in ("digits", *PUBLISHED, "list_attr_celeba.txt", "UTKFace", "dataset.json", "hf:owner/name", ".tar"):
        assert word in shown
