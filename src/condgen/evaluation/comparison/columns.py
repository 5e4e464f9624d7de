"""Columns of comparisons: quantities, their better direction, and their text."""

import math
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "one", ""]
Place = Literal["terminal", "page"]
Where = Literal["terminal", "page", "json"]
Values = dict["Quantity", int | float]  # unknown values are NaN
ARROWS: dict[Better, str] = {"higher": " ↑", "lower": " ↓", "one": " → 1", "": ""}


@dataclass(frozen=True)
class Quantity:
    """A column of a comparison.

    better: the better direction, "one" for values that should be 1, or "" for values that are no merit.
    where: the smallest place in which it is shown. JSON has everything.
    form: a share is written in percent, and a large count in thousands or millions.
    """

    name: str
    title: str
    better: Better
    where: Where = "page"
    form: Literal["share", "number", "count"] = "number"

    @property
    def heading(self) -> str:
        """The title with its unit and an arrow in the better direction."""
        return f"{self.title}{' %' * (self.form == 'share')}{ARROWS[self.better]}"

    def score(self, value: float) -> float:
        """The value, transformed so that higher is better."""
        return {"higher": value, "lower": -value, "one": -abs(value - 1)}[self.better]

    @property
    def unit(self) -> int:
        """The factor from a value to the heading's unit."""
        return 100 if self.form == "share" else 1

    def text(self, value: float, digits: int = 3) -> str:
        """The value in the heading's unit."""
        if self.form == "count" and abs(value) >= 1_000:
            return f"{value / 1e6:.3g}M" if abs(value) >= 1e6 else f"{value / 1e3:.3g}k"
        form = {"share": ".1f", "number": f".{digits}g", "count": ",.0f"}[self.form]
        return f"{value * self.unit:{form}}"

    def summary(self, mean: float, sd: float | None) -> str:
        """Mean ± standard deviation, or the mean alone for one seed."""
        return self.text(mean) + ("" if sd is None else f" ± {self.text(sd, 2)}")


OBEYED = Quantity("obedience", "obeyed", "higher", "terminal", "share")
FRECHET = Quantity("frechet_relative", "Fréchet ÷ real", "lower", "terminal")


def ratio(value: float, floor: float) -> float:
    """The value relative to that of real data, or NaN if that is zero."""
    return value / floor if floor > 0 else math.nan
