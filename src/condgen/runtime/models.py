"""Exported models, with the interface of `condgen.models.Model` as far as it concerns sampling and editing.

    kind               samples by                                  exported from
    one-pass           one evaluation of its network               most families, those of other packages too
    one-pass-edits     the same, and edits through noise           a CVAE
    integral           integration of a velocity                   models with a velocity
    guided-integral    the same, with guidance                     models with a velocity that can be guided
    inverse            integration, in edits also back to noise    a CVAE with a flow as its prior
    guided-inverse     the same, with guidance                     a CVAE with a flow as its prior, and learned nulls
    flow               the same, with guidance in edits, too       a flow

Integration, guidance and edits are the code of the PyTorch models.
"""

import copy
import math
from typing import Any, NamedTuple

from condgen.arrays import Array
from condgen.errors import RunError
from condgen.models.flow.guidance import Guidance
from condgen.models.flow.integration import Integrates, IntegratesGuided, InvertsGuided, InvertsIntegration
from condgen.models.flow.paths import PATHS, expand_like
from condgen.models.through_noise import ThroughNoise, lerp
from condgen.rng import NumpyRng
from condgen.room import must_fit_in_memory
from condgen.runtime.graph import Graph
from condgen.runtime.header import Draw, Header, Integration
from condgen.runtime.session import Session
from condgen.schema import Condition, Schema

NEEDED = {  # functions of each kind
    "one-pass": ("sample",),
    "one-pass-edits": ("sample", "condition", "to_noise", "from_noise"),
    "integral": ("condition", "velocity", "observed"),
    "guided-integral": ("condition", "velocity", "observed"),
    "inverse": ("condition", "velocity", "observed", "standardised", "shown"),
    "guided-inverse": ("condition", "velocity", "observed", "standardised", "shown"),
    "flow": ("condition", "velocity", "observed", "standardised", "shown"),
}


class Encoded(NamedTuple):
    """An encoded condition: vector [batch, width], tokens [batch, attribute, width]."""

    vector: Array
    tokens: Array


class Way(NamedTuple):
    """Other conditions, and for each sample the share of the way to them."""

    end: Condition
    shares: Array


class Exported:
    """The network of an exported model and its schema.

    interpolates: whether it samples by encoded conditions, so that there is a way between two.
    """

    device = "cpu"
    interpolates = False

    def __init__(self, header: Header, schema: Schema, session: Session, fingerprint: str):
        self.schema = schema
        self.shape = header.shape
        self.recipe = header.recipe
        self.conditional = header.conditional
        self.handles_missing = header.handles_missing
        self.discovers = header.discovers
        self.fingerprint = fingerprint
        self._draws = header.draws
        self._session = session
        self._way: Way | None = None

    def towards(self, end: Condition, shares: Array) -> "Exported":
        """The same model with the condition of each sample encoded a share of the way to that of `end`."""
        twin = copy.copy(self)
        twin._way = Way(end, shares)
        return twin

    def use_threads(self, most: int) -> None:
        """Compute with so many threads from now on."""
        self._session.use_threads(most)

    def shed(self) -> None:
        """Forget the network."""
        del self._session

    def condition_encoder(self, condition: Condition) -> Encoded:
        """The encoded condition."""
        c = self._encode(condition)
        if self._way is None:
            return c
        other = self._encode(self._way.end.drop(~condition.present))  # guidance drops attributes of both
        pairs = zip(c, other, strict=True)
        return Encoded(*(lerp(a, b, expand_like(self._way.shares, a)) for a, b in pairs))

    def _encode(self, condition: Condition) -> Encoded:
        return Encoded(*self._call("condition", **_inputs(condition)))

    def _call(self, name: str, **inputs: Array) -> list[Array]:
        return self._session(name, inputs)

    def _noise(self, rng: NumpyRng) -> dict[str, Array]:
        return {f"noise.{k}": drawn(draw, rng) for k, draw in enumerate(self._draws)}


class OnePass(Exported):
    """A model that samples by one evaluation of its network."""

    def sample(self, condition: Condition, rng: NumpyRng) -> Array:
        """One observation per request, [batch, *shape]."""
        return self._call("sample", **_inputs(condition), **self._noise(rng))[0]


class OnePassEdits(OnePass, ThroughNoise):
    """A model that samples by one evaluation of its network, and edits through noise."""

    lossless = False

    @property
    def interpolates(self) -> bool:  # type: ignore[override]
        """Whether it samples by encoded conditions: images, which need no other noise than that of the latent."""
        return len(self.shape) == 3

    def sample(self, condition: Condition, rng: NumpyRng) -> Array:
        """One observation per request, [batch, *shape]."""
        if self._way is None:
            return super().sample(condition, rng)
        return self.from_noise(drawn(self._draws[0], rng), self.condition_encoder(condition))

    def to_noise(self, x: Array, c: Encoded) -> Array:
        """The noise of observations under an encoded condition."""
        return self._call("to_noise", x=x, **_encoded(c))[0]

    def from_noise(self, noise: Array, c: Encoded) -> Array:
        """The expected observations for noise under an encoded condition."""
        return self._call("from_noise", state=noise, **_encoded(c))[0]


