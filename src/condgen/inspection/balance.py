"""The distribution of labels: counts of named values, quartiles and histograms of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.data.dataset import Dataset
from condgen.schema import Attribute

BINS = 20
MOST_SORTED = 1_000_000  # quartiles of more numbers come from a regular sample


@dataclass(frozen=True)
class Balance:
    """An attribute and the distribution of its values in the training part.

    counts: per named value, in the order of their codes. Empty for measured attributes.
    quartiles: of numbers, five from the smallest to the largest.
    histogram: counts of numbers in bins of equal width over the attribute's range.
    """

    name: str
    kind: str
    why: str
    missing: int
    known: int
    counts: Mapping[str, int]
    quartiles: tuple[float, ...]
    histogram: tuple[int, ...]
    low: float | None
    high: float | None
    synonyms: tuple[str, ...]
    aliases: Mapping[str, str]

    @property
    def evenness(self) -> float:
        """The entropy of the named values relative to an even split: 0 for a constant, 1 for an even split."""
        n = torch.tensor(list(self.counts.values()), dtype=torch.float64)
        if len(n) < 2 or not n.sum():
            return 0.0
        return float(torch.special.entr(n / n.sum()).sum() / torch.tensor(len(n), dtype=torch.float64).log())

    def rare(self, share: float) -> dict[str, int]:
        """The values below this share of their number in an even split."""
        return {v: n for v, n in self.counts.items() if n < share * self.known / len(self.counts)}


def balances(data: Dataset, why: Mapping[str, str]) -> tuple[Balance, ...]:
    """Every attribute's balance. why: by name, the reason for its kind."""
    return tuple(_balance(a, data, why.get(a.name, "")) for a in data.schema)


def _balance(a: Attribute, data: Dataset, why: str) -> Balance:
    given = data.condition.given(a.name)
    codes = a.hard(data.condition.values[a.name][given])
    return Balance(
        name=a.name,
        kind=a.kind,
        why=why,
        missing=int((~given).sum()),
        known=len(codes),
        synonyms=a.synonyms,
        aliases=a.aliases,
        **(_spread(codes, *a.limits) if a.limits else _counts(codes, a.choices)),
    )


def _spread(codes: Float[Tensor, " n"], low: float, high: float) -> dict[str, Any]:
    spread = {"quartiles": _quartiles(codes), "histogram": tuple(_histogram(codes, low, high))}
    return {"counts": {}, "low": low, "high": high} | spread


def _counts(codes: Float[Tensor, " n"], choices: Sequence[str]) -> dict[str, Any]:
    counts = dict(zip(choices, _counted(codes, len(choices)), strict=True)) if choices else {}
    return {"counts": counts, "quartiles": (), "histogram": (), "low": None, "high": None}


def _counted(codes: Float[Tensor, " n"], choices: int) -> list[int]:
    return torch.bincount(codes.long(), minlength=choices).tolist()


def _quartiles(codes: Float[Tensor, " n"]) -> tuple[float, ...]:
    if not len(codes):
        return ()
    part = codes[:: -(-len(codes) // MOST_SORTED)].double()
    return tuple(round(q, 6) for q in torch.quantile(part, torch.linspace(0, 1, 5).double()).tolist())


def _histogram(codes: Float[Tensor, " n"], low: float, high: float) -> list[int]:
    return [round(n) for n in torch.histc(codes.clamp(low, high), BINS, low, high).tolist()]
