"""An exported model as a generator: it answers requests as the run that it was exported from."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from condgen.arrays import Array, Float
from condgen.data.coordinates import Coordinates
from condgen.errors import CondgenError, RequestError, RunError, shorten
from condgen.requests.request import Request
from condgen.rng import NumpyRng
from condgen.room import must_fit_in_memory
from condgen.runs import hub
from condgen.runs.answering import Answering, no_critic
from condgen.runs.samples import Samples
from condgen.runs.sampling import BATCH, SamplingOptions
from condgen.runtime.graph import Graph
from condgen.runtime.header import JOINT, Header, must_be_whole, read_header
from condgen.runtime.models import KINDS, Exported, must_be_complete, must_fit
from condgen.runtime.session import Session
from condgen.schema import Condition, LabelDistribution, Schema
from condgen.schema.stored import restored


class OnnxGenerator(Answering):
    """A model that `condgen export --to onnx` wrote. Its samples are those of the run, within rounding.

    Arrays are NumPy's. PyTorch is not needed.
    """

    model: Any  # an `Exported` with the methods of its kind

    def __init__(
        self,
        model: Exported,
        joint: LabelDistribution,
        header: Header,
        path: Path,
        coordinates: Coordinates | None = None,
    ):
        self.model = model
        self.joint = joint
        self.header = header
        self.path = path
        self._coordinates = coordinates

    @classmethod
    def open(cls, path: str | Path, threads: int = 0) -> "OnnxGenerator":
        """The exported model in a file, also in one on the Hub (`hf:owner/name/FILE.onnx`).

        threads: number of threads of an operation. 0 is one per core.

        Raises RunError if there is no readable one, or without ONNX Runtime. No part of the file runs as code.
        """
        path = hub.fetched_file(str(path)) if hub.is_address(path) else Path(path)
        content = _read(path)
        must_be_whole(path, content)
        try:
            graph = Graph(content)
        except ValueError as error:
            raise RunError(f"{path} is no ONNX model: {error}.") from None
        header = read_header(path, graph.metadata)
        must_be_complete(path, header)
        try:
            must_fit(header, graph)
            schema = Schema.model_validate(header.schema)
            joint = restored(schema, _arrays(graph.metadata[JOINT]))
            vector = len(header.shape) == 1
            coordinates = Coordinates.read(header.data.get("coordinates"), header.shape[0]) if vector else None
        except (CondgenError, ValidationError, ValueError, KeyError) as error:
            raise RunError(f"{path} has a header that condgen cannot read: {_reason(error)}") from None
        session = Session(path, graph, header.functions, threads)
        model = KINDS[header.kind](header, schema, session, content[-16:].decode())
        return cls(model, joint, header, path, coordinates)

    def __repr__(self) -> str:
        what = "images" if len(self.shape) == 3 else "examples"
        precision = "" if self.header.precision == "float32" else f" in {self.header.precision}"
        return (
            f"Exported model {self.path}: {self._name}{precision}, trained on {self.header.images:,} {what}\n"
            f"  can be asked for {self.schema.example if self.model.conditional else 'nothing'}"
        )

    @property
    def coordinates(self) -> Coordinates | None:
        """The coordinates of the generated vectors. None for images."""
        return self._coordinates

    @property
    def fingerprint(self) -> str:
        """A digest of the file."""
        return str(self.model.fingerprint)

    def use_threads(self, most: int) -> None:
        """Compute with so many threads from now on."""
        self.model.use_threads(most)

    def shed(self) -> None:
        """Forget the weights. What can be asked, and how, is still known."""
        self.model.shed()

    def stream(
        self,
        asked: Sequence[Request],
        n: int,
        seed: int = 0,
        batch: int = BATCH,
        sampling: SamplingOptions | None = None,
        skip: int = 0,
    ) -> Iterator[Samples]:
        """n samples of every request, as any generator gives them. Raises RequestError also for `best_of`."""
        if sampling and sampling.best_of > 1:
            raise no_critic()
        return super().stream(asked, n, seed, batch, sampling, skip)

    def from_streams(
        self,
        condition: Condition,
        rng: NumpyRng,
        sampling: SamplingOptions | None = None,
        unwanted: Condition | None = None,
    ) -> Float[Array, "batch ..."]:
        """One observation per condition, each with the noise of its random stream, [batch, *shape].

        Raises ValueError for conditions that are not complete, of a model that cannot handle free attributes.
        """
        if not self.model.handles_missing and not condition.complete:
            raise ValueError("this model cannot leave attributes free; fill them from the data's joint distribution")
        arguments = (sampling or SamplingOptions()).arguments(self.model, unwanted)
        x = self.model.sample(condition, rng, **arguments)
        return x.clip(0, 1) if x.ndim == 4 else x  # a Gaussian's mean may lie outside

    def must_interpolate(self) -> None:
        """Raise RequestError unless the file holds encodings of conditions, so that there is a way between two."""
        if not self.model.interpolates:
            raise RequestError(
                f"{self.path} holds no encodings of conditions to interpolate. Interpolate with the run that it was "
                "exported from."
            )

    def no_edits(self) -> RequestError:
        """The error for a file without an encoder. The run may have one all the same."""
        return RequestError(
            f"{self.path} holds no encoder, so it cannot edit. If its model has one, edit with the run that it was "
            "exported from."
        )

    def model_towards(self, end: Condition, shares: Float[Array, " batch"]) -> Exported:
        """The model with the condition of each sample encoded a share of the way to that of `end`."""
        twin: Exported = self.model.towards(end, shares)
        return twin


def _read(path: Path) -> bytes:
    try:
        must_fit_in_memory(2 * path.stat().st_size, f"The model {path}", "Close other programs first.", RunError)
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"The model {path} cannot be read: {error.strerror}.") from None


def _arrays(text: str) -> Mapping[str, Any]:
    """The arrays of a base64 safetensors blob. Raises ValueError."""
    try:
        arrays: Mapping[str, np.ndarray] = load(base64.b64decode(text, validate=True))
    except (binascii.Error, SafetensorError, KeyError) as error:
        raise ValueError(f"its distribution of labels cannot be read: {error}") from None
    return arrays


def _reason(error: Exception) -> str:
    """The reason of an error in one line."""
    reason = error.errors()[0]["msg"].removeprefix("Value error, ") if isinstance(error, ValidationError) else error
    return f"{shorten(str(reason), 300)}."
