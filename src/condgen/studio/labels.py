"""The labels of a model's training data: how often each value occurs, and how many examples fit a request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from condgen.arrays import Array, Float, namespace
from condgen.requests.request import Request
from condgen.runs.generator import Generator
from condgen.schema import Attribute, Condition
from condgen.schema.controls import Control
from condgen.schema.distribution import MOST_ROWS
from condgen.studio.material import discovers

if TYPE_CHECKING:
    from condgen.data import Splits

FEW = 50  # examples below which a request counts as rare


@dataclass(frozen=True)
class Labels:
    """Rows of attributes, and how often each occurs.

    exact: whether these are all rows of the training data. Otherwise they are an even sample of them.
    """

    rows: Condition
    counts: Float[Array, " row"]
    exact: bool

    @classmethod
    def of(cls, generator: Generator, data: "Splits | None" = None) -> "Labels | None":
        """The labels of training data that was loaded, or as a run or an exported model knows them. None if it knows
        none, and none for codes that the model discovered: those were drawn, and are in no data.
        """
        if discovers(generator):
            return None
        if data is not None and data.schema == generator.schema:
            rows = data.train.condition.hard()
            return cls(rows, namespace(rows.present).ones(len(rows)), exact=True)
        if (joint := getattr(generator, "joint", None)) is None:
            return None
        return cls(joint.rows, joint.counts, exact=len(joint.rows) < MOST_ROWS)

    @property
    def total(self) -> int | None:
        """The number of rows of the training data. None if these are a sample of them."""
        return round(float(self.counts.sum())) if self.exact else None

    def control(self, attribute: Attribute) -> Control:
        """The data behind the control of an attribute."""
        given = self.rows.given(attribute.name)
        return attribute.control(self.rows.values[attribute.name][given], self.counts[given])

    def fitting(self, request: Request) -> int | None:
        """The number of training examples that fit a request. None if these are a sample of them."""
        if not self.exact:
            return None
        fit: Any = namespace(self.counts).ones(len(self.rows), dtype=bool)
        for name, constraint in request.constraints.items():
            attribute, codes = self.rows.schema[name], self.rows.values[name]
            fit = fit & self.rows.given(name) & constraint.fits(attribute, codes)
        return round(float(self.counts[fit].sum()))


def unlabelled(attribute: Attribute) -> Control:
    """The data behind a control if no labels are known."""
    return attribute.control(np.zeros((0, *attribute.shape), np.float32), np.zeros(0, np.float32))  # type: ignore[arg-type]


def rarity(examples: int | None, total: int | None) -> str | None:
    """A note about a request that the training data shows seldom or never. None if there is nothing to say."""
    if examples is None or total is None or examples >= FEW:
        return None
    if not examples:
        return "No training example has all of this together. The model has to combine what it learned from others."
    fit = "1 training example fits" if examples == 1 else f"{examples:,} training examples fit"
    return f"Only {fit} this, of {total:,}. Expect images that are less sure."
