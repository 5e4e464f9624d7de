"""Batches of requests: one tensor of codes per attribute, and a mask of the attributes that are given."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from condgen.errors import RequestError
from condgen.schema.schema import Schema

MOST_SHOWN = 4  # requests in a line for people


@dataclass(frozen=True, repr=False)
class Condition:
    """A batch of requests: one tensor of codes per attribute, and a mask of the attributes that are given.

    values: name → codes [batch, *shape of one code], one entry for every attribute of the schema. Codes mean nothing
        where the attribute is not given.
    present: [batch, attribute], false where an attribute is left free.
    """

    schema: Schema
    values: Mapping[str, Float[Tensor, "batch ..."]]
    present: Bool[Tensor, "batch attribute"]

    @classmethod
    def free(cls, schema: Schema, batch: int) -> "Condition":
        """`batch` requests that ask for nothing."""
        zeros = {a.name: torch.zeros(batch, *a.shape) for a in schema}
        return cls(schema, zeros, torch.zeros(batch, len(schema), dtype=torch.bool))

    @classmethod
    def of(cls, schema: Schema, rows: Iterable[Mapping[str, Any]], extrapolate: bool = False) -> "Condition":
        """One request per mapping of names to values. A missing name, or None, leaves the attribute free.

        Raises RequestError for an unknown attribute or value.
        """
        rows = list(rows)
        condition = cls.free(schema, len(rows))
        for i, row in enumerate(rows):
            for name, value in row.items():
                attribute = schema[name]
                if value is not None:
                    if condition.present[i, schema.position(name)]:
                        raise RequestError(f"'{attribute.name}' is given twice in {dict(row)}.")
                    condition.values[attribute.name][i] = torch.tensor(attribute.parse(value, extrapolate))
                    condition.present[i, schema.position(name)] = True
        return condition

    @classmethod
    def cat(cls, conditions: Sequence["Condition"]) -> "Condition":
        """Several conditions of one schema, concatenated."""
        first = conditions[0]
        values = {name: torch.cat([c.values[name] for c in conditions]) for name in first.values}
        return cls(first.schema, values, torch.cat([c.present for c in conditions]))

    def __len__(self) -> int:
        return len(self.present)

    def __repr__(self) -> str:
        first = "; ".join(self[:MOST_SHOWN].describe())
        return f"{len(self):,} condition{'s' * (len(self) != 1)}\n  {first}{' …' * (len(self) > MOST_SHOWN)}"

    def __getitem__(self, index: Any) -> "Condition":
        """The requests at an index tensor, slice or boolean mask. A single integer is not allowed, since a condition is
        a batch.
        """
        values = {name: codes[index] for name, codes in self.values.items()}
        return replace(self, values=values, present=self.present[index])

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return self.present.device

    @property
    def complete(self) -> bool:
        """Whether no attribute is left free."""
        return bool(self.present.all())

    def to(self, device: torch.device | str) -> "Condition":
        """The same requests on another device."""
        values = {name: codes.to(device, non_blocking=True) for name, codes in self.values.items()}
        return replace(self, values=values, present=self.present.to(device, non_blocking=True))

    def hard(self) -> "Condition":
        """The same requests with the most likely values in place of probabilities."""
        return replace(self, values={a.name: a.hard(self.values[a.name]) for a in self.schema})

    def repeat(self, times: int) -> "Condition":
        """Each request repeated `times` times in a row: [batch · times]."""
        return self[torch.arange(len(self), device=self.device).repeat_interleave(times)]

    def given(self, name: str) -> Bool[Tensor, " batch"]:
        """A mask of the requests in which the attribute is given: [batch]."""
        return self.present[:, self.schema.position(name)]

    def codes(self, name: str) -> Float[Tensor, "batch ..."]:
        """An attribute's codes, zero where it is not given."""
        name = self.schema[name].name
        return torch.where(mask_for(self.values[name], self.given(name)), self.values[name], 0.0)

    def matrix(self) -> Float[Tensor, "batch column"]:
        """The codes of all attributes side by side, zero where they are not given."""
        columns = [self.codes(name).reshape(len(self), -1) for name in self.schema.names]
        return torch.cat(columns, 1) if columns else torch.zeros(len(self), 0, device=self.device)

    @classmethod
    def of_matrix(
        cls, schema: Schema, codes: Float[Tensor, "batch column"], present: Bool[Tensor, "batch attribute"]
    ) -> "Condition":
        """The inverse of `matrix`."""
        columns = codes.split([math.prod(a.shape) for a in schema], dim=1)
        values = {a.name: c.reshape(len(codes), *a.shape).clone() for a, c in zip(schema, columns, strict=True)}
        return cls(schema, values, present)

    def with_codes(self, name: str, codes: Float[Tensor, "batch ..."]) -> "Condition":
        """The same requests with this attribute set to these codes."""
        present = self.present.clone()
        present[:, self.schema.position(name)] = True
        return replace(self, values={**self.values, self.schema[name].name: codes}, present=present)

    def drop(self, mask: Bool[Tensor, "batch attribute"]) -> "Condition":
        """The same requests with the attributes under the mask left free."""
        return replace(self, present=self.present & ~mask)

    def dropout(self, chance: float) -> "Condition":
        """The same requests with each attribute of each sample left free with this probability, independently."""
        return self.drop(torch.rand_like(self.present, dtype=torch.float) < chance)

    def update(self, other: "Condition") -> "Condition":
        """The attributes given in `other`, and this condition's own for the rest."""
        values = {
            n: torch.where(mask_for(codes, other.given(n)), other.values[n], codes) for n, codes in self.values.items()
        }
        return replace(self, values=values, present=self.present | other.present)

    def select(self, names: Sequence[str]) -> "Condition":
        """The condition of these attributes alone."""
        schema = self.schema.select(names)
        columns = [self.schema.position(name) for name in schema.names]
        return Condition(schema, {n: self.values[n] for n in schema.names}, self.present[:, columns])

    def about(self, names: Iterable[str]) -> "Condition":
        """The same requests with all other attributes left free."""
        named = set(names)
        others = torch.tensor([name not in named for name in self.schema.names], device=self.present.device)
        return self.drop(others.expand_as(self.present))

    def rows(self) -> list[dict[str, str | None]]:
        """One mapping per request from attribute names to value names, with None for free attributes."""
        return self._texts("format")

    def _texts(self, how: Literal["format", "show"]) -> list[dict[str, str | None]]:
        columns = {a.name: self.values[a.name].tolist() for a in self.schema}
        present = self.present.tolist()
        return [
            {a.name: getattr(a, how)(columns[a.name][i]) if present[i][k] else None for k, a in enumerate(self.schema)}
            for i in range(len(self))
        ]

    def describe(self) -> list[str]:
        """One short text per request, such as `digit=7` or `anything`."""
        return [
            ", ".join(f"{n}={v}" for n, v in row.items() if v is not None) or "anything" for row in self._texts("show")
        ]


def mask_for(codes: Float[Tensor, "batch ..."], mask: Bool[Tensor, " batch"]) -> Bool[Tensor, "batch ..."]:
    """A mask of requests with as many dimensions as the codes, so that the two broadcast."""
    return mask.reshape(-1, *[1] * (codes.dim() - 1))
