"""ONNX Runtime for browsers: fetched from npm once, verified, and kept in condgen's cache; or given by path."""

import hashlib
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from condgen.cache import cache_folder
from condgen.data.storage.downloads import Remote, fetch
from condgen.errors import DataError, RequestError, RunError
from condgen.files import writing

VERSION = "1.30.0"
PACKAGE = Remote(
    f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz",
    "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    33_106_585,
)
# The smallest program that computes on the processor, and the module that starts it, with their SHA-256.
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
# Their names beside the page, with endings that every host knows.
NAMES = {"ort.wasm.bundle.min.mjs": "ort.js", "ort-wasm-simd-threaded.wasm": "ort.wasm"}
LICENCE = Path(__file__).with_name("onnxruntime.LICENSE")
ADVICE = (
    f"Give it by its path instead: the package onnxruntime-web {VERSION} from npm, packed or unpacked (`runtime=PATH`)."
)


def runtime_files(given: Path | None = None) -> dict[str, bytes]:
    """The files of ONNX Runtime, as they are called beside the page, with its licence.

    given: the package as npm publishes it, or a folder with its files. By default it is fetched, once.

    Raises RequestError for other files, and RunError if it cannot be fetched.
    """
    found = _fetched() if given is None else _given(given)
    return {**{NAMES[name]: content for name, content in found.items()}, "LICENSE": LICENCE.read_bytes()}


def _fetched() -> dict[str, bytes]:
    folder = cache_folder() / "onnxruntime-web" / VERSION
    if not all((folder / name).is_file() for name in FILES):
        try:
            package = fetch(PACKAGE, folder)
        except DataError as error:
            raise RunError(f"ONNX Runtime for browsers is needed once. {error} {ADVICE}") from None
        for name, content in _given(package).items():
            with writing(folder / name) as partial:
                partial.write_bytes(content)
        package.unlink()
    return _given(folder)


def _given(path: Path) -> dict[str, bytes]:
    """The verified files in a package or a folder."""
    try:
        if path.is_dir():
            return _verified(lambda name: _within(path, name).read_bytes(), path)
        with tarfile.open(path) as package:
            return _verified(lambda name: package.extractfile(f"package/dist/{name}").read(), path)  # type: ignore[union-attr]
    except (OSError, KeyError, AttributeError, tarfile.TarError):  # an entry that is no file has nothing to read
        raise RequestError(f"{path} does not hold {' and '.join(FILES)}. {ADVICE}") from None


def _within(folder: Path, name: str) -> Path:
    """A file in a folder, or where the unpacked package has it."""
    return next((path for path in (folder / name, folder / "dist" / name) if path.is_file()), folder / name)


def _verified(read: Callable[[str], bytes], path: Path) -> dict[str, bytes]:
    found: Mapping[str, bytes] = {name: read(name) for name in FILES}
    for name, content in found.items():
        if hashlib.sha256(content).hexdigest() != FILES[name]:
            raise RequestError(f"{name} in {path} is not that of onnxruntime-web {VERSION}. {ADVICE}")
    return dict(found)
