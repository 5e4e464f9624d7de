"""Settings of sampling: the treatment of free attributes, and settings of guided models."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from condgen.errors import RequestError
from condgen.models.abilities import Guided
from condgen.models.flow.guidance import Weights, named_weights, parse_weights
from condgen.models.flow.samplers import MOST_STEPS, SAMPLERS
from condgen.models.registry import instead, that_can
from condgen.requests.request import Request
from condgen.runs.best import MOST
from condgen.schema import Condition

Model = Any  # a `condgen.Model` or an exported one, in annotations, which must not import PyTorch

BATCH = 250  # samples generated at once: of more, a U-Net's activations leave the cache and are allocated anew


@dataclass(frozen=True)
class Part:
    """A part of a batch: a request, and the seeds of its samples."""

    request: Request
    seeds: range


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """Settings of sampling. None is the model's own default. All but `free` are for guided models.

    guidance: a weight for the whole request or one per attribute. 1 is plain conditional, 0 unconditional, −1 moves
        away from the request. If a request excludes a value (`color!=red`), guidance above 1 moves away from it.
    interval: times at which guidance acts. Noise is at 0 and data at 1. Outside, every weight is 1.
    steps, sampler: of the integration. A sampler is euler, heun, dpm (DPM-Solver++), dopri (adaptive) or one of another
        package.
    guide: a weaker model for autoguidance. Its prediction is the contrast.
    compose: predict each attribute alone and add the results, for combinations never seen together. Free attributes are
        not filled in.
    free: leave free attributes to the model, instead of drawing them from matching rows of the data.
    best_of: number of candidates per sample, of which the one is kept that shows its condition best, by the model's own
        critic or by a judge that no evaluation uses. Takes as many times as long, and costs variety.
    """

    guidance: Weights | str | None = None
    interval: tuple[float, float] | None = None
    steps: int | None = None
    sampler: str | None = None
    guide: Model | None = None
    compose: bool = False
    free: bool = False
    best_of: int = 1

    @property
    def weights(self) -> Weights | None:
        """The guidance, parsed if it is text."""
        return parse_weights(self.guidance) if isinstance(self.guidance, str) else self.guidance

    def dump(self) -> dict[str, Any]:
        """The settings as JSON, a guide as the digest of its weights."""
        guide = None if self.guide is None else self.guide.fingerprint
        return {**vars(self), "guidance": self.weights, "guide": guide}

    @classmethod
    def loaded(cls, given: Mapping[str, Any]) -> "SamplingOptions":
        """The settings of a `dump` that was saved as JSON, with other entries ignored. A guide cannot be opened again,
        and is left out.
        """
        known: dict[str, Any] = {f.name: given[f.name] for f in fields(cls) if f.name in given and f.name != "guide"}
        if known.get("interval") is not None:
            known["interval"] = tuple(known["interval"])
        return cls(**known)

    @property
    def given(self) -> dict[str, Any]:
        """The settings that differ from the model's own, as JSON."""
        own = SamplingOptions().dump()
        return {name: value for name, value in self.dump().items() if value != own[name]}

    def validate_for(self, model: Model) -> None:
        """Raise RequestError for settings that the model does not have, and for invalid values."""
        if not 1 <= self.best_of <= MOST:
            raise RequestError(f"A sample is the best of 1 to {MOST} candidates, not of {self.best_of} (`best_of=4`).")
        if self.free and not model.handles_missing:
            raise RequestError(
                f"The model {model.recipe.get('model')} has no encoding for a free attribute, so what is not asked for "
                "has to come from the data (leave out `free`). Or train with learned nulls "
                f"({that_can(lambda other: other.conditional and other.handles_missing)})."
            )
        if replace(self, best_of=1) in (SamplingOptions(), SamplingOptions(free=True)):
            return
        if not isinstance(model, Guided):
            raise RequestError(
                f"The model {model.recipe.get('model')} takes no guidance, steps or "
                f"sampler{instead(Guided, model.schema, 'does')}."
            )
        weights = named_weights(model.schema, model.guidance.weights if self.weights is None else self.weights)
        if self.sampler is not None:
            SAMPLERS.check(self.sampler)
        if self.steps is not None and self.steps < 1:
            raise RequestError(f"The number of steps must be at least 1, not {self.steps}.")
        if self.steps is not None and self.steps > MOST_STEPS:
            raise RequestError(f"The number of steps must be at most {MOST_STEPS:,}, not {self.steps:,} (`steps=50`).")
        if self.interval is not None and not 0 <= self.interval[0] < self.interval[1] <= 1:
            raise RequestError(f"Guidance acts in an interval within 0..1, such as 0.2..0.8, not {self.interval}.")
        self._must_guide(weights)
        if self.guide is not None and (self.compose or isinstance(self.weights, Mapping)):
            raise RequestError("A guide takes one weight, as in `guidance=2`, and cannot be combined with composition.")
        if self.guide is not None and not _alike(model, self.guide):
            raise RequestError(
                "This guide cannot guide the model: it must be of its kind, its shape and its attributes."
            )

    def _must_guide(self, weights: Mapping[str, float]) -> None:
        """Raise RequestError for settings of guidance if the weights of the attributes give no guidance."""
        if self.compose or any(w != 1 for w in weights.values()):
            return
        for name in ("interval", "guide"):
            if getattr(self, name) is not None:
                raise RequestError(
                    f"The setting {name} takes effect only with guidance, and a guidance of 1 is none: set "
                    f"`guidance=2`, or leave out `{name}`."
                )

    def arguments(self, model: Model, unwanted: Condition | None) -> dict[str, Any]:
        """The keyword arguments for the model's `sample`."""
        if not isinstance(model, Guided):
            return {}
        guidance = model.guidance.replace(
            weights=self.weights,
            interval=self.interval,
            against=unwanted,
            guide=self.guide,
            compose=self.compose or None,
        )
        return {"guidance": guidance, "steps": self.steps, "sampler": self.sampler}


def _alike(model: Model, guide: Model) -> bool:
    alike: bool = model.shape == guide.shape and model.schema == guide.schema and type(model) is type(guide)
    return alike
