"""What comparisons compare: the quantities of a report, which way each is better, and how it is written."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Literal

from condgen.evaluation.metrics.fidelity import Fidelity
from condgen.evaluation.metrics.memorisation import Memorisation
from condgen.evaluation.metrics.obedience import Obedience
from condgen.evaluation.metrics.usefulness import Usefulness
from condgen.evaluation.report import Report

Better = Literal["higher", "lower", "one", ""]
Where = Literal["terminal", "page", "json"]
Values = dict["Quantity", int | float]
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


def groups(report: Report) -> list[Values]:
    """The quantities of a report, always in the same order of groups; what could not be measured is left out."""
    found = [
        _of_obedience(report.obedience),
        *(_of_fidelity(each, first=k == 0) for k, each in enumerate(report.fidelity)),
        _of_memorisation(report.memorisation),
        _of_usefulness(report.usefulness, report.obedience),
        _of_cost(report.run),
    ]
    return [{q: float(v) for q, v in group.items() if math.isfinite(v)} for group in found]


def _of_obedience(obedience: Obedience | None) -> Values:
    if obedience is None:
        return {}
    values = {OBEYED: obedience.joint.value}
    if obedience.unseen:
        values[Quantity("obedience_unseen", "obeyed if unseen", "higher", "page", "share")] = obedience.unseen.value
    if obedience.held:
        values |= _of_held_out(obedience.held)
    for a in obedience.attributes:
        values[Quantity(f"obedience_{a.name}", f"{a.name} ÷ real", "higher")] = a.relative
    for a in obedience.attributes:
        if a.swap:
            values[Quantity(f"swap_{a.name}", f"{a.name} swapped", "higher", "json", "share")] = a.swap.value
    return values


def _of_held_out(held: Obedience) -> Values:
    """Of combinations that were held out: all attributes at once, and each alone."""
    whole = Quantity("obedience_held", "held out obeyed", "higher", "terminal", "share")
    return {whole: held.joint.value} | {
        Quantity(f"obedience_held_{a.name}", f"held out, {a.name} ÷ real", "higher"): a.relative
        for a in held.attributes
    }


def _of_fidelity(fidelity: Fidelity, first: bool) -> Values:
    """Named after the features, except in the first space of features, which terminals have room for."""
    made, floor = fidelity.overall, fidelity.floor
    values = {
        FRECHET: _over(made.frechet.value, floor.frechet.value),
        Quantity("frechet", "Fréchet", "lower", "json"): made.frechet.value,
        Quantity("kernel", "kernel distance", "lower", "json"): made.kernel.value,
        Quantity("intra_frechet_relative", "intra-Fréchet ÷ real", "lower"): _over(
            fidelity.intra_frechet, fidelity.intra_frechet_floor
        ),
        Quantity("intra_frechet", "intra-Fréchet", "lower", "json"): fidelity.intra_frechet,
        Quantity("precision", "precision", "higher", "terminal", "share"): made.precision.value,
        Quantity("recall", "recall", "higher", "terminal", "share"): made.recall.value,
        Quantity("coverage", "coverage", "higher", "page", "share"): made.coverage.value,
        Quantity("density", "density", "one", "json"): made.density.value,
        Quantity("intra_recall", "intra-recall", "higher", "page", "share"): fidelity.intra_recall,
        Quantity("intra_coverage", "intra-coverage", "higher", "json", "share"): fidelity.intra_coverage,
        Quantity("diversity", "diversity", "one"): made.diversity,
    }
    return values if first else {_named(q, fidelity.features): v for q, v in values.items()}


def _named(quantity: Quantity, features: str) -> Quantity:
    where: Where = "json" if quantity.where == "json" else "page"
    return replace(quantity, name=f"{features}_{quantity.name}", title=f"{quantity.title} ({features})", where=where)


def _over(value: float, floor: float) -> float:
    """How many times as far as real data; unknown where real data is no distance away."""
    return value / floor if floor > 0 else math.nan


def _of_memorisation(memorisation: Memorisation) -> Values:
    return {
        Quantity("copies", "copies", "lower", "page", "share"): memorisation.copies.value,
        Quantity("duplicates", "duplicates", "lower", "json", "share"): memorisation.duplicates.value,
        Quantity("nearer", "nearer to training", "", "json", "share"): memorisation.nearer.value,
    }


def _of_usefulness(usefulness: Usefulness | None, obedience: Obedience | None) -> Values:
    """Per attribute how useful samples are beside real data, made/real or real/made for errors, and the mean of it."""
    if usefulness is None or obedience is None or not usefulness.made:
        return {}
    errors = {a.name for a in obedience.attributes if not a.choices}
    relative = {
        name: _over(usefulness.real[name], made) if name in errors else _over(made, usefulness.real[name])
        for name, made in usefulness.made.items()
    }
    values = {Quantity("usefulness", "useful ÷ real", "higher"): fmean(relative.values())}
    return values | {
        Quantity(f"usefulness_{k}", f"useful ÷ real ({k})", "higher", "json"): v for k, v in relative.items()
    }


def _of_cost(run: Mapping[str, Any]) -> Values:
    """What training took: no merit, but what the rest is to be read by."""
    return {
        Quantity("images", "images", "", "terminal", "count"): run["images"],
        Quantity("seconds", "seconds", "", "page", "count"): run["seconds"],
    }
