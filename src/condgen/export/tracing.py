"""Tracing of a model's functions into one ONNX graph, in which they share weights and inputs."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from condgen.arrays import to_numpy
from condgen.conditioning import Encoded
from condgen.errors import RequestError, shorten
from condgen.models import Model
from condgen.models.flow.integration import Integrates, IntegratesGuided, InvertsGuided, InvertsIntegration
from condgen.models.flow.paths import PATHS
from condgen.models.through_noise import ThroughNoise
from condgen.rng import Rng
from condgen.runtime.header import Draw, Function, Integration, Kind
from condgen.runtime.models import NEEDED
from condgen.schema import Condition

EXAMPLES = 3  # observations in the traced batch: two or more, so that its size is not taken for a constant
MOST = 2**30  # largest batch

Inputs = Mapping[str, Tensor]


class Recorded(Rng):
    """Random streams that remember what was drawn from them."""

    def __init__(self, seeds: range):
        super().__init__(seeds)
        self.draws: list[Draw] = []
        self.values: list[Tensor] = []

    def normal(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Standard normal numbers [batch, *shape]."""
        return self._noted("normal", super().normal(*shape, device=device))

    def uniform(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Uniform numbers in [0, 1), [batch, *shape]."""
        return self._noted("uniform", super().uniform(*shape, device=device))

    def _noted(self, kind: Any, values: Tensor) -> Tensor:
        self.draws.append(Draw(kind, tuple(values.shape[1:])))
        self.values.append(values)
        return values


class Given(Rng):
    """Random streams whose draws are inputs of the graph."""

    def __init__(self, inputs: Inputs):
        super().__init__(())
        self._values = (inputs[f"noise.{k}"] for k in range(len(inputs)))

    def normal(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """The next input."""
        return next(self._values)

    def uniform(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """The next input."""
        return next(self._values)


def kind_of(model: Model) -> Kind:
    """The kind of exported model that a model becomes (see `runtime.models`)."""
    kinds: list[tuple[Kind, tuple[type, ...]]] = [
        ("flow", (InvertsGuided,)),
        ("guided-inverse", (IntegratesGuided, InvertsIntegration)),
        ("inverse", (InvertsIntegration,)),
        ("guided-integral", (IntegratesGuided,)),
        ("integral", (Integrates,)),
        ("one-pass-edits", (ThroughNoise,)),
    ]
    if isinstance(model, ThroughNoise) and not model.in_one_pass:
        return "one-pass"
    return next((kind for kind, parts in kinds if all(isinstance(model, part) for part in parts)), "one-pass")


class Traceable(nn.Module):
    """A model as functions of named tensors, each of which gives a tuple of tensors.

    condition: requests of the model's schema, which are an example of its inputs.
    """

    def __init__(self, model: Model, condition: Condition):
        super().__init__()
        self.model: Any = deepcopy(model).cpu().float().eval().requires_grad_(False)
        self.kind = kind_of(model)
        self.draws: list[Draw] = []
        self.integration: Integration | None = None
        found = self._examples(condition)
        self.takes = {name: self._takes(name) for name in NEEDED[self.kind]}
        # Copies, because tracing takes inputs that are one tensor for one input.
        self.examples = {f"{name}.{each}": found[each].clone() for name, takes in self.takes.items() for each in takes}

    @property
    def functions(self) -> dict[str, Function]:
        """The functions with the names of their inputs and outputs, which begin with theirs."""
        gives = {name: ("vector", "tokens") if name == "condition" else ("result",) for name in self.takes}
        return {
            name: Function(tuple(f"{name}.{each}" for each in takes), tuple(f"{name}.{each}" for each in gives[name]))
            for name, takes in self.takes.items()
        }

    def forward(self, inputs: Inputs) -> dict[str, Tensor]:
        """The outputs of all functions by name."""
        outputs: dict[str, Tensor] = {}
        for name, function in self.functions.items():
            given = {each: inputs[f"{name}.{each}"] for each in self.takes[name]}
            outputs |= dict(zip(function.outputs, getattr(self, name)(given), strict=True))
        return outputs

    # ---- functions, by the names in the file

    def sample(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """Observations. Images lie in [0, 1]."""
        x = self.model.sample(self._condition(inputs), Given(inputs))
        return (x.clamp(0, 1) if x.dim() == 4 else x,)

    def condition(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """The encoded condition."""
        c: Encoded = self.model.condition_encoder(self._condition(inputs))
        return c.vector, c.tokens

    def velocity(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """dx/dt."""
        return (self.model.velocity(inputs["state"], inputs["t"], _encoded(inputs)),)

    def observed(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """Observations for states at time 1."""
        return (self.model.observed(inputs["state"], _encoded(inputs), Given(inputs)),)

    def standardised(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """States at time 1 of observations."""
        return (self.model.standardised(inputs["x"], _encoded(inputs)),)

    def shown(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """Expected observations for states at time 1."""
        return (self.model.shown(inputs["state"], _encoded(inputs)),)

    def to_noise(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """The noise of observations."""
        return (self.model.to_noise(inputs["x"], _encoded(inputs)),)

    def from_noise(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """Expected observations for noise."""
        return (self.model.from_noise(inputs["state"], _encoded(inputs)),)

    # ---- their inputs

    def _condition(self, inputs: Inputs) -> Condition:
        schema = self.model.schema
        return Condition(schema, {name: inputs[f"codes.{name}"] for name in schema.names}, inputs["present"])

    @torch.no_grad()
    def _examples(self, condition: Condition) -> dict[str, Tensor]:
        """An example of every input that the functions take."""
        requests = {f"codes.{name}": codes for name, codes in condition.values.items()} | {"present": condition.present}
        n = len(condition)
        rng = Recorded(range(n))
        if self.kind == "one-pass":
            self.model.sample(condition, rng)
            return requests | self._noise(rng)
        c, x = self.model.condition_encoder(condition), torch.zeros(n, *self.model.shape)
        found = requests | {"c.vector": c.vector, "c.tokens": c.tokens}
        if self.kind == "one-pass-edits":
            self.model.sample(condition, rng)
            return found | self._noise(rng) | {"x": x, "state": self.model.to_noise(x, c)}
        return found | self._states(rng, c) | {"x": x}

    def _states(self, rng: Recorded, c: Encoded) -> dict[str, Tensor]:
        """A state and its time, and the noise of `observed`."""
        state = self.model.start(rng)
        (start,) = rng.draws
        path: Any = next(name for name, path in PATHS.items() if type(self.model.path) is path)
        self.integration = Integration(path, self.model.steps, self.model.sampler, start)
        if isinstance(self.model, IntegratesGuided):
            weights, interval = self.model.guidance.weights, self.model.guidance.interval
            weights = dict(weights) if isinstance(weights, Mapping) else weights
            self.integration = replace(self.integration, guidance=weights, interval=interval)
        rng = Recorded(range(len(state)))
        self.model.observed(state, c, rng)
        return {"state": state, "t": torch.full((len(state),), 0.5), **self._noise(rng)}

    def _noise(self, rng: Recorded) -> dict[str, Tensor]:
        self.draws = rng.draws
        return {f"noise.{k}": values for k, values in enumerate(rng.values)}

    def _takes(self, function: str) -> tuple[str, ...]:
        """The names of a function's inputs."""
        requests = ("present", *(f"codes.{name}" for name in self.model.schema.names))
        c, noise = ("c.vector", "c.tokens"), tuple(f"noise.{k}" for k in range(len(self.draws)))
        return {
            "sample": (*requests, *noise),
            "condition": requests,
            "velocity": ("state", "t", *c),
            "observed": ("state", *c, *noise),
            "standardised": ("x", *c),
            "shown": ("state", *c),
            "to_noise": ("x", *c),
            "from_noise": ("state", *c),
        }[function]


def onnx_graph(traceable: Traceable) -> Any:
    """The ONNX model of all functions of a model, with any batch size. Raises RequestError if it cannot be traced."""
    # One dimension for each function, because a shape may be read from any input that has it.
    batch = {name: torch.export.Dim(f"batch_{name}", min=1, max=MOST) for name in traceable.functions}
    shapes = {name: {0: batch[name.partition(".")[0]]} for name in traceable.examples}
    outputs = [output for function in traceable.functions.values() for output in function.outputs]
    try:
        with quiet(), torch.no_grad():
            program = torch.export.export(traceable, (traceable.examples,), dynamic_shapes=(shapes,), strict=False)
            made: Any = torch.onnx.export(
                program,
                input_names=list(traceable.examples),
                output_names=outputs,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            return made.model_proto
    except Exception as error:  # tracing raises exceptions of many kinds
        raise RequestError(
            f"The model {traceable.model.recipe.get('model')} cannot be traced: {shorten(_reason(error), 500)} Its "
            "sampling may depend on values (`if x.any()`), or read a length (`len(x)`) where `x.shape[0]` stays open."
        ) from None


def in_numpy(condition: Condition) -> Condition:
    """The same requests with arrays of NumPy."""
    values: Any = {name: to_numpy(codes) for name, codes in condition.values.items()}
    present: Any = to_numpy(condition.present)
    return replace(condition, values=values, present=present)


def _encoded(inputs: Inputs) -> Encoded:
    return Encoded(inputs["c.vector"], inputs["c.tokens"])


def _reason(error: Exception) -> str:
    """The innermost reason of an error."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings and the log of PyTorch's exporter, which are about its own parts."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
