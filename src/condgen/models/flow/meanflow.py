"""MeanFlow: a network learns the average velocity over an interval, so that one step goes the whole way (Geng et al.
2025).

The average velocity u(x_t, t, s) = (x_s − x_t)/(s − t) is what a single step from t to s needs. Its derivative by t
gives the identity

    u = v + (s − t) du/dt,    du/dt = v·∂u/∂x + ∂u/∂t                                (eq. 6, in our direction of time)

which is a loss for u that needs no integration. The velocity v may be the data's, with guidance by the network's own
unconditional velocity (eq. 19). Or it may be that of a trained flow, which is then distilled, guidance included: one
evaluation per sample where the flow needs dozens.

Long steps learn from derivatives of slightly shorter ones, so the longest is learned last. Part of the batch therefore
learns from two half steps of the network itself (Frans et al. 2025).
"""

from copy import deepcopy
from functools import partial
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from condgen.conditioning import EmbeddingEncoder, Encoded, TimeEncoder
from condgen.models import together
from condgen.models.backbones import Backbone, Backbones, ConditionDropout, Embedding, EnteringBy, Size, StepCount
from condgen.models.base import Batch, Model, Terms
from condgen.models.flow.dropout import dropped
from condgen.models.flow.flow import Share
from condgen.models.flow.paths import PATHS, Path, PathName, Time, expand_like, preconditioning
from condgen.models.flow.standardise import Standardiser
from condgen.models.protocols import Teaches
from condgen.models.registry import Family, Practice
from condgen.models.specialised import Computes, Folded, one
from condgen.parameters import Setting, composed
from condgen.rng import Rng
from condgen.schema import Condition, Schema

WHOLE = 1 / 3  # share of the longer steps that go the whole way
SCATTER = 3.0  # γ above the scatter of single observations' squared velocities, which is 1 to 2
EXACT = 1e-3  # γ with a teacher, which gives the mean itself


class Steps(NamedTuple):
    """Steps of a flow: their start x, the times t and s of start and end, the velocity v at the start, and the
    condition.
    """

    x: Batch
    t: Time
    s: Time
    v: Batch
    c: Encoded

    def part(self, start: int, end: int) -> "Steps":
        """The steps from index `start` to `end`."""
        some = slice(start, end)
        return Steps(self.x[some], self.t[some], self.s[some], self.v[some], Encoded(*(part[some] for part in self.c)))


def step_counts(n: int, share: float) -> tuple[int, int]:
    """The numbers of n steps that go the whole way, and of those that have any length, the former included.

    In a batch so small that none would go the whole way, the numbers are random, and right on average.
    """
    whole, longer = share * WHOLE * n, share * n
    if round(whole) or not share:
        return round(whole), round(longer)
    u = float(together.rand(1, along=None))
    return int(whole + u), int(longer + u)


def draw_steps(n: int, whole: int, longer: int, device: torch.device) -> tuple[Time, Time]:
    """Starts and ends of n steps. Of the whole batch, `whole` go from 0 to 1, then up to `longer` are of any length,
    and the rest are of length zero.
    """
    index, u = together.index(n, device), together.rand(2, n, along=1, device=device)
    t, s = torch.where(index < longer, u.amin(0), u[0]), torch.where(index < longer, u.amax(0), u[0])
    return torch.where(index < whole, 0.0, t), torch.where(index < whole, 1.0, s)


