"""The header of an exported model: all of it but the network and the distribution of labels. It is validated when read.

A file is an ONNX model whose metadata hold the header as JSON (`condgen`), the distribution of labels as a base64
safetensors blob (`joint`), and a digest (`condgen.digest`) of all bytes before it. The digest is the last entry, which
every reader of protocol buffers takes for one more entry of the metadata.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import xxhash
from pydantic import AfterValidator, Field

from condgen.errors import RunError
from condgen.headers import parsed
from condgen.models.flow.paths import PathName
from condgen.models.flow.samplers import MOST_STEPS

FORMAT = 1
HEADER, JOINT = "condgen", "joint"  # keys of the metadata
KEY = b"condgen.digest"
# Of a ModelProto the field 14, metadata_props, of 34 bytes: its key of 14 bytes and its value of 16.
TAIL = b"\x72\x22\x0a\x0e" + KEY + b"\x12\x10"

Side = Annotated[int, Field(ge=1, le=2**20)]
Shape = Annotated[tuple[Side, ...], Field(max_length=4)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Kind = Literal["one-pass", "one-pass-edits", "integral", "guided-integral", "inverse", "guided-inverse", "flow"]
Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Draw:
    """Noise that a sample takes from its stream, without the batch's dimension."""

    kind: Literal["normal", "uniform"]
    shape: Shape


@dataclass(frozen=True)
class Function:
    """A function of the network: the names of its inputs and outputs in the graph, and the indices of its parts."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[int, ...] = ()
    initializers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Integration:
    """Default settings of an integration from noise to data. guidance is None for models that cannot be guided."""

    path: PathName
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)]
    sampler: str
    start: Draw
    guidance: Finite | dict[str, Finite] | None = None
    interval: tuple[Finite, Finite] = (0.0, 1.0)


def _of_observations(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) not in (1, 3):
        raise ValueError("observations have 1 side, or 3 if they are images")
    return shape


@dataclass(frozen=True)
class Header:
    """Everything about an exported model that is not a tensor.

    kind: how it samples (see `runtime.models`).
    draws: noise of `sample` or `observed`, in the order in which a stream gives it.
    difference: the largest one from the run's samples when it was exported. None where it was not measured.
    discovers: whether its attributes are codes of its own, which are in no data.
    """

    kind: Kind
    recipe: dict[str, Any]
    schema: dict[str, Any]
    shape: Annotated[tuple[Side, ...], AfterValidator(_of_observations)]
    conditional: bool
    handles_missing: bool
    functions: dict[str, Function]
    draws: tuple[Draw, ...] = ()
    integration: Integration | None = None
    data: dict[str, Any] = field(default_factory=dict)
    images: Annotated[int, Field(ge=0, le=2**50)] = 0
    versions: dict[str, str] = field(default_factory=dict)
    licence: str = ""
    precision: Precision = "float32"
    difference: Finite | None = None
    discovers: bool = False
    format: int = FORMAT

    def dumps(self) -> str:
        """The header as JSON."""
        return json.dumps(asdict(self))


def read_header(path: Path, metadata: Mapping[str, str]) -> Header:
    """The header in a file's metadata. Raises RunError for a file of another program, or one that makes no sense."""
    text = metadata.get(HEADER)
    if text is None or JOINT not in metadata:
        raise RunError(f"{path} was not exported by condgen: it has no schema. Export a run to it (`to='onnx'`).")
    return parsed(path, text, Header, FORMAT)


def sealed(model: bytes) -> bytes:
    """A serialised ONNX model with the digest of its bytes as its last entry of metadata."""
    return model + TAIL + xxhash.xxh3_64_hexdigest(model).encode()


def must_be_whole(path: Path, content: bytes) -> None:
    """Raise RunError for an exported model that is damaged, or that is no exported model."""
    size = len(TAIL) + 16
    model, tail = content[:-size], content[-size:]
    if not tail.startswith(TAIL):
        raise RunError(
            f"{path} is not a whole model that condgen exported: its digest is missing. Copy it again, or export the "
            "run again (`to='onnx'`)."
        )
    if tail != TAIL + xxhash.xxh3_64_hexdigest(model).encode():
        raise RunError(f"{path} is damaged: it is not as it was written. Restore it from a copy, or export it again.")