class Parts(Exported):
    """The parts of a model that integrates a velocity."""

    interpolates = True

    def __init__(self, header: Header, schema: Schema, session: Session, fingerprint: str):
        super().__init__(header, schema, session, fingerprint)
        assert header.integration, "a header of this kind has one"
        self._start = header.integration.start
        self.path = PATHS[header.integration.path]()
        self.steps = header.integration.steps
        self.sampler = header.integration.sampler

    def velocity(self, x: Array, t: Array, c: Encoded) -> Array:
        """dx/dt at x_t = x."""
        return self._call("velocity", state=x, t=t, **_encoded(c))[0]

    def start(self, rng: NumpyRng) -> Array:
        """The noise at time 0."""
        return drawn(self._start, rng)

    def observed(self, x: Array, c: Encoded, rng: NumpyRng) -> Array:
        """Observations for states at time 1."""
        return self._call("observed", state=x, **_encoded(c), **self._noise(rng))[0]

    def standardised(self, x: Array, c: Encoded) -> Array:
        """The states at time 1 of observations."""
        return self._call("standardised", x=x, **_encoded(c))[0]

    def shown(self, x: Array, c: Encoded) -> Array:
        """The expected observations for states at time 1."""
        return self._call("shown", state=x, **_encoded(c))[0]


class GuidedParts(Parts):
    """The parts of a model whose velocity can be guided."""

    guidance: Guidance

    def __init__(self, header: Header, schema: Schema, session: Session, fingerprint: str):
        super().__init__(header, schema, session, fingerprint)
        how = header.integration or NONE
        assert how.guidance is not None, "a header of this kind has it"
        self.guidance = Guidance(how.guidance, how.interval)


class Integral(Parts, Integrates):
    """A model that integrates a velocity."""


class GuidedIntegral(GuidedParts, IntegratesGuided):
    """A model that integrates a guided velocity."""


class Inverse(Parts, InvertsIntegration):
    """A model that integrates a velocity, in edits also back to noise."""

    lossless = False


class GuidedInverse(GuidedParts, IntegratesGuided, InvertsIntegration):
    """A model that integrates a guided velocity, in edits also back to noise."""

    lossless = False


class Flow(GuidedParts, InvertsGuided):
    """A flow of observations, with guidance in samples and edits."""

    lossless = True


KINDS: dict[str, type[Exported]] = {
    "one-pass": OnePass,
    "one-pass-edits": OnePassEdits,
    "integral": Integral,
    "guided-integral": GuidedIntegral,
    "inverse": Inverse,
    "guided-inverse": GuidedInverse,
    "flow": Flow,
}


def must_be_complete(path: Any, header: Header) -> None:
    """Raise RunError for a header that lacks something that its kind needs."""
    missing = [name for name in NEEDED[header.kind] if name not in header.functions]
    if issubclass(KINDS[header.kind], Parts) and header.integration is None:
        missing.append("integration")
    if issubclass(KINDS[header.kind], GuidedParts) and (header.integration or NONE).guidance is None:
        missing.append("guidance")
    if missing:
        raise RunError(f"{path} has a header that condgen cannot read: it lacks {', '.join(missing)}.")


def must_fit(header: Header, graph: Graph) -> None:
    """Raise ValueError for a header whose noise or observations have other shapes than those of the network."""
    function = "sample" if "sample" in NEEDED[header.kind] else "observed"
    shapes: dict[str, tuple[int, ...]] = {f"{function}.noise.{k}": draw.shape for k, draw in enumerate(header.draws)}
    if header.integration:
        shapes["velocity.state"] = header.integration.start.shape
    result = graph.shape(f"{function}.result") or ()
    if all(result):  # families of other packages may leave a side open
        shapes[f"{function}.result"] = header.shape
    for name, shape in shapes.items():
        if (found := graph.shape(name)) != shape:
            raise ValueError(f"'{name}' has shape {found} in the network, and {shape} in the header")


NONE = Integration("linear", 1, "euler", Draw("normal", ()))


def drawn(draw: Draw, rng: NumpyRng) -> Array:
    """Noise from the streams of a batch, [batch, *shape]. Raises RequestError if the memory cannot hold it."""
    needed = 4 * len(rng) * math.prod(draw.shape)
    must_fit_in_memory(needed, f"The noise of {len(rng):,} samples", "Ask for fewer at once.")
    noise: Array = getattr(rng, draw.kind)(*draw.shape)
    return noise


def _inputs(condition: Condition) -> dict[str, Array]:
    """A condition as inputs of the graph."""
    return {**{f"codes.{name}": codes for name, codes in condition.values.items()}, "present": condition.present}


def _encoded(c: Encoded) -> dict[str, Array]:
    return {"c.vector": c.vector, "c.tokens": c.tokens}