class MeanFlow(Model):
    """A flow that takes steps of any length. A sample takes one step by default.

    guidance: guidance of the learned velocity. It cannot be changed afterwards.
    share: the share of the batch that learns steps. The rest learns the velocity, which is a step of length zero.

    With a `teacher`, set before training, its guided velocity is learned.
    """

    handles_missing = True
    uses_unlabelled = True
    one_step = True

    def __init__(
        self,
        schema: Schema,
        shape: tuple[int, ...],
        *,
        condition_encoder: EmbeddingEncoder,
        network: nn.Module,
        time_encoder: TimeEncoder,
        path: Path,
        guidance: float = 1.0,
        share: float = 0.5,
        condition_dropout: float = 0.1,
        steps: int = 1,
    ):
        super().__init__(schema, shape)
        self.condition_encoder = condition_encoder
        self.network = network
        self.time_encoder = time_encoder
        self.standardise = Standardiser(shape)
        self.path = path
        self.guidance = guidance
        self.share = share
        self.condition_dropout = condition_dropout
        self.steps = steps
        self._teacher: tuple[Teaches, ...] = ()  # in a tuple, so that it is not a submodule

    @property
    def teacher(self) -> Teaches | None:
        """The flow from which the guided velocity is learned, or None."""
        return self._teacher[0] if self._teacher else None

    def learn_from(self, teacher: Teaches) -> None:
        """Learn the guided velocity of a trained flow."""
        if isinstance(teacher, nn.Module):
            teacher.eval().requires_grad_(False)
        self._teacher = (teacher,)

    def start_from(self, teacher: Teaches) -> None:
        """Copy a flow's weights. The step's length, which is new, has no influence yet."""
        for name, part in teacher.parts().items():
            self.get_submodule(name).load_state_dict(part.state_dict(), strict=False)

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """E log(1 + |u − sg(target)|²/γ), on steps that go the whole way, steps of any length, and steps of length
        zero.

        The logarithm divides each error's gradient by the error plus γ, which is the adaptive weight of eq. 22. If γ is
        smaller than the scatter of single observations, the loss seeks their mode instead of their mean. In few
        dimensions nothing was learned then: in the tiny world of three numbers, samples followed a changed request with
        a cosine of 0.1 at γ = 0.001 and of 0.98 at γ = 3.
        """
        if self.training:
            self.standardise.observe(x)
            condition = dropped(condition, self.condition_dropout)
        data = self.standardise(x)
        noise = together.randn_like(data)
        whole, longer = step_counts(together.size(len(x)), self.share)
        t, s = draw_steps(len(x), whole, longer, x.device)
        at = self.path.at(t)
        x_t = expand_like(at.alpha, data) * data + expand_like(at.sigma, data) * noise
        v = self.direction(
            x_t, t, expand_like(at.alpha_dot, data) * data + expand_like(at.sigma_dot, data) * noise, condition
        )
        c = self.condition_encoder(condition)
        steps = Steps(x_t, t, s, v, c)
        found = self.average(x_t, t, s, c)
        whole, longer = together.among(whole), together.among(longer)
        with torch.no_grad():
            wanted = torch.cat(
                [self._halves(steps.part(0, whole)), self._identity(steps.part(whole, longer)), v[longer:]]
            )
        error = (found - wanted).square().flatten(1).mean(1)
        steady = SCATTER if self.teacher is None else EXACT
        return {"loss": (1 + error / steady).log().mean(), "error": error.mean()}

    def _identity(self, steps: "Steps") -> Batch:
        """v + (s − t) du/dt, the value that the average velocity must have by eq. 6."""
        if not len(steps.x):  # networks of images refuse an empty batch
            return steps.v
        return steps.v + expand_like(steps.s - steps.t, steps.x) * self._change(steps)

    def _halves(self, steps: "Steps") -> Batch:
        """The mean of two half steps, one after the other (Frans et al. 2025, eq. 4). Used for steps that eq. 6 teaches
        slowly.
        """
        x, t, s, v, c = steps
        if not len(x):  # as above
            return v
        middle = (t + s) / 2
        first = self.average(x, t, middle, c)
        return (first + self.average(x + expand_like(middle - t, x) * first, middle, s, c)) / 2

    def direction(self, x_t: Batch, t: Time, velocity: Batch, condition: Condition) -> Batch:
        """The guided velocity at x_t: the teacher's, or w v + (1 − w) u(x_t, t, t, ∅) from a velocity of the data."""
        with torch.no_grad():
            if self.teacher is not None:
                for part in self.teacher.parts().values():
                    part.to(x_t.device)  # each process has its own
                return self.teacher.guidance.velocity(self.teacher.field, condition)(x_t, t)
            if self.guidance == 1:
                return velocity
            free = condition.drop(torch.ones_like(condition.present))
            own = self.average(x_t, t, t, self.condition_encoder(free))
            asked = expand_like(condition.present.any(1), x_t)
            return torch.where(asked, self.guidance * velocity + (1 - self.guidance) * own, velocity)

    def _change(self, steps: "Steps") -> Batch:
        """du/dt along the flow: the derivative of u in the direction (v, 1, 0) of (x, t, s)."""
        x, t, s, v, c = steps
        direction = (v, torch.ones_like(t), torch.zeros_like(s))
        with sdpa_kernel(SDPBackend.MATH):
            _, change = torch.func.jvp(lambda x, t, s: self.average(x, t, s, c), (x, t, s), direction)  # type: ignore[misc]
        return change

    def average(self, x: Batch, t: Time, s: Time, c: Encoded) -> Batch:
        """u(x_t, t, s): the average velocity from t to s at x_t = x, in standardised data."""
        at = self.path.at(t)
        skip, out = (expand_like(part, x) for part in preconditioning(at, "velocity"))
        return skip * x + out * self.network(x / expand_like(at.variance.sqrt(), x), self.time_encoder(c, t, s - t))

    def sample(self, condition: Condition, rng: Rng, *, steps: int | None = None) -> Batch:
        """x ← x + (s − t) u(x, t, s), from noise to data in `steps` equal steps."""
        c = self.condition_encoder(condition)
        x = rng.normal(*self.shape, device=self.device)
        times = torch.linspace(0, 1, (steps or self.steps) + 1).tolist()
        for t, s in pairwise(times):
            n = x.shape[:1]
            x = x + (s - t) * self.average(x, x.new_full(n, t), x.new_full(n, s), c)
        return _observed(self.standardise, x)

    @torch.no_grad()
    def specialise(self, condition: Condition) -> nn.Module:
        """An ordinary network from noise [batch, *shape] to observations under one condition, folded for each step."""
        c = self.condition_encoder(one(condition).to(self.device))
        times = torch.linspace(0, 1, self.steps + 1, device=self.device)
        steps = (self._specialised(c, t, s) for t, s in zip(times[:-1, None], times[1:, None], strict=True))
        standardise = deepcopy(self.standardise)
        return nn.Sequential(*steps, Computes(partial(_observed, standardise), standardise)).requires_grad_(False)

    def _specialised(self, c: Encoded, t: Time, s: Time) -> "FixedStep":
        at = self.path.at(t)
        skip, out = preconditioning(at, "velocity")
        network = Folded(self.network, self.time_encoder(c, t, s - t), *self.shape)
        return FixedStep(network, float(s - t), float(skip), float(out), float(at.variance.sqrt()))


