"""Detection of failures during training: ignored conditions, and lack of diversity within a condition.

It uses `sample` alone, so it works for any family. `Model.complaints` adds a family's own checks of its players.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.data import Dataset
from condgen.models import Model
from condgen.models.complaint import COLLAPSE, IDLE, Complaint
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution
from condgen.training.probe import IGNORED, condition_effect

COLLAPSED = 0.3  # smaller diversity within conditions, relative to real data, counts as collapse
MATURE = 0.5  # share of a run after which a model should have learned to heed its condition


@dataclass(frozen=True)
class Health:
    """The measurements of a model's samples.

    diversity: difference between samples of one condition, relative to real observations of (nearly) one condition.
    effect: change of samples with the condition (see `condition_effect`). None for unconditional models.
    """

    diversity: float
    effect: float | None

    def values(self) -> dict[str, float]:
        """The measurements by name, for the log."""
        return {"diversity": self.diversity} | ({} if self.effect is None else {"condition_effect": self.effect})

    @property
    def sound(self) -> bool:
        """Whether both measurements look right, at any stage of the run."""
        return self.diversity >= COLLAPSED and (self.effect is None or self.effect >= IGNORED)

    def _alike(self, best: float) -> str:
        """A sentence on samples that are too much alike. Those of a model that never did better may just be young."""
        when = f"diversity {self.diversity:.2f} of real data's; it was {best:.2f} at best"
        fault = (
            "has collapsed" if max(best, self.diversity) >= COLLAPSED else "has seen too few images, or has collapsed"
        )
        which = "Samples" if self.effect is None else "Samples of one condition"
        return f"{which} hardly differ ({when}): the model {fault}."

    def trouble(self, best: float, done: float) -> Complaint | None:
        """The problem, if there is one. best: highest diversity so far. done: share of the run."""
        if self.diversity < COLLAPSED and (self.diversity < best / 2 or done >= MATURE):
            return Complaint(COLLAPSE, self._alike(best))
        if self.effect is not None and self.effect < IGNORED and done >= MATURE:
            return Complaint(
                IDLE,
                f"The model ignores its condition (effect {self.effect:.3f} of 1): samples hardly change with what is "
                "asked.",
            )
        return None


def examine(model: Model, joint: LabelDistribution, real: float) -> Health:
    """The health of a model. real: the diversity of its training data.

    If the data of one condition is all alike, samples cannot vary either, and their diversity counts as that of the
    data. So does that of a model whose samples need not vary, such as a codec.
    """
    effect = condition_effect(model, joint) if model.conditional else None
    return Health(sample_diversity(model, joint) / real if model.varies and real > 1e-6 else 1.0, effect)


@torch.inference_mode()
def sample_diversity(model: Model, joint: LabelDistribution, n: int = 128, seed: int = 0) -> float:
    """Root mean square difference of two samples under the same condition, over n conditions of the data."""
    condition = joint.draw({}, Rng(range(seed, seed + n))).to(model.device)
    a, b = (model.sample(condition, Rng(range(s, s + n))).float() for s in (seed + n, seed + 2 * n))
    return _rms(a - b)


def real_diversity(data: Dataset, n: int = 256, most: int = 4_096) -> float:
    """Root mean square difference of two observations under the same condition, or under the most similar conditions.

    Observations without any label are left out, unless there are no others.
    """
    data = data[data.labelled.nonzero()[:, 0]] if data.labelled.any() else data
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:most]
    pool = data[order]
    first = pool[:n]
    distance = torch.cdist(_coordinates(first.condition), _coordinates(pool.condition))
    distance[torch.arange(len(first)), torch.arange(len(first))] = torch.inf
    # A little noise decides among equally near ones, so that it is not always the same one.
    noise = torch.rand(distance.shape, generator=torch.Generator().manual_seed(1))
    partner = (distance + 1e-3 * noise).argmin(1)
    return _rms(first.floats - pool[partner].floats)


def _coordinates(condition: Condition) -> Float[Tensor, "n width"]:
    """Conditions as points, such that near points are similar conditions."""
    encoded = [a.encode(condition.values[a.name]) * condition.given(a.name)[:, None] for a in condition.schema]
    return torch.cat([torch.zeros(len(condition), 1), *encoded], dim=1)


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())
