"""MeanFlow: the average velocity over an interval, so that one step is the whole way (Geng et al. 2025).

u(x_t, t, s) = (x_s − x_t)/(s − t) is what a single step from t to s needs. Differentiated by t it says of itself

    u = v + (s − t) du/dt,    du/dt = v·∂u/∂x + ∂u/∂t                                (eq. 6, in our direction of time)

which is a loss for u that needs no integration. The velocity v may be the data's, with guidance by the network's own
unconditional velocity (eq. 19), or that of a trained flow, which is then distilled, guidance included: one evaluation a
sample where the flow needs dozens.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from condgen.conditioning import ConditionEncoder, EmbeddingEncoder, Encoded, TimeEncoder
from condgen.models.backbones import BackboneName, Backbones, Count, MechanismName
from condgen.models.base import Batch, Model, Terms
from condgen.models.flow import Flow, PathName, Share, dropped
from condgen.models.paths import PATHS, Path, Time, like, preconditioning
from condgen.models.standardise import Standardiser
from condgen.rng import Rng
from condgen.schema import Condition, Schema

STEADY = 1e-3  # γ, below which errors count the less, the smaller they are


class MeanFlow(Model):
    """A flow that takes steps of any length, one for a sample unless asked for more.

    guidance: of the velocity that is learned; it cannot be changed afterwards. share: of the batch that learns steps;
    the rest learns the velocity, a step of length zero. With a `teacher`, set before training, its guided velocity is
    what is learned.
    """

    def __init__(
        self,
        schema: Schema,
        shape: tuple[int, ...],
        *,
        condition_encoder: ConditionEncoder,
        network: nn.Module,
        time_encoder: TimeEncoder,
        path: Path,
        guidance: float = 1.0,
        share: float = 0.5,
        condition_dropout: float = 0.1,
        steps: int = 1,
    ):
        super().__init__(schema, shape, {"conditional", "handles_missing", "one_step"})
        self.condition_encoder = condition_encoder
        self.network = network
        self.time_encoder = time_encoder
        self.standardise = Standardiser(shape)
        self.path = path
        self.guidance = guidance
        self.share = share
        self.condition_dropout = condition_dropout
        self.steps = steps
        self._teacher: tuple[Flow, ...] = ()  # in a tuple: no part of this model, its state or its average

    @property
    def teacher(self) -> Flow | None:
        """The flow whose guided velocity is learned, if any."""
        return self._teacher[0] if self._teacher else None

    def learn_from(self, teacher: Flow) -> None:
        """Learn the guided velocity of a trained flow."""
        self._teacher = (teacher.eval().requires_grad_(False),)

    def start_from(self, teacher: Flow) -> None:
        """Take over a flow's weights; what is new, the step's length, has no influence yet."""
        parts = {"condition_encoder": teacher.condition_encoder, **dict(teacher.transport.named_children())}
        for name, part in parts.items():
            self.get_submodule(name).load_state_dict(part.state_dict(), strict=False)

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """E log(1 + |u − sg(v + (s − t) du/dt)|²/γ).

        The logarithm divides each pair's gradient by its own error plus γ, the adaptive weight of eq. 22.
        """
        if self.training:
            self.standardise.observe(x)
            condition = dropped(condition, self.condition_dropout)
        data = self.standardise(x)
        noise, u = torch.randn_like(data), torch.rand(2, len(x), device=x.device)
        steps = round(self.share * len(x))
        longer = torch.arange(len(x), device=x.device) < steps
        t, s = torch.where(longer, u.amin(0), u[0]), torch.where(longer, u.amax(0), u[0])
        at = self.path.at(t)
        x_t = like(at.alpha, data) * data + like(at.sigma, data) * noise
        v = self.direction(x_t, t, like(at.alpha_dot, data) * data + like(at.sigma_dot, data) * noise, condition)
        c = self.condition_encoder(condition)
        found = self.average(x_t, t, s, c)
        with torch.no_grad():
            some = slice(steps)
            change = self._change(x_t[some], t[some], s[some], v[some], Encoded(*(part[some] for part in c)))
            wanted = torch.cat([v[some] + like(s[some] - t[some], change) * change, v[steps:]])
        error = (found - wanted).square().flatten(1).mean(1)
        return {"loss": (1 + error / STEADY).log().mean(), "error": error.mean()}

    def direction(self, x_t: Batch, t: Time, velocity: Batch, condition: Condition) -> Batch:
        """The guided velocity at x_t: the teacher's, or w v + (1 − w) u(x_t, t, t, ∅) from a velocity of the data."""
        with torch.no_grad():
            if self.teacher is not None:
                return self.teacher.guidance.velocity(self.teacher, condition)(x_t, t)
            if self.guidance == 1:
                return velocity
            free = condition.drop(torch.ones_like(condition.present))
            own = self.average(x_t, t, t, self.condition_encoder(free))
            asked = like(condition.present.any(1), x_t)
            return torch.where(asked, self.guidance * velocity + (1 - self.guidance) * own, velocity)

    def _change(self, x: Batch, t: Time, s: Time, v: Batch, c: Encoded) -> Batch:
        """du/dt along the flow: the derivative of u in the direction (v, 1, 0) of (x, t, s)."""
        with sdpa_kernel(SDPBackend.MATH):
            direction = (v, torch.ones_like(t), torch.zeros_like(s))
            _, change = torch.func.jvp(lambda x, t, s: self.average(x, t, s, c), (x, t, s), direction)  # type: ignore[misc]
            return change

    def average(self, x: Batch, t: Time, s: Time, c: Encoded) -> Batch:
        """u(x_t, t, s): the average velocity from t to s at x_t = x, in standardised data."""
        at = self.path.at(t)
        skip, out = (like(part, x) for part in preconditioning(at, "velocity"))
        return skip * x + out * self.network(x / like(at.variance.sqrt(), x), self.time_encoder(c, t, s - t))

    def sample(self, condition: Condition, rng: Rng, *, steps: int | None = None) -> Batch:
        """x ← x + (s − t) u(x, t, s), from noise to data in `steps` equal steps."""
        c = self.condition_encoder(condition)
        x = rng.normal(*self.shape, device=self.device)
        times = torch.linspace(0, 1, (steps or self.steps) + 1).tolist()
        for t, s in pairwise(times):
            x = x + (s - t) * self.average(x, x.new_full((len(x),), t), x.new_full((len(x),), s), c)
        x = self.standardise.inverse(x)
        return x.clamp(0, 1) if len(self.shape) == 3 else x


def meanflow(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    mechanism: MechanismName = "film",
    backbone: BackboneName | None = None,
    path: PathName = "linear",
    channels: Count = 32,
    depth: Count = 2,
    embedding: Count = 64,
    condition_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    guidance: float = 1.0,
    share: Share = 0.5,
    steps: Count = 1,
) -> MeanFlow:
    """A flow that samples in one step.

    guidance: is learned, and cannot be changed when sampling. share: of the batch that learns steps longer than none.
    The other arguments are those of `flow`.
    """
    parts = Backbones(shape, embedding, channels, depth)
    return MeanFlow(
        schema,
        shape,
        condition_encoder=EmbeddingEncoder(schema, embedding),
        network=parts.field(mechanism, backbone),
        time_encoder=TimeEncoder(embedding, embedding, times=2),
        path=PATHS[path](),
        guidance=guidance,
        share=share,
        condition_dropout=condition_dropout,
        steps=steps,
    )
