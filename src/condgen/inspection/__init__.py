"""Inspection of a dataset before training: `inspect(source)`.

Labels are counted in full, pictures by their headers, and only a sample of them is decoded. A million rows take
seconds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condgen.data.dataset import Dataset, Splits
from condgen.data.sources import given_schema
from condgen.data.storage.images import Fit, too_small
from condgen.inspection.advice import advice, options, problems, unusable
from condgen.inspection.association import Association, CoOccurrence, Pair, co_occurrence
from condgen.inspection.balance import Balance, balances
from condgen.inspection.columns import Column, describe_columns
from condgen.inspection.material import Header, Material, material, shape_of
from condgen.inspection.scan import Duplicates, Scan, Unreadable, scan
from condgen.messages import Expression
from condgen.recommendation import Recommendation, recommend, timed
from condgen.schema import LabelDistribution, Schema

__all__ = [
    "Association",
    "Balance",
    "CoOccurrence",
    "Column",
    "Duplicates",
    "Header",
    "Inspection",
    "Material",
    "Pair",
    "Scan",
    "Unreadable",
    "inspect",
    "material",
]

MOST_POSSIBLE = 100_000  # of more possible combinations, the number that occurs says nothing
MOST_LISTED = 100  # largest number of associations, pairs, unreadable files or groups of copies in the JSON
DATA = "data"  # the name that advice gives to data in memory


@dataclass(frozen=True)
class Inspection:
    """Everything that `condgen inspect` shows. Counts are of the training part. Duplicates are searched in all parts.

    shape: of an observation in training.
    problems: faults of the data, the most important first.
    advice: next steps, the most useful first.
    recommendation: model, size and images for this data. None if nothing can be read.
    """

    material: Material
    shape: tuple[int, ...]
    attributes: tuple[Balance, ...]
    columns: tuple[Column, ...]
    together: CoOccurrence
    scan: Scan
    problems: tuple[str, ...]
    advice: tuple[str, ...]
    notes: tuple[str, ...]
    recommendation: Recommendation | None

    @property
    def to_do(self) -> list[str]:
        """The advice, with the recommendation after the command that trains it."""
        advised = [f"Recommended: {self.recommendation.sentence}"] if self.recommendation else []
        return [*self.advice[:1], *advised, *self.advice[1:]]

    @property
    def combinations(self) -> str:
        """A sentence on the combinations of named values that occur. Empty if the possible ones are too many."""
        present, possible = self.together.present, self.together.possible
        if not 0 < possible <= MOST_POSSIBLE:
            return ""
        return f"{present:,} of {possible:,} combinations of named values occur."

    @property
    def remarks(self) -> list[str]:
        """The notes, without those on columns that were left out, which `columns` lists."""
        left_out = {c.name for c in self.columns if not c.used}
        return [note for note in self.notes if not any(f"'{name}'" in note for name in left_out)]

    def timed(self) -> "Inspection":
        """The same with the expected time of the recommendation, measured on this machine in a few seconds."""
        if self.recommendation is None:
            return self
        advised = timed(self.recommendation, self.schema, self.material.rows.train.condition)
        return replace(self, recommendation=advised)

    @property
    def schema(self) -> Schema:
        """The schema in use."""
        return self.material.schema

    @property
    def examples(self) -> dict[str, int]:
        """The number of rows in each split."""
        return {name: len(part) for name, part in self.material.parts.items()}

    def as_dict(self) -> dict[str, Any]:
        """The inspection as plain data, for JSON."""
        return {
            "source": self.material.source,
            "shape": list(self.shape),
            "examples": self.examples,
            "attributes": [_balance_entry(b) for b in self.attributes],
            "columns": [vars(c) for c in self.columns],
            "combinations": {"possible": self.together.possible, "present": self.together.present},
            "associations": [_association(a) for a in self.together.associations[:MOST_LISTED]],
            "absent_pairs": [vars(p) for p in self.together.absent[:MOST_LISTED]],
            "rare_pairs": [vars(p) for p in self.together.rare[:MOST_LISTED]],
            "pictures": _pictures(self.scan),
            "problems": list(self.problems),
            "advice": list(self.advice),
            "notes": list(self.notes),
            "recommendation": self.recommendation and self.recommendation.as_dict(),
            "schema": self.schema.model_dump(mode="json"),
        }


def inspect(
    source: str | Splits,
    *,
    attributes: Sequence[str] | None = None,
    size: int | None = None,
    schema: Schema | str | Path | None = None,
    data_dir: str | Path | None = None,
    resize: str = "crop",
    held: str = DATA,
) -> Inspection:
    """The inspection of a dataset: a built-in name, a path, or splits in memory.

    attributes, size, schema, data_dir, resize: as for `load`.
    held: the expression that loads splits in memory with these attributes, for advice.

    Raises DataError and RequestError as `load` does, except that unreadable images are listed instead.
    """
    found = material(source, attributes, size, given_schema(schema), data_dir)
    seen = scan(found)
    shape, resized = shape_of(seen.headers, found.content, size, resize)
    small = _small(seen, shape, resize)
    train = found.rows.train
    columns = describe_columns(found.columns, found.schema, found.notes, found.given)
    balance = balances(train, {c.name: c.why for c in columns})
    together = co_occurrence(train.condition)
    crowding = LabelDistribution.of(train.condition).crowding()
    doubtful = {c.name for c in columns if c.suspicious or c.groups}
    unlabelled = int((~train.labelled).sum()) if len(found.schema) else 0
    share = unusable(seen, sum(small.values()))
    known, sized = all(shape) and len(train), size is not None
    advised = recommend(shape, len(train), found.schema, _labelled(train), chosen=sized) if known else None
    schema_file = None if isinstance(schema, Schema) else schema
    whole = attributes is None or held != DATA
    address = source if isinstance(source, str) else Expression(held)
    needed = options(shape, bool(resized) or size is not None, resize, schema_file, data_dir, share)
    if advised and advised.size:
        needed |= {"size": advised.size}
    fit = [b for b in balance if b.name not in doubtful]
    return Inspection(
        material=found,
        shape=shape,
        attributes=balance,
        columns=columns,
        together=together,
        scan=seen,
        problems=tuple(
            problems(balance, columns, seen, len(train), found.separate, small, shape, crowding, unlabelled)
        ),
        advice=tuple(advice(address, needed, fit, together, attributes, len(balance) if whole else 0, share)),
        notes=(*found.notes, *resized, *found.content.remarks),
        recommendation=advised,
    )


def _labelled(part: Dataset) -> float:
    return float(part.labelled.float().mean())


def _small(seen: Scan, shape: tuple[int, ...], resize: str) -> Counter[tuple[int, int]]:
    """The sizes of pictures that are too small for the training shape, and the number of each."""
    if not seen.headers:
        return Counter()
    fit = Fit("RGB", shape[2], shape[1], resize)
    return Counter(h.size for h in seen.headers if too_small(h.size, fit))


def _balance_entry(b: Balance) -> dict[str, Any]:
    """The facts that apply to the attribute's kind."""
    always = {"name": b.name, "kind": b.kind, "why": b.why, "missing": b.missing}
    words = {"synonyms": list(b.synonyms), "aliases": dict(b.aliases)}
    if not b.counts:
        spread = {"low": b.low, "high": b.high, "quartiles": list(b.quartiles), "histogram": list(b.histogram)}
        return always | words | spread
    return always | words | {"counts": dict(b.counts), "evenness": round(b.evenness, 4)}


def _association(a: Association) -> dict[str, Any]:
    return vars(a) | {"strength": round(a.strength, 4), "table": [list(row) for row in a.table]}


def _pictures(found: Scan) -> dict[str, Any]:
    duplicates = {
        name: vars(each) | {"groups": [list(g) for g in each.groups[:MOST_LISTED]]}
        for name, each in (("exact_copies", found.exact), ("near_copies", found.near))
    }
    return {
        "looked_at": found.looked_at,
        "decoded": found.decoded,
        "sizes": dict(list(found.sizes.items())[:MOST_LISTED]),
        "modes": dict(found.modes),
        "unreadable": [vars(each) for each in found.unreadable[:MOST_LISTED]],
        "unreadable_count": len(found.unreadable),
        **duplicates,
    }
