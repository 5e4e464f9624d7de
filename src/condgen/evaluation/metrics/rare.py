"""Obedience to rare combinations, each beside real images of the same combination.

Averages hide rare requests: 2 % of faces are old men with glasses. Judges also err more on rare combinations, and
held-out data has few examples of them. So the reference is every real image, read by a judge that never saw it
(`cross_fitted`), and samples are read by the same judges.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from condgen.data import Dataset
from condgen.evaluation.comparison.columns import Quantity, Values
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.crossfit import Reader, all_real, cross_fitted, held_out_reader
from condgen.evaluation.judge.held_out import joined
from condgen.evaluation.metrics.attribute_obedience import telling
from condgen.evaluation.metrics.estimate import Estimate, difference, quantile_among, wilson
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import OBEDIENCE, Obedience, tolerances, within
from condgen.schema import Condition
from condgen.schema.combinations import Combinations
from condgen.units import percent

PER = 100  # samples of each combination, if the evaluation has as many
FEWEST = 30  # samples of each combination otherwise
MAX_GAP = 0.1  # a combination that falls short of real images by more is a fault


@dataclass(frozen=True)
class RareObedience:
    """The obedience to one combination as a whole.

    request: the combination.
    made: share of its `samples` samples that show all of it, as its readers see it.
    real: share of the `examples` real images of the combination that do.
    gap: `real` minus `made`. Its interval holds for all combinations at once.
    usual: the sum of its values' own gaps, in all requests for them. A model that misses a value everywhere misses its
        combinations, too. A value that no request of the data's own has adds nothing.
    weakest: the attribute that falls short of real images most, with its shares in samples and in real images.
    """

    request: str
    names: tuple[str, ...]
    made: Estimate
    real: Estimate
    gap: Estimate
    usual: float
    weakest: str
    weakest_made: float
    weakest_real: float
    samples: int
    examples: int

    @property
    def missed(self) -> bool:
        """Whether it falls short of real images by more than noise, however many combinations were looked at."""
        return self.gap.known and self.gap.low > 0

    @property
    def faulty(self) -> bool:
        """Whether it falls so far short that it is a fault, and one that its values' averages do not show."""
        return self.missed and self.gap.value > MAX_GAP and self.gap.low > self.usual

    @property
    def line(self) -> str:
        """The result in one readable line."""
        weak = f"; {self.weakest} {percent(self.weakest_made)} ({percent(self.weakest_real)})"
        return (
            f"{self.request}: {percent(self.made.value)} of {self.samples:,} samples show it, "
            f"{percent(self.real.value)} of {self.examples:,} real ones{weak if self.weakest else ''}"
        )


@dataclass(frozen=True)
class Rare:
    """The obedience to rare combinations, the largest gap to real images first.

    judges: number of cross-fitted judges. 0 if held-out data has enough examples for the evaluation's own judge.
    least: smallest number of real examples of a combination.
    """

    combinations: tuple[RareObedience, ...]
    judges: int
    least: int

    def worst(self, obedience: Obedience | None) -> RareObedience | None:
        """The combination that is missed most beyond noise, of attributes that the judge can read: the largest gap of a
        faulty one, or of any. None without one.

        obedience: to single attributes, by the same evaluation.
        """
        if obedience is None or not obedience.joint.known:
            return None
        read = {a.name for a in obedience.attributes if telling(a) and math.isfinite(a.relative)}
        missed = [each for each in self.combinations if each.missed and read.issuperset(each.names)]
        return max(missed, key=lambda each: (each.faulty, each.gap.value), default=None)


@dataclass(frozen=True)
class Made:
    """Samples, and those of each combination.

    typical: number of the first ones, which are of the data's own requests.
    rows: of each combination, the numbers of its samples.
    """

    samples: Dataset
    typical: int
    rows: tuple[Int[Tensor, " _"], ...]


