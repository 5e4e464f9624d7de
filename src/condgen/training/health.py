"""Watching for failure while a model trains: does it heed its condition, and does one condition give many samples?

Asked of any family through `sample` alone; what a family can say about its players itself, `Model.complaints` says.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.data import Dataset
from condgen.models import Model
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution
from condgen.training.probe import IGNORED, condition_effect

COLLAPSED = 0.3  # within-condition diversity, relative to real data, below which samples count as copies of each other
MATURE = 0.5  # share of a run after which a model should have learned to heed its condition


@dataclass(frozen=True)
class Health:
    """What a look at a model's samples says.

    diversity: how much samples of one condition differ, relative to real observations of (nearly) one condition.
    effect:    how much samples change with the condition; see `condition_effect`. None for unconditional models.
    """

    diversity: float
    effect: float | None

    def values(self) -> dict[str, float]:
        """For the log."""
        return {"diversity": self.diversity} | ({} if self.effect is None else {"condition_effect": self.effect})

    @property
    def sound(self) -> bool:
        """Whether neither looks wrong, however early in the run."""
        return self.diversity >= COLLAPSED and (self.effect is None or self.effect >= IGNORED)

    def trouble(self, best: float, done: float) -> str:
        """What is wrong, in a sentence; empty if nothing is. best: diversity so far; done: share of the run."""
        if self.diversity < COLLAPSED and (self.diversity < best / 2 or done >= MATURE):
            return (
                f"samples of one condition hardly differ (diversity {self.diversity:.2f} of real data's; it was "
                f"{best:.2f} at best): the model has collapsed."
            )
        if self.effect is not None and self.effect < IGNORED and done >= MATURE:
            return (
                f"the model ignores its condition (effect {self.effect:.3f} of 1): samples hardly change with what is "
                "asked."
            )
        return ""


def examine(model: Model, joint: LabelDistribution, real: float) -> Health:
    """A look at a model; `real` is the diversity of the data it learns from.

    Where data of one condition is all alike, samples have nothing to vary in: their diversity counts as the data's.
    """
    effect = condition_effect(model, joint) if model.conditional else None
    return Health(sample_diversity(model, joint) / real if real > 1e-6 else 1.0, effect)


@torch.inference_mode()
def sample_diversity(model: Model, joint: LabelDistribution, n: int = 128, seed: int = 0) -> float:
    """Root mean square difference of two samples under the same condition, over n conditions of the data."""
    condition = joint.draw({}, Rng(range(seed, seed + n))).to(model.device)
    a, b = (model.sample(condition, Rng(range(s, s + n))).float() for s in (seed + n, seed + 2 * n))
    return _rms(a - b)


def real_diversity(data: Dataset, n: int = 256, most: int = 4_096) -> float:
    """Root mean square difference of two observations under the same condition, or as nearly so as the data has.

    Observations without any label say nothing about that, unless there are no others.
    """
    data = data[data.labelled.nonzero()[:, 0]] if data.labelled.any() else data
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:most]
    pool = data[order]
    first = pool[:n]
    distance = torch.cdist(_coordinates(first.condition), _coordinates(pool.condition))
    distance[torch.arange(len(first)), torch.arange(len(first))] = torch.inf
    # Among equally near ones any will do, but not always the same: a little noise decides.
    noise = torch.rand(distance.shape, generator=torch.Generator().manual_seed(1))
    partner = (distance + 1e-3 * noise).argmin(1)
    return _rms(first.floats - pool[partner].floats)


def _coordinates(condition: Condition) -> Float[Tensor, "n width"]:
    """Conditions as points: near means similar."""
    encoded = [a.encode(condition.values[a.name]) * condition.given(a.name)[:, None] for a in condition.schema]
    return torch.cat([torch.zeros(len(condition), 1), *encoded], dim=1)


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())
