"""Usefulness: can a predictor be trained on samples in the place of real data?"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from condgen.data import Dataset, as_uint8
from condgen.errors import RequestError
from condgen.evaluation.comparison.columns import Quantity, Values, ratio
from condgen.evaluation.judge.judge import train_judge
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import OBEDIENCE
from condgen.runs.samples import Samples


@dataclass(frozen=True)
class Usefulness:
    """What predictors learn from samples, and from as many real observations, tested on held-out real data.

    The classification accuracy score (Ravuri & Vinyals 2019; GAN-train, Shmelkov et al. 2018): it falls when samples
    do not show what was asked, and when they show too little of its variety.

    n:          how many samples, and how many real observations, were trained on.
    made, real: per attribute the accuracy, or the mean absolute error in the attribute's unit if continuous.
    """

    n: int
    made: dict[str, float]
    real: dict[str, float]


def usefulness(made: Samples | Dataset, train: Dataset, test: Dataset, images: int = 60_000) -> Usefulness:
    """Train one predictor on samples labelled with what was asked, one on as many training observations; test both.

    Both are trained alike, on `images` presentations. What was left free in a sample teaches nothing; attributes that
    are nowhere given in one of the three sets are left out. Raises RequestError where samples and data are not labelled
    with the same attributes.
    """
    if not made.condition.schema == train.schema == test.schema:
        raise RequestError(
            f"The samples are labelled with {', '.join(made.condition.schema.names)}, the training data with "
            f"{', '.join(train.schema.names)}, the test data with {', '.join(test.schema.names)}: a predictor trained "
            "on one cannot be tested on the other. Load the data with the attributes that the samples were asked for."
        )
    n = min(len(made), len(train))
    made = Dataset(_stored(made.x), made.condition.to("cpu"))
    known = [a for a in train.schema.names if all(bool(d.condition.given(a).any()) for d in (made, train, test))]
    skills = [_skill(_part(data, n), test, images) for data in (made, train)]
    return Usefulness(n, *({name: skill[name] for name in known} for skill in skills))


def _skill(train: Dataset, test: Dataset, images: int) -> dict[str, float]:
    return train_judge(train.observations, train.condition, images=images).agreement(test.observations, test.condition)


def _part(data: Dataset, n: int) -> Dataset:
    """n observations at random."""
    return data[torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:n]]


def _stored(x: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
    """Observations as datasets hold them: images with 256 levels, so that finer ones give nothing away."""
    return as_uint8(x.cpu()) if x.dim() == 4 and x.is_floating_point() else x.cpu()


# ---- the metric


class UsefulnessMetric(Metric[Usefulness]):
    """What a predictor learns from the samples."""

    name = "usefulness"
    title = "Usefulness"
    about = "Could one learn from samples what one learns from real data?"
    result = Usefulness

    def skipped(self, case: Measurement) -> str:
        """Where it was left out, and where samples have no labels to learn from."""
        if not case.config.useful:
            return "`useful=0` leaves it out"
        return "" if case.subject.conditional else "samples of this model are not labelled"

    def measure(self, case: Measurement) -> Usefulness:
        """By predictors trained on samples and on real data, both tested on held-out data."""
        return usefulness(case.samples, case.data.train, case.data.test, images=case.config.useful)

    def columns(self, result: Usefulness, results: Mapping[str, Any]) -> Values:
        """Per attribute how useful samples are beside real data, and the mean of it; a ratio of errors is turned."""
        obedience = OBEDIENCE.of(results)
        if obedience is None or not result.made:
            return {}
        errors = {a.name for a in obedience.attributes if not a.choices}
        relative = {
            name: ratio(result.real[name], made) if name in errors else ratio(made, result.real[name])
            for name, made in result.made.items()
        }
        values: Values = {Quantity("usefulness", "useful ÷ real", "higher"): fmean(relative.values())}
        return values | {
            Quantity(f"usefulness_{k}", f"useful ÷ real ({k})", "higher", "json"): v for k, v in relative.items()
        }


USEFULNESS = UsefulnessMetric()