def rare(readers: Sequence[Reader], chosen: Combinations, made: Made) -> tuple[RareObedience, ...]:
    """The obedience to each of the chosen combinations, the largest gap first."""
    labels = Condition.cat([reader.real.condition for reader in readers])
    bounds = [tolerances(reader.judge.read(reader.real.observations), reader.real.condition) for reader in readers]
    pairs = list(zip(readers, bounds, strict=True))
    combined = [labels.schema.position(name) for name in chosen.schema.names]
    real = torch.cat([_right(reader, reader.real, bound)[:, combined] for reader, bound in pairs])
    seen = torch.stack([_right(reader, made.samples, bound)[:, combined] for reader, bound in pairs])
    usual = _Usual(chosen.parts(labels), real, chosen.parts(made.samples.condition)[: made.typical], seen)
    z = quantile_among(len(chosen.found))
    found = []
    for rows, (each, members) in zip(made.rows, chosen.members(labels), strict=True):
        columns = [chosen.schema.position(name) for name in each.names]
        shares = _Shares(seen[:, rows][..., columns], real[members][:, columns])
        found.append(shares.compared(chosen.describe(each), each.names, usual.gap(columns, each.parts), z))
    return tuple(sorted(found, key=lambda each: -each.gap.value))


def _right(reader: Reader, data: Dataset, bound: Mapping[str, float]) -> Bool[Tensor, "n attribute"]:
    """Whether each attribute is read as its condition says. Free ones count as right."""
    return within(reader.judge.read(data.observations), data.condition, bound)


@dataclass(frozen=True)
class _Usual:
    """Whether attributes are right in all real images, and in samples of the data's own requests, by value."""

    labels: Int[Tensor, "m attribute"]
    real: Bool[Tensor, "m attribute"]
    asked: Int[Tensor, "n attribute"]
    seen: Bool[Tensor, "reader total attribute"]

    def gap(self, columns: Sequence[int], parts: Sequence[int]) -> float:
        """The sum of the gaps of these attributes' values, each by itself.

        0 for values better than in real images, and for those of which nothing is known.
        """
        return sum(self._alone(column, part) for column, part in zip(columns, parts, strict=True))

    def _alone(self, column: int, part: int) -> float:
        real = self.real[self.labels[:, column] == part, column].float()
        made = self.seen[:, : len(self.asked)][:, self.asked[:, column] == part, column].float()
        return max(float(real.mean() - made.mean()), 0.0) if len(real) and made.numel() else 0.0


@dataclass(frozen=True)
class _Shares:
    """Whether a combination's attributes are right: in samples by every reader, in real images by one each."""

    made: Bool[Tensor, "reader n attribute"]
    real: Bool[Tensor, "m attribute"]

    def compared(self, request: str, names: tuple[str, ...], usual: float, z: float) -> RareObedience:
        """The shares of samples and real images that show all of it. z: standard errors of the gap's interval."""
        n, m = self.made.shape[1], len(self.real)
        made, real = (float(x.all(-1).float().mean()) for x in (self.made, self.real))
        parts, real_parts = self.made.float().mean((0, 1)).tolist(), self.real.float().mean(0).tolist()
        weakest = max(range(len(names)), key=lambda k: real_parts[k] - parts[k])
        return RareObedience(
            request=request,
            names=names,
            made=wilson(made, n),
            real=wilson(real, m),
            gap=difference(real, m, made, n, z),
            usual=usual,
            weakest=names[weakest],
            weakest_made=parts[weakest],
            weakest_real=real_parts[weakest],
            samples=n,
            examples=m,
        )


# ---- the metric


