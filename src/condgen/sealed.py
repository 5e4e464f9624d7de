"""safetensors files with a digest of every tensor and text, so that opening a file detects any damage.

The digests are XXH3 (Y. Collet, 64 bits). They detect accidental changes by disks, memory and networks. They are not
signatures: someone who changes a file on purpose can change its digests too.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, uint8

from condgen.errors import CondgenError

DIGESTS = "digests"  # the header's text that holds them, as JSON
BEGINS = ('{"text/', '{"tensor/')  # that JSON


class DamagedError(CondgenError):
    """A file that differs from what was written. The message names the part."""


def write(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> None:
    """Write tensors, and texts in the header. Raises OSError or SafetensorError."""
    contents = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(contents, path, metadata={**texts, DIGESTS: json.dumps(_digests(contents, texts))})


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The texts in a file's header and its tensors, checked against their digests.

    A file without digests, from another program or an earlier version, is accepted. Raises DamagedError for parts that
    differ from their digest, and OSError if the file cannot be read.
    """
    while True:
        opened = _state(path)
        try:
            found = _read(path)
        except DamagedError:
            if _state(path) == opened:
                raise
        else:
            if _state(path) == opened:
                return found


def has_digests(path: Path) -> bool:
    """Whether a file was written with digests."""
    with safe_open(path, "pt") as file:
        return DIGESTS in (file.metadata() or {})


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A digest of named tensors, such as the weights of a model."""
    named = {name: _of_tensor(tensor.detach().cpu().contiguous()) for name, tensor in tensors.items()}
    return _of_text(json.dumps(named, sort_keys=True))


def _state(path: Path) -> tuple[int, int, int]:
    """A stamp that changes when another file takes the name. safetensors opens a file by its name twice, for header and
    tensors.
    """
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            texts = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except (SafetensorError, RuntimeError) as error:  # PyTorch's, if a smaller file took the name meanwhile
        raise DamagedError(str(error)) from None
    seal = _seal(texts)
    if seal is not None:
        _must_be_alike("its header", _named("text", seal), {name: _of_text(text) for name, text in texts.items()})
        _must_be_alike("a tensor", _named("tensor", seal), {name: _of_tensor(t) for name, t in tensors.items()})
    return texts, tensors


def _seal(texts: dict[str, str]) -> dict[str, str] | None:
    """Remove the digests from a header's texts and return them, or None if there are none."""
    text = texts.pop(DIGESTS, None)
    if text is None:
        if any(other.startswith(BEGINS) for other in texts.values()):  # a changed bit in the name
            raise DamagedError("its digests have lost their name")
        return None
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        raise DamagedError("its digests cannot be read") from None


def _must_be_alike(what: str, written: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name in sorted(written.keys() | found.keys()):
        if written.get(name) != found.get(name):
            raise DamagedError(f"{what}, {name}, is not as it was written")


def _digests(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> dict[str, str]:
    return {
        **{f"text/{name}": _of_text(text) for name, text in texts.items()},
        **{f"tensor/{name}": _of_tensor(tensor) for name, tensor in tensors.items()},
    }


def _named(kind: str, seal: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(f"{kind}/"): digest for name, digest in seal.items() if name.startswith(f"{kind}/")}


def _of_text(text: str) -> str:
    return xxhash.xxh3_64_hexdigest(text.encode())


def _of_tensor(tensor: Tensor) -> str:
    """A digest of dtype, shape and bytes, since a damaged header may give the same bytes another dtype or shape."""
    digest = xxhash.xxh3_64(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
    digest.update(tensor.reshape(-1).view(uint8).numpy().data)
    return digest.hexdigest()
