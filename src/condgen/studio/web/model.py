"""A run as files that the browser's backend reads: its description, words, labels, and one network per function."""

import base64
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from condgen.errors import RequestError
from condgen.export import onnx
from condgen.progress import Progress
from condgen.runs.run import Run
from condgen.runs.sampling import Part
from condgen.runtime.generator import OnnxGenerator
from condgen.runtime.graph import Graph
from condgen.runtime.header import JOINT, Header
from condgen.studio import thumbnails
from condgen.studio.about import about
from condgen.studio.labels import Labels
from condgen.studio.web.words import words

SAMPLERS = ("euler", "heun", "dpm", "dopri")  # that the browser has
MOST = 256  # samples at once, in a browser


def model_files(run: Run, *, licence: str, precision: str, examples: bool, progress: Progress) -> dict[str, bytes]:
    """The files by name.

    examples: show each value by a training image. Otherwise the model makes the pictures, and no training image is in
        the files.

    Raises errors as exporting to ONNX does, and RequestError for a sampler that browsers do not have.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.write(run, path, licence=licence, precision=precision, progress=progress)
        exported, graph = OnnxGenerator.open(path), Graph(path.read_bytes())
    header = exported.header
    _must_know_sampler(header)
    return {
        "about.json": _json(_about(run, exported, examples, progress)),
        "header.json": _json(_header(header)),
        "words.json": _json(words(exported.schema)),
        "joint.safetensors": base64.b64decode(graph.metadata[JOINT]),
        **{f"{name}.onnx": graph.part(function) for name, function in header.functions.items()},
    }


def _must_know_sampler(header: Header) -> None:
    if header.integration and header.integration.sampler not in SAMPLERS:
        raise RequestError(
            f"The run samples by {header.integration.sampler}, which the page does not have. It has "
            f"{', '.join(SAMPLERS)}: train with one of them (the setting sampler=heun)."
        )


def _header(header: Header) -> dict[str, Any]:
    """The header without the places of nodes in a graph that was taken apart."""
    functions = {name: replace(each, nodes=(), initializers=()) for name, each in header.functions.items()}
    return asdict(replace(header, functions=functions))


def _about(run: Run, exported: OnnxGenerator, examples: bool, progress: Progress) -> dict[str, Any]:
    """The description from which the page makes its controls."""
    features = ["dataset", *(["interpolate"] if exported.model.interpolates else [])]
    pictures = thumbnails.of_data(run.data(progress=progress).train) if examples else _generated(exported)
    labels = Labels.of(exported)
    found = about(exported, run.path.stem, labels=labels, features=features, pictures=pictures, most=MOST).model_dump()
    samplers = [name for name in found["samplers"] if name in SAMPLERS]
    return {**found, "samplers": samplers, "fingerprint": run.fingerprint}  # the samples are the run's


def _generated(exported: OnnxGenerator) -> Mapping[tuple[str, str], str]:
    """A picture of each value that the model itself makes."""
    if not exported.model.conditional:
        return {}
    values, asked, how = thumbnails.asked_of_model(exported)
    if not asked:
        return {}
    images = exported.together([Part(request, range(1)) for request in asked], how).x
    return {value: thumbnails.data_uri(image) for value, image in zip(values, images, strict=True)}


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