class RareMetric(Metric[Rare]):
    """Obedience to combinations of two or three attributes."""

    name = "rare"
    title = "Rare combinations"
    about = "Are rare combinations of attributes shown as often as in real images of them?"
    result = Rare

    def skipped(self, case: Measurement) -> str:
        """A reason if it was switched off, or if there is nothing to combine."""
        if not case.config.combinations:
            return "`combinations=0` leaves it out"
        if not case.subject.conditional or case.subject.match is not None:
            return "this model cannot be asked for several of the data's attributes at once"
        few = not Combinations.of(_reference(case).condition, case.config.combinations).found
        return f"no combination has {case.config.combinations} real examples" if few else ""

    def measure(self, case: Measurement) -> Rare:
        """The judged samples of each combination, more of them where the evaluation's own are few."""
        chosen = Combinations.of(_reference(case).condition, case.config.combinations)
        readers = _readers(case, chosen)
        made = _made(case, chosen)
        judges = len(readers) if len(readers) > 1 else 0
        return Rare(rare(readers, chosen, made), judges, case.config.combinations)

    def lines(self, result: Rare) -> list[str]:
        """The three largest gaps."""
        beyond = [each for each in result.combinations if each.missed]
        head = f"combinations with at least {result.least} real examples: {len(result.combinations)}, of which "
        head += f"{len(beyond)} {'falls' if len(beyond) == 1 else 'fall'} short of real images by more than noise"
        return [head, *(each.line for each in beyond[:3])]

    def findings(self, result: Rare, evidence: Evidence) -> Iterator[Finding]:
        """The combination that falls the furthest short of real images, unless single attributes explain it."""
        obedience = OBEDIENCE.of(evidence.results)
        worst = result.worst(obedience)
        explained = obedience and any(f.grave for f in OBEDIENCE.findings(obedience, evidence))
        if worst and worst.faulty and not explained:
            yield _as_missed(worst, result, evidence)

    def columns(self, result: Rare, results: Mapping[str, Any]) -> Values:
        """The largest gap, and the number of combinations beyond noise."""
        gap = max((each.gap.value for each in result.combinations), default=math.nan)
        missed = sum(each.missed for each in result.combinations)
        return {
            Quantity("rare_gap", "largest gap of a combination", "lower", "page", "share"): gap,
            Quantity("rare_missed", "combinations missed", "lower", "page", "count"): missed,
        }


RARE = RareMetric()


def _as_missed(worst: RareObedience, result: Rare, evidence: Evidence) -> Finding:
    obedience = OBEDIENCE.of(evidence.results)
    named = [a.name for a in obedience.attributes if a.choices and a.name in worst.names] if obedience else []
    made, real = percent(worst.made.value), percent(worst.real.value)
    others = sum(each.faulty for each in result.combinations) - 1
    more = f" {others} more of {len(result.combinations)} combinations miss as much." if others > 0 else ""
    return Finding(
        "missed combinations",
        f"Of samples for {worst.request}, {made} show all of it, where {real} of real images of it do. It is "
        f"{worst.weakest} that falls short most: {percent(worst.weakest_made)} ({percent(worst.weakest_real)}).{more}",
        evidence.trained.against_rare_misses(named),
    )


def _reference(case: Measurement) -> Dataset:
    """The real observations that combinations are compared with."""
    return all_real(case.data) if case.config.folds else held_out_reader(case.judge, case.data).real


def _readers(case: Measurement, chosen: Combinations) -> list[Reader]:
    """The evaluation's judge if held-out data has enough examples of every combination, and else cross-fitted ones."""
    held_out = held_out_reader(case.judge, case.data)
    enough = all(len(rows) >= case.config.combinations for _, rows in chosen.members(held_out.real.condition))
    if enough or not case.config.folds:
        return [held_out]
    shown = {} if case.config.judge_images is None else {"images": case.config.judge_images}
    return cross_fitted(case.data, case.config.folds, **shown)


def _made(case: Measurement, chosen: Combinations) -> Made:
    """The evaluation's samples, and more of combinations of which it has few, under real conditions."""
    there, typical = [rows for _, rows in chosen.members(case.samples.condition)], len(case.samples)
    wanted = max(FEWEST, min(PER, case.config.samples // max(len(chosen.found), 1)))
    asked = _more(chosen, _reference(case).condition, [max(wanted - len(rows), 0) for rows in there], case.config.seed)
    if not sum(map(len, asked)):
        return Made(case.samples, typical, tuple(there))
    condition, start = Condition.cat(asked), case.config.seed + case.config.samples
    added = case.subject.answer(condition, torch.arange(start, start + len(condition)))
    numbers = torch.arange(typical, typical + len(added)).split([len(part) for part in asked])
    rows = tuple(torch.cat(both) for both in zip(there, numbers, strict=True))
    return Made(joined(case.samples, added), typical, rows)


def _more(chosen: Combinations, real: Condition, numbers: Sequence[int], seed: int) -> list[Condition]:
    """So many real conditions of each combination, at random."""
    generator = torch.Generator().manual_seed(seed)
    members = [rows for _, rows in chosen.members(real)]
    drawn = [torch.randint(len(rows), (n,), generator=generator) for rows, n in zip(members, numbers, strict=True)]
    return [real[rows[index]] for rows, index in zip(members, drawn, strict=True)]
