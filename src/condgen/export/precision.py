"""Exported networks in smaller numbers, and their cost in obedience and Fréchet distance, by condgen's evaluation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from condgen.data import Dataset, Splits
from condgen.errors import CondgenError
from condgen.evaluation.judge.judge import Judge, judge_for
from condgen.evaluation.metrics.fidelity import FIDELITY
from condgen.evaluation.metrics.metric import Measurement
from condgen.evaluation.metrics.obedience import obedience
from condgen.evaluation.protocol import BRIEF, EvaluationConfig
from condgen.evaluation.subject import EvaluatedRun, as_in_data
from condgen.export.tracing import in_numpy
from condgen.progress import Progress
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.runtime.generator import OnnxGenerator
from condgen.runtime.header import Precision
from condgen.schema import Condition
from condgen.units import percent

LAYERS = ("MatMul", "Gemm", "Conv", "ConvTranspose")  # operations that multiply by learned weights
WORTH_IT = 256  # numbers of a weight from which on int8 makes the file smaller


def in_precision(model: Any, precision: Precision) -> Any:
    """An ONNX model with numbers of another precision. Inputs and outputs stay 32-bit floats.

    float16: weights and arithmetic, from the first layer on. Requests are encoded in float32, because float16 holds no
        number above 65,504, which a salary may exceed.
    int8: the weights of layers, with one scale per row. They are turned back into floats when the model is loaded, so
        that arithmetic stays in float32 and a sample does not depend on others in its batch.
    """
    if precision == "float16":
        return _halved(model)
    if precision == "int8":
        return _quantised(model)
    return model


def _halved(model: Any) -> Any:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    encoding = _encoding(model.graph)
    _with_own_constants(model.graph, encoding)
    halved = convert_float_to_float16(model, keep_io_types=True, node_block_list=[node.name for node in encoding])
    _without_round_trips(halved.graph)
    return halved


def _encoding(graph: Any) -> list[Any]:
    """The nodes between the codes of requests and the first layers."""
    codes = {each.name for each in graph.input if ".codes." in each.name}
    found = []
    for node in graph.node:  # each after those that it takes its inputs from
        if node.op_type not in (*LAYERS, "Shape") and codes.intersection(node.input):
            found.append(node)
            codes.update(node.output)
    return found


def _with_own_constants(graph: Any, nodes: list[Any]) -> None:
    """Give nodes copies of their constants, since a constant that others share would be rounded for all."""
    copies = {}
    for tensor in graph.initializer:
        if any(tensor.name in node.input for node in nodes):
            copies[tensor.name] = type(tensor)()
            copies[tensor.name].CopyFrom(tensor)
            copies[tensor.name].name = f"{tensor.name}.encoding"
    graph.initializer.extend(copies.values())
    for node in nodes:
        node.input[:] = [copies[name].name if name in copies else name for name in node.input]


def _without_round_trips(graph: Any) -> None:
    """Take float32 numbers from where they are, instead of from a float16 copy that is converted back.

    The converter puts a cast after each input and each node in float32, and another before each node in float32.
    """
    rounded = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.name.startswith("graph_input_cast") or node.name.endswith("_cast_to_fp16_node")
    }
    back = {
        node.output[0]: rounded[node.input[0]]
        for node in graph.node
        if node.name.endswith("_cast_to_fp32_node") and node.input[0] in rounded
    }
    for node in graph.node:
        node.input[:] = [back.get(name, name) for name in node.input]


def _quantised(model: Any) -> Any:
    import onnx
    from onnx import numpy_helper

    weights = {node.input[1] for node in model.graph.node if node.op_type in LAYERS}
    nodes = []
    for tensor in [each for each in model.graph.initializer if each.name in weights]:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < WORTH_IT:
            continue
        whole, scale = _in_int8(values)
        model.graph.initializer.remove(tensor)
        names = [f"{tensor.name}.{part}" for part in ("int8", "scale")]
        model.graph.initializer.extend(map(numpy_helper.from_array, (whole, scale), names))
        nodes.append(onnx.helper.make_node("DequantizeLinear", names, [tensor.name], axis=0))
    others = [*model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *others])  # each before those that use its output
    return model


def _in_int8(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [row, ...] as whole numbers from -127 to 127, and the scale of each row."""
    largest = np.abs(values).reshape(len(values), -1).max(1)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8), scale


@dataclass(frozen=True)
class Quality:
    """Obedience, as the share of samples in which all is as asked, and Fréchet distance. None without attributes."""

    obeyed: float | None
    distance: float

    def __str__(self) -> str:
        obeyed = "" if self.obeyed is None else f"{percent(self.obeyed)} as asked, "
        return f"{obeyed}Fréchet distance {self.distance:.3g}"


def cost(run: Run, exported: OnnxGenerator, precision: Precision, progress: Progress) -> str:
    """A sentence about the quality of a run's samples and of its export's, or the reason why it is not known."""
    try:
        data = run.data(progress=progress)
        judge = judge_for(data, progress=progress)
    except CondgenError as error:
        return f"What {precision} costs was not measured, because the data cannot be loaded. {error}"
    before, after = (_quality(each, data, judge) for each in (run, AnsweredBy(run, exported)))
    return f"In {precision}: {after}. In float32: {before}. By {BRIEF['samples']:,} samples."


class AnsweredBy(Run):
    """A run whose samples another generator makes."""

    def __init__(self, run: Run, generator: OnnxGenerator):
        super().__init__(run.model, run.joint, run.info, run.path, run.trust)
        self.generator = generator

    def answer(
        self,
        condition: Condition,
        seeds: Int[Tensor, " batch"],
        sampling: SamplingOptions | None = None,
        unwanted: Condition | None = None,
    ) -> Float[Tensor, "batch ..."]:
        """One observation per condition, as `Run.answer` gives it."""
        against = None if unwanted is None else in_numpy(unwanted)
        x: Any = self.generator.answer(in_numpy(condition), seeds.numpy(), sampling, against)  # type: ignore[arg-type]
        return torch.from_numpy(x)


def _quality(run: Run, data: Splits, judge: Judge) -> Quality:
    config, subject = EvaluationConfig(**BRIEF), EvaluatedRun(run, data)
    asked = as_in_data(data.test, config.samples, config.seed)
    seeds = torch.arange(config.seed, config.seed + config.samples)
    samples = Dataset(subject.observations(asked, seeds), subject.heeded(asked))
    distance = FIDELITY.measure(Measurement(subject, judge, samples, config))[0].overall.frechet
    obeyed = obedience(judge, samples, data.test).joint.value if subject.conditional else None
    return Quality(obeyed, distance.value)
