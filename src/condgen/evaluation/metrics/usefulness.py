"""Usefulness: whether a predictor can be trained on samples instead of real data."""

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
    """The skill of predictors trained on samples, and on as many real observations, tested on held-out real data.

    The classification accuracy score (Ravuri & Vinyals 2019; GAN-train, Shmelkov et al. 2018). It falls if samples do
    not show the request, and if they show too little of its variety.

    n: number of samples, and of real observations, in training.
    made, real: per attribute the accuracy, or the mean absolute error in the attribute's unit if continuous.
    """

    n: int
    made: dict[str, float]
    real: dict[str, float]


def usefulness(made: Samples | Dataset, train: Dataset, test: Dataset, images: int = 60_000) -> Usefulness:
    """Train one predictor on samples with their requests as labels, one on as many training observations, and test
    both.

    Both are trained alike, on `images` presentations. Free attributes of a sample teach nothing. Attributes that one of
    the three sets never gives are left out. Raises RequestError if samples and data have different attributes.
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
    """Observations as in datasets: images with 256 levels, so that finer ones give no hint."""
    return as_uint8(x.cpu()) if x.dim() == 4 and x.is_floating_point() else x.cpu()


# ---- the metric


class UsefulnessMetric(Metric[Usefulness]):
    """The skill of a predictor trained on the samples."""

    name = "usefulness"
    title = "Usefulness"
    about = "Could one learn from samples what one learns from real data?"
    result = Usefulness

    def skipped(self, case: Measurement) -> str:
        """A reason if it was switched off, or if samples have no labels to learn from."""
        if not case.config.useful:
            return "`useful=0` leaves it out"
        return "" if case.subject.conditional else "samples of this model are not labelled"

    def measure(self, case: Measurement) -> Usefulness:
        """Predictors trained on samples and on real data, both tested on held-out data."""
        return usefulness(case.samples, case.data.train, case.data.test, images=case.config.useful)

    def columns(self, result: Usefulness, results: Mapping[str, Any]) -> Values:
        """Per attribute the usefulness of samples relative to real data, and the mean. For errors the inverse ratio."""
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
