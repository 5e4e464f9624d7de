"""Obedience: do samples show what was asked for?"""

import math
from dataclasses import dataclass

from condgen.data import Dataset
from condgen.evaluation.judge import Judge
from condgen.samples import Samples
from condgen.schema import Attribute, Continuous, Schema


@dataclass(frozen=True)
class Obedience:
    """How far samples show what was asked, by a judge whose own skill is stated beside it.

    asked, real: per attribute the share recognised as asked for among samples, and as labelled among held-out real
    data; for continuous attributes the mean absolute error in the attribute's unit. Not a number where never given.
    """

    asked: dict[str, float]
    real: dict[str, float]

    schema: Schema

    def lines(self) -> list[str]:
        """One readable line per attribute."""
        return [
            f"{a.name}: {_shown(a, self.asked[a.name])} as asked; the judge on held-out real data: "
            f"{_shown(a, self.real[a.name])}"
            for a in self.schema
        ]


def _shown(attribute: Attribute, value: float) -> str:
    if math.isnan(value):
        return "nothing known"
    return f"off by {value:.3g} on average" if isinstance(attribute, Continuous) else f"{value:.2%}"


def obedience(judge: Judge, samples: Samples, real: Dataset) -> Obedience:
    """What the judge says of samples, and of real data that nobody trained on."""
    asked = judge.agreement(samples.x, samples.condition)
    return Obedience(asked, judge.agreement(real.floats, real.condition), real.schema)
