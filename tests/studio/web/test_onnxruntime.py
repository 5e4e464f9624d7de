"""ONNX Runtime for browsers: only the pinned files are taken, wherever they come from."""

import tarfile
from pathlib import Path

import pytest

from condgen.data.storage.downloads import Remote
from condgen.errors import DataError, RequestError, RunError
from condgen.studio.web import onnxruntime
from condgen.studio.web.onnxruntime import FILES, NAMES, runtime_files


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with small files, which are the pinned ones here."""
    import hashlib

    contents = {name: name.encode() for name in FILES}
    monkeypatch.setattr(onnxruntime, "FILES", {n: hashlib.sha256(c).hexdigest() for n, c in contents.items()})
    (tmp_path / "package" / "dist").mkdir(parents=True)
    for name, content in contents.items():
        (tmp_path / "package" / "dist" / name).write_bytes(content)
    with tarfile.open(tmp_path / "runtime.tgz", "w:gz") as packed:
        packed.add(tmp_path / "package", "package")
    return tmp_path / "runtime.tgz"


def test_a_package_and_its_folders_are_taken(package: Path) -> None:
    wanted = {**{NAMES[name]: name.encode() for name in FILES}, "LICENSE": onnxruntime.LICENCE.read_bytes()}
    unpacked = package.parent / "package"
    assert all(runtime_files(path) == wanted for path in (package, unpacked, unpacked / "dist"))


def test_other_files_are_refused(package: Path) -> None:
    (package.parent / "package" / "dist" / next(iter(FILES))).write_bytes(b"another version")
    with pytest.raises(RequestError, match="is not that of onnxruntime-web"):
        runtime_files(package.parent / "package")
    for nothing in (package.parent / "nowhere", package.parent / "package" / "dist" / next(iter(FILES))):
        with pytest.raises(RequestError, match="does not hold"):
            runtime_files(nothing)


def test_it_is_fetched_once(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    fetched: list[str] = []

    def fetch(remote: Remote, folder: Path) -> Path:
        fetched.append(remote.url)
        folder.mkdir(parents=True)
        return package.rename(folder / "package.tgz")

    monkeypatch.setattr(onnxruntime, "fetch", fetch)
    assert runtime_files() == runtime_files()
    assert fetched == [onnxruntime.PACKAGE.url]
    assert {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {*FILES}  # the package is gone


def test_without_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))

    def fetch(remote: Remote, folder: Path) -> Path:
        raise DataError(f"{remote.url} could not be downloaded: no network.")

    monkeypatch.setattr(onnxruntime, "fetch", fetch)
    with pytest.raises(RunError, match=r"needed once.* no network\. Give it by its path"):
        runtime_files()
