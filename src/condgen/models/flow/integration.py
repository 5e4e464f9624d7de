"""Sampling by integration: noise follows a velocity to data. PyTorch models and exported ones share this code."""

from typing import Any

from condgen.models.flow.guidance import Guidance
from condgen.models.flow.paths import Path, Time
from condgen.models.flow.samplers import SAMPLERS, SamplerName, State, Velocity
from condgen.models.through_noise import ThroughNoise, slerp
from condgen.schema import Condition


class Integrates:
    """A model that integrates a velocity from noise to data, with the default settings of that.

    Its state x is what follows the velocity: standardised observations or latents, [batch, ...]. c is an encoded
    condition.
    """

    condition_encoder: Any  # from a Condition to c
    path: Path
    steps: int
    sampler: SamplerName

    def velocity(self, x: State, t: Time, c: Any) -> State:
        """dx/dt at x_t = x."""
        raise NotImplementedError

    def start(self, rng: Any) -> State:
        """The noise at time 0, one sample per stream of `rng`."""
        raise NotImplementedError

    def observed(self, x: State, c: Any, rng: Any) -> State:
        """Observations, [batch, *shape], for states at time 1."""
        raise NotImplementedError

    def field(self, condition: Condition) -> Velocity:
        """The velocity under a condition, without guidance."""
        return self.field_of(self.condition_encoder(condition))

    def field_of(self, c: Any) -> Velocity:
        """The velocity under an encoded condition, without guidance."""
        return lambda x, t: self.velocity(x, t, c)

    def sample(self, condition: Condition, rng: Any) -> State:
        """One observation per request, [batch, *shape], along the velocity."""
        return self.observed(
            self.integrated(self.field(condition), self.start(rng)), self.condition_encoder(condition), rng
        )

    def integrated(
        self, velocity: Velocity, noise: State, sampler: SamplerName | None = None, steps: int | None = None
    ) -> State:
        """The state at time 1 that noise leads to."""
        return SAMPLERS[sampler or self.sampler](velocity, noise, self.path, steps or self.steps)

    def inverted(self, velocity: Velocity, x: State) -> State:
        """The noise that leads to a state at time 1."""
        return SAMPLERS[reversible(self.sampler)](velocity, x, self.path, self.steps, start=1.0, end=0.0)


class IntegratesGuided(Integrates):
    """A model whose velocity can be guided (see `guidance.Guidance`)."""

    guidance: Guidance

    def sample(
        self,
        condition: Condition,
        rng: Any,
        *,
        guidance: Guidance | None = None,
        steps: int | None = None,
        sampler: SamplerName | None = None,
    ) -> State:
        """One observation per request, [batch, *shape], along the guided velocity."""
        velocity = (guidance or self.guidance).velocity(self.field, condition)
        x = self.integrated(velocity, self.start(rng), sampler, steps)
        return self.observed(x, self.condition_encoder(condition), rng)


class InvertsIntegration(Integrates, ThroughNoise):
    """A model that also integrates back, from observations to noise."""

    def standardised(self, x: State, c: Any) -> State:
        """The states at time 1 of observations."""
        raise NotImplementedError

    def shown(self, x: State, c: Any) -> State:
        """The expected observations, [batch, *shape], for states at time 1."""
        raise NotImplementedError

    def to_noise(self, x: State, c: Any) -> State:
        """The noise that leads to observations, without guidance."""
        return self.inverted(self.field_of(c), self.standardised(x, c))

    def from_noise(self, noise: State, c: Any) -> State:
        """The expected observations that noise leads to, without guidance."""
        return self.shown(self.integrated(self.field_of(c), noise, reversible(self.sampler)), c)


class InvertsGuided(IntegratesGuided, InvertsIntegration):
    """A flow of observations: edits are guided towards the new condition, and noise keeps its length.

    An edit integrates x to noise under its own condition and back under another (Su et al. 2023).
    """

    def edit(self, x: State, source: Condition, target: Condition) -> State:
        """x, which has condition `source`, changed to condition `target`. Everything else is kept."""
        noise = self.to_noise(x, self.condition_encoder(source))
        guided = self.integrated(self.guidance.velocity(self.field, target), noise, reversible(self.sampler))
        return self.shown(guided, self.condition_encoder(target))

    def between(self, noise: State, noise_end: State, s: float) -> State:
        """Noise on the arc from one to the other."""
        return slerp(noise, noise_end, s)


def reversible(sampler: SamplerName) -> SamplerName:
    """The sampler itself, or Heun's if it runs forwards only."""
    return "heun" if sampler == "dpm" else sampler