def _observed(standardise: Standardiser, x: Batch) -> Batch:
    """Standardised data as observations. Images are clamped to [0, 1]."""
    x = standardise.inverse(x)
    return x.clamp(0, 1) if x.dim() == 4 else x


class FixedStep(nn.Module):
    """One step of a flow between fixed times under one condition."""

    def __init__(self, network: Folded, length: float, skip: float, out: float, deviation: float):
        super().__init__()
        self.network = network
        self.length, self.skip, self.out, self.deviation = length, skip, out, deviation

    def forward(self, x: Batch) -> Batch:
        """x + (s − t) u(x, t, s), in standardised data."""
        return x + self.length * (self.skip * x + self.out * self.network(x / self.deviation))


@composed(depth=2)
def meanflow(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    mechanism: EnteringBy = "film",
    embedding: Embedding = 64,
    condition_dropout: ConditionDropout = 0.1,
    backbone: Backbone = None,
    size: Size,
    path: PathName = "linear",
    guidance: Annotated[
        float, Setting("Guidance weight that is learned. Sampling cannot change it.", part="steps")
    ] = 1.0,
    share: Annotated[Share, Setting("Share of a batch that learns steps of positive length.", part="steps")] = 0.5,
    steps: Annotated[StepCount, Setting("Steps from noise to data.", part="steps")] = 1,
) -> MeanFlow:
    """A flow that samples in one step. Distilled flows are of this family."""
    return MeanFlow(
        schema,
        shape,
        condition_encoder=EmbeddingEncoder(schema, embedding),
        network=Backbones(shape, embedding, size).field(mechanism, backbone),
        time_encoder=TimeEncoder(embedding, embedding, times=2),
        path=PATHS[path](),
        guidance=guidance,
        share=share,
        condition_dropout=condition_dropout,
        steps=steps,
    )


MEANFLOW = Family(
    meanflow,
    training={"lr": 2e-3, "weight_decay": 0.0},
    as_student={"share": 0.75, "steps": 1},  # a student knows velocities already and learns mostly steps
    practice=Practice(
        steps=300,
        lr=3e-3,  # it learns from its own derivative, which grows at high rates
        falls=False,  # most of the loss is the scatter of observations, which stays
    ),
)
