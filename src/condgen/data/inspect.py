"""What condgen understood of a dataset: schema, counts, balance, and what looks wrong."""

import hashlib
from typing import Any

import torch

from condgen.data.dataset import Dataset, Splits
from condgen.schema import Attribute, Continuous

RARE = 0.2  # a value is called rare below this share of an even split
NEAR_CONSTANT = 0.99


def summary(splits: Splits) -> dict[str, Any]:
    """Everything `condgen inspect` shows, as plain data: source, shape, sizes, attributes, problems, notes."""
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    attributes = [_attribute(a, splits.train) for a in splits.schema]
    return {
        "source": splits.source,
        "shape": list(splits.shape),
        "examples": {name: len(part) for name, part in parts.items()},
        "attributes": attributes,
        "combinations": _combinations(splits.train),
        "problems": [*_problems(splits.train, attributes), *_duplicates(splits.train)],
        "notes": list(splits.notes),
        "schema": splits.schema.model_dump(mode="json"),
    }


def _attribute(a: Attribute, data: Dataset) -> dict[str, Any]:
    given = data.condition.given(a.name)
    codes = data.condition.values[a.name][given]
    found: dict[str, Any] = {"name": a.name, "kind": a.kind, "missing": int((~given).sum())}
    if isinstance(a, Continuous):
        quantiles = (
            torch.quantile(codes[:1_000_000], torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])) if len(codes) else codes
        )
        return found | {"low": a.low, "high": a.high, "quartiles": [round(q, 6) for q in quantiles.tolist()]}
    counts = torch.bincount(codes.long(), minlength=len(a.choices)).tolist()
    return found | {"counts": dict(zip(a.choices, counts, strict=True))}


def _combinations(data: Dataset) -> dict[str, int]:
    """How many combinations of named values could exist, and how many do."""
    named = [a for a in data.schema if not isinstance(a, Continuous)]
    if not named:
        return {"possible": 0, "present": 0}
    codes = torch.stack([data.condition.values[a.name] for a in named], dim=1)
    complete = torch.stack([data.condition.given(a.name) for a in named], dim=1).all(1)
    possible = 1
    for a in named:
        possible *= len(a.choices)
    return {"possible": possible, "present": len(codes[complete].unique(dim=0))}


def _problems(data: Dataset, attributes: list[dict[str, Any]]) -> list[str]:
    found = []
    for a in attributes:
        if a["missing"]:
            found.append(f"{a['name']}: {a['missing']:,} of {len(data):,} labels are missing; they train as free.")
        counts: dict[str, int] = a.get("counts", {})
        total = sum(counts.values())
        if total and max(counts.values()) > NEAR_CONSTANT * total:
            found.append(f"{a['name']} is nearly constant: '{max(counts, key=lambda v: counts[v])}' in over 99 %.")
        rare = [f"{value} ({n:,})" for value, n in counts.items() if n < RARE * total / len(counts)]
        if rare:
            shown = ", ".join(rare[:8]) + (f" and {len(rare) - 8} more" if len(rare) > 8 else "")
            found.append(f"{a['name']} has rare values, which a model learns less well: {shown}.")
    return found


def _duplicates(data: Dataset) -> list[str]:
    """How many training images are copies of others."""
    distinct = len({hashlib.blake2b(row.numpy().tobytes(), digest_size=16).digest() for row in data.x})
    copies = len(data) - distinct
    return [f"{copies:,} of {len(data):,} training examples are exact copies of others."] if copies else []
