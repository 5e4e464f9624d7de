"""Columns of comparisons: quantities, which way each is better, and how it is written."""

import math
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "one", ""]
Place = Literal["terminal", "page"]
Where = Literal["terminal", "page", "json"]
Values = dict["Quantity", int | float]  # what is not known is not a number
ARROWS: dict[Better, str] = {"higher": " ↑", "lower": " ↓", "one": " → 1", "": ""}


@dataclass(frozen=True)
class Quantity:
    """A column of a comparison.

    better: which way, or "one" for what should be 1, or "" for what is no merit.
    where:  the smallest place it is shown in; JSON has everything.
    form:   a share is written in percent, a large count in thousands or millions.
    """

    name: str
    title: str
    better: Better
    where: Where = "page"
    form: Literal["share", "number", "count"] = "number"

    @property
    def heading(self) -> str:
        """The title with its unit and an arrow to where better is."""
        return f"{self.title}{' %' * (self.form == 'share')}{ARROWS[self.better]}"

    def score(self, value: float) -> float:
        """The value, or what follows from it, such that higher is better."""
        return {"higher": value, "lower": -value, "one": -abs(value - 1)}[self.better]

    @property
    def unit(self) -> int:
        """What values are multiplied by to be in the heading's unit."""
        return 100 if self.form == "share" else 1

    def text(self, value: float, digits: int = 3) -> str:
        """The value in the heading's unit."""
        if self.form == "count" and abs(value) >= 1_000:
            return f"{value / 1e6:.3g}M" if abs(value) >= 1e6 else f"{value / 1e3:.3g}k"
        form = {"share": ".1f", "number": f".{digits}g", "count": ",.0f"}[self.form]
        return f"{value * self.unit:{form}}"

    def summary(self, mean: float, sd: float | None) -> str:
        """Mean ± standard deviation, where there is one."""
        return self.text(mean) + ("" if sd is None else f" ± {self.text(sd, 2)}")


OBEYED = Quantity("obedience", "obeyed", "higher", "terminal", "share")
FRECHET = Quantity("frechet_relative", "Fréchet ÷ real", "lower", "terminal")


def ratio(value: float, floor: float) -> float:
    """How many times as far as real data; not a number where real data is no distance away."""
    return value / floor if floor > 0 else math.nan
