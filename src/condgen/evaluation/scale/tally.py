"""Counts of a judge's readings that add up over any number of samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from condgen.evaluation.judge.judge import Reading
from condgen.evaluation.metrics.attribute_obedience import AttributeObedience
from condgen.evaluation.metrics.combinations import MAX_COMBINATIONS, MIN_SAMPLES, Combination, named_codes
from condgen.evaluation.metrics.estimate import Estimate, Z, wilson
from condgen.evaluation.metrics.obedience import Obedience, within
from condgen.schema import Attribute, Condition, LabelDistribution, Schema

MOST = 10_000  # combinations of named values beyond which they are not counted, so that memory is bounded


@dataclass(frozen=True)
class Tally:
    """Counts of samples and of what a judge reads in them.

    named: for each attribute with named values, how often each (row) was read as each (column).
    measured: for each other attribute, the number of readings, the sum of their errors and that of the squares.
    obeyed: number of samples, and of those that show everything that was asked.
    combinations: the same for every combination of named values, by its number.
    """

    named: Mapping[str, Int[Tensor, "value value"]]
    measured: Mapping[str, Tensor]
    obeyed: Int[Tensor, " 2"]
    combinations: Int[Tensor, "combination 2"]

    @classmethod
    def of(cls, read: Reading, asked: Condition, bounds: Mapping[str, float]) -> "Tally":
        """The counts of some samples.

        bounds: the largest distance of each measured attribute that counts as obeyed.
        """
        right = within(read, asked, bounds).all(1)
        schema = read.schema
        return cls(
            {a.name: _confusion(a, read, asked) for a in schema.discrete},
            {a.name: _errors(a, read, asked) for a in schema.measured},
            torch.tensor([len(right), int(right.sum())]),
            _of_combinations(schema, asked, right),
        )

    def merged(self, other: "Tally") -> "Tally":
        """The counts of both."""
        return Tally(
            {name: counts + other.named[name] for name, counts in self.named.items()},
            {name: sums + other.measured[name] for name, sums in self.measured.items()},
            self.obeyed + other.obeyed,
            self.combinations + other.combinations,
        )

    def tensors(self) -> dict[str, Tensor]:
        """The counts as tensors, by name."""
        return {
            **{f"named/{name}": counts for name, counts in self.named.items()},
            **{f"measured/{name}": sums for name, sums in self.measured.items()},
            "obeyed": self.obeyed,
            "combinations": self.combinations,
        }

    @classmethod
    def from_tensors(cls, found: Mapping[str, Tensor]) -> "Tally":
        """The counts that gave these tensors."""
        parts = {
            kind: {name.removeprefix(f"{kind}/"): each for name, each in found.items() if name.startswith(f"{kind}/")}
            for kind in ("named", "measured")
        }
        return cls(parts["named"], parts["measured"], found["obeyed"], found["combinations"])


def _confusion(a: Attribute, read: Reading, asked: Condition) -> Int[Tensor, "value value"]:
    given, width = asked.given(a.name), len(a.choices)
    pairs = asked.values[a.name][given].long() * width + read.condition.values[a.name][given].long()
    return torch.bincount(pairs, minlength=width**2).view(width, width)


def _errors(a: Attribute, read: Reading, asked: Condition) -> Tensor:
    errors = read.errors_of(a.name, asked.values[a.name])[asked.given(a.name)].double()
    return torch.stack([torch.tensor(float(len(errors)), dtype=torch.double), errors.sum(), errors.square().sum()])


def _of_combinations(schema: Schema, asked: Condition, right: Bool[Tensor, " n"]) -> Int[Tensor, "combination 2"]:
    """Samples and obeyed ones by combination. Samples with a free attribute do not count.

    Empty where there are too many combinations.
    """
    sizes = [len(a.choices) for a in schema.discrete]
    many = math.prod(sizes)
    if len(sizes) < 2 or many > MOST:
        return torch.zeros(0, 2, dtype=torch.long)
    codes = named_codes(asked)
    whole = (codes >= 0).all(1)
    numbers = _number(codes[whole], sizes)
    counts = (torch.bincount(some, minlength=many) for some in (numbers, numbers[right[whole]]))
    return torch.stack([*counts], 1)


def _number(codes: Int[Tensor, "n attribute"], sizes: Sequence[int]) -> Int[Tensor, " n"]:
    """The number of each combination, as a number whose digits are its codes."""
    number = torch.zeros(len(codes), dtype=torch.long)
    for column, size in zip(codes.T, sizes, strict=True):
        number = number * size + column
    return number


# ---- obedience by counts


def obedience_of(
    schema: Schema, made: Tally, real: Tally, bounds: Mapping[str, float], trained: LabelDistribution | None = None
) -> Obedience:
    """The obedience of samples by their counts, beside those of held-out real data. See `obedience`."""
    attributes = tuple(_of_attribute(a, made, real, bounds.get(a.name)) for a in schema)
    return Obedience(attributes, _share(made.obeyed), _share(real.obeyed), _combinations(schema, made, trained))


def _share(counts: Int[Tensor, " 2"]) -> Estimate:
    n, hits = counts.tolist()
    return wilson(hits / n if n else math.nan, n)


def _of_attribute(a: Attribute, made: Tally, real: Tally, bound: float | None) -> AttributeObedience:
    asked, held = _score(a, made), _score(a, real)
    ratio = (asked.value, held.value) if a.choices else (held.value, asked.value)
    return AttributeObedience(
        name=a.name,
        kind=a.kind,
        choices=a.choices,
        asked=asked,
        real=held,
        relative=ratio[0] / ratio[1] if ratio[1] else (math.nan if math.isnan(ratio[0]) else 1.0),
        chance=_chance(made.named[a.name]) if a.choices else math.nan,
        confusion=_rows(made, a),
        real_confusion=_rows(real, a),
        tolerance=None if bound is None else a.error_at(bound),
        factor=None if bound is None else a.factor_at(bound),
    )


def _score(a: Attribute, tally: Tally) -> Estimate:
    """The share of values that are read as asked, or the mean error."""
    if a.choices:
        counts = tally.named[a.name]
        return _share(torch.stack([counts.sum(), counts.trace()]))
    n, total, squares = tally.measured[a.name].tolist()
    if not n:
        return Estimate(math.nan, -math.inf, math.inf)
    mean = total / n
    error = Z * math.sqrt(max(squares / n - mean**2, 0.0) / n)
    return Estimate(mean, mean - error, mean + error)


def _chance(counts: Int[Tensor, "value value"]) -> float:
    """The share that would be right if readings were independent of requests."""
    p = counts.double() / max(int(counts.sum()), 1)
    return float(p.sum(1) @ p.sum(0))


def _rows(tally: Tally, a: Attribute) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, tally.named[a.name].tolist())) if a.choices else ()


def _combinations(schema: Schema, made: Tally, trained: LabelDistribution | None) -> tuple[Combination, ...]:
    """The combinations with enough samples, the least obeyed first."""
    named = schema.discrete
    sizes = [len(a.choices) for a in named]
    known = set(_number(named_codes(trained.rows), sizes).tolist()) if trained and len(made.combinations) else None
    found = []
    for number in (made.combinations[:, 0] >= MIN_SAMPLES).nonzero()[:, 0].tolist():
        text = ", ".join(f"{a.name}={a.show(code)}" for a, code in zip(named, _codes(number, sizes), strict=True))
        counts = made.combinations[number]
        found.append(Combination(text, known is None or number in known, _share(counts), int(counts[0])))
    return tuple(sorted(found, key=lambda c: c.obeyed.value)[:MAX_COMBINATIONS])


def _codes(number: int, sizes: Sequence[int]) -> list[int]:
    """The codes of a combination, by its number."""
    codes = list[int]()
    for size in reversed(sizes):
        number, code = divmod(number, size)
        codes.append(code)
    return codes[::-1]
