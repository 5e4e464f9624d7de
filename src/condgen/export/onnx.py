"""Export to ONNX: one file that answers requests without PyTorch (`condgen.runtime`)."""

import base64
import math
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from condgen.arrays import to_numpy
from condgen.errors import RequestError, unknown
from condgen.export.precision import cost, in_precision
from condgen.export.tracing import EXAMPLES, Traceable, in_numpy, onnx_graph
from condgen.export.weights import PLACES
from condgen.files import saving
from condgen.models.abilities import Guided
from condgen.models.protocols import Discovers
from condgen.progress import Progress, shown
from condgen.rng import Stream
from condgen.runs.exporting import Exporter
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.runtime.generator import OnnxGenerator
from condgen.runtime.header import HEADER, JOINT, Function, Header, Precision, sealed
from condgen.schema import Condition
from condgen.schema.stored import stored

BATCHES = (5, 2)  # sizes of the batches in which an export is compared with PyTorch
# Largest difference from PyTorch, as a share of the largest number. What int8 may cost is for its measurement to say.
TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "float16": 0.1, "int8": math.inf}
REMARKS = ("metadata_props", "doc_string")  # fields of ONNX that nothing computes with
GUIDED = SamplingOptions(guidance=2.0, steps=4)  # a way of sampling that an export of a guided model is also tried with


def write(
    run: Run, path: Path, *, licence: str = "", precision: str = "float32", progress: Progress | None = None
) -> None:
    """Write a run as an ONNX model whose samples are the run's, within rounding.

    licence: a note that the file carries, about the licence of the model and its data.
    precision: of the network's numbers. float16 and int8 make the file smaller, and their cost is measured.

    Raises RequestError without the packages for exporting, or if the model cannot be traced, or if its samples differ,
    and RunError if the file cannot be written.
    """
    must_have_packages()
    numbers = _known(precision)
    traceable = Traceable(run.model, requests(run, EXAMPLES))
    graph = in_precision(onnx_graph(traceable), numbers)
    remove_remarks(graph)
    header = _header(run, traceable, located(graph, traceable.functions), licence)
    header, progress = replace(header, precision=numbers), progress or shown()
    with saving(path) as partial:
        partial.write_bytes(_file(graph, run, header))
        exported = OnnxGenerator.open(partial)
        difference = largest_difference(run, exported, TOLERANCE[numbers])
        partial.write_bytes(_file(graph, run, replace(header, difference=difference)))
    progress.note(
        f"Compared with PyTorch on random requests, in batches of {' and '.join(map(str, BATCHES))}: the largest "
        f"difference is {difference:.1e}."
    )
    if numbers != "float32":
        progress.note(cost(run, exported, numbers, progress))


def _known(precision: str) -> Precision:
    """A precision by its name. Raises RequestError for another name."""
    for known in TOLERANCE:
        if known == precision:
            return known
    raise unknown("precision", precision, TOLERANCE)


def must_have_packages() -> None:
    """Raise RequestError without the packages for exporting."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise RequestError(f"Exporting to onnx needs {' and '.join(missing)}: pip install 'condgen[onnx]'.")


def requests(run: Run, n: int, free: bool = False) -> Condition:
    """n requests as in the data, on the CPU. free: with about half of the attributes left free."""
    seeds = range(n)
    condition = run.joint.draw({}, Stream.CONDITION.rng(seeds))
    mask = Stream.EXCLUDED.rng(seeds).uniform(len(run.schema)) < (0.5 if free else 0.0)
    return condition.drop(mask)


def largest_difference(run: Run, exported: OnnxGenerator, allowed: float) -> float:
    """The largest difference between samples of a run and of its export, as a share of the largest number.

    Raises RequestError if it is too large, or if samples hold numbers that are not finite.
    """
    ways = [SamplingOptions()] + [GUIDED] * isinstance(run.model, Guided)
    frees = (False, True) if run.model.handles_missing else (False,)
    found = 0.0
    for n, free, how in product(BATCHES, frees, ways):
        condition, seeds = requests(run, n, free), torch.arange(n)
        x = to_numpy(run.answer(condition, seeds, how))
        y = to_numpy(exported.answer(in_numpy(condition), seeds.numpy(), how))  # type: ignore[arg-type]
        found = max(found, _difference(x, y))
    if found > allowed:
        raise RequestError(
            f"The exported model's samples differ from the run's by up to {found:.2g}, where {allowed:g} is allowed. "
            "Nothing was written. The model may compute something that ONNX computes differently."
        )
    return found


def _difference(x: np.ndarray, y: np.ndarray) -> float:
    """The largest difference between a run's samples x and its export's y, as a share of the largest number.

    Raises RequestError for numbers that are not finite: NaN is neither above nor below what is allowed.
    """
    for whose, samples in (("run", x), ("exported model", y)):
        if not np.isfinite(samples).all():
            raise RequestError(
                f"Samples of the {whose} hold NaN or infinite numbers. Nothing was written. Numbers may grow too large "
                "within the network; export in float32, or train again."
            )
    return float(np.abs(x - y).max() / max(1.0, np.abs(x).max()))


def _header(run: Run, traceable: Traceable, functions: dict[str, Function], licence: str) -> Header:
    info = run.info
    return Header(
        kind=traceable.kind,
        recipe=info.recipe,
        schema=run.schema.model_dump(mode="json"),
        shape=tuple(run.model.shape),
        conditional=run.model.conditional,
        handles_missing=run.model.handles_missing,
        functions=functions,
        draws=tuple(traceable.draws),
        integration=traceable.integration,
        data={name: value for name, value in info.data.items() if name not in PLACES},
        images=info.images,
        versions=info.versions,
        licence=licence,
        discovers=isinstance(run.model, Discovers),
    )


def remove_remarks(message: Any) -> None:
    """Clear the remarks in an ONNX message, and in all messages within it.

    PyTorch's exporter remarks where each node comes from, with the paths of this machine's files.
    """
    for field, value in message.ListFields():
        if field.name in REMARKS:
            message.ClearField(field.name)
        elif field.message_type:
            for each in [value] if hasattr(value, "ListFields") else value:
                remove_remarks(each)


def located(model: Any, functions: Mapping[str, Function]) -> dict[str, Function]:
    """Functions with the indices of the nodes and initializers that they need."""
    made_by = {name: k for k, node in enumerate(model.graph.node) for name in node.output}
    index = {tensor.name: k for k, tensor in enumerate(model.graph.initializer)}
    return {name: _located(model, function, made_by, index) for name, function in functions.items()}


def _located(model: Any, function: Function, made_by: Mapping[str, int], index: Mapping[str, int]) -> Function:
    nodes, initializers, wanted = set[int](), set[int](), [*function.outputs]
    while wanted:
        name = wanted.pop()
        if name in index:
            initializers.add(index[name])
        elif name in made_by and made_by[name] not in nodes:
            nodes.add(made_by[name])
            wanted += model.graph.node[made_by[name]].input
    return replace(function, nodes=tuple(sorted(nodes)), initializers=tuple(sorted(initializers)))


def _file(graph: Any, run: Run, header: Header) -> bytes:
    """The bytes of the file: the network, and everything else in its metadata."""
    import onnx

    joint = {name: tensor.contiguous() for name, tensor in stored(run.joint).items()}
    onnx.helper.set_model_props(graph, {HEADER: header.dumps(), JOINT: base64.b64encode(save(joint)).decode()})
    return sealed(graph.SerializeToString())


ONNX = Exporter("network, schema, label distribution and recipe, for sampling without PyTorch", ".onnx", write)
