"""Batches of requests: one array of codes per attribute, and a mask of the attributes that are given."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, Literal

from condgen.arrays import Array, Bool, Device, Float, floats, moved, namespace, pytorch
from condgen.errors import RequestError
from condgen.schema.schema import Schema

MOST_SHOWN = 4  # requests in a line for people


@dataclass(frozen=True, repr=False)
class Condition:
    """A batch of requests: one array of codes per attribute, and a mask of the attributes that are given.

    values: name → codes [batch, *shape of one code], one entry for every attribute of the schema. Codes mean nothing
        where the attribute is not given.
    present: [batch, attribute], false where an attribute is left free.
    """

    schema: Schema
    values: Mapping[str, Float[Array, "batch ..."]]
    present: Bool[Array, "batch attribute"]

    @classmethod
    def free(cls, schema: Schema, batch: int, like: Array | None = None) -> "Condition":
        """`batch` requests that ask for nothing.

        like: an array whose library and device are used. By default they are tensors on the CPU.
        """
        xp, device = (pytorch(), "cpu") if like is None else (namespace(like), like.device)
        zeros = {a.name: xp.zeros((batch, *a.shape), dtype=xp.float32, device=device) for a in schema}
        return cls(schema, zeros, xp.zeros((batch, len(schema)), dtype=xp.bool, device=device))

    @classmethod
    def of(
        cls,
        schema: Schema,
        rows: Iterable[Mapping[str, Any]],
        extrapolate: bool = False,
        like: Array | None = None,
    ) -> "Condition":
        """One request per mapping of names to values. A missing name, or None, leaves the attribute free.

        like: an array whose library is used (see `free`). Raises RequestError for an unknown attribute or value.
        """
        rows = list(rows)
        condition = cls.free(schema, len(rows), like)
        for i, row in enumerate(rows):
            for name, value in row.items():
                attribute = schema[name]
                if value is not None:
                    if condition.present[i, schema.position(name)]:
                        raise RequestError(f"'{attribute.name}' is given twice in {dict(row)}.")
                    codes = condition.values[attribute.name]
                    codes[i] = floats(attribute.parse(value, extrapolate), codes)
                    condition.present[i, schema.position(name)] = True
        return condition

    @classmethod
    def cat(cls, conditions: Sequence["Condition"]) -> "Condition":
        """Several conditions of one schema, concatenated."""
        first = conditions[0]
        xp = namespace(first.present)
        values = {name: xp.concat([c.values[name] for c in conditions]) for name in first.values}
        return cls(first.schema, values, xp.concat([c.present for c in conditions]))

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
    def device(self) -> Device:
        """The device of the arrays."""
        return self.present.device

    @property
    def complete(self) -> bool:
        """Whether no attribute is left free."""
        return bool(self.present.all())

    def to(self, device: Device | str) -> "Condition":
        """The same requests on another device."""
        values = {name: moved(codes, device) for name, codes in self.values.items()}
        return replace(self, values=values, present=moved(self.present, device))

    def hard(self) -> "Condition":
        """The same requests with the most likely values in place of probabilities."""
        return replace(self, values={a.name: a.hard(self.values[a.name]) for a in self.schema})

    def repeat(self, times: int) -> "Condition":
        """Each request repeated `times` times in a row: [batch · times]."""
        xp = namespace(self.present)
        return self[xp.repeat(xp.arange(len(self), device=self.device), times)]

    def given(self, name: str) -> Bool[Array, " batch"]:
        """A mask of the requests in which the attribute is given: [batch]."""
        return self.present[:, self.schema.position(name)]

    def codes(self, name: str) -> Float[Array, "batch ..."]:
        """An attribute's codes, zero where it is not given."""
        name = self.schema[name].name
        codes = self.values[name]
        return namespace(codes).where(mask_for(codes, self.given(name)), codes, 0.0)

    def matrix(self) -> Float[Array, "batch column"]:
        """The codes of all attributes side by side, zero where they are not given."""
        columns = [self.codes(name).reshape(len(self), -1) for name in self.schema.names]
        xp = namespace(self.present)
        nothing = xp.zeros((len(self), 0), dtype=xp.float32, device=self.device)
        return xp.concat([nothing, *columns], axis=1)

    @classmethod
    def of_matrix(
        cls, schema: Schema, codes: Float[Array, "batch column"], present: Bool[Array, "batch attribute"]
    ) -> "Condition":
        """The inverse of `matrix`."""
        xp, ends = namespace(codes), [*accumulate((math.prod(a.shape) for a in schema), initial=0)]
        columns = [codes[:, start:end] for start, end in pairwise(ends)]
        values = {
            a.name: xp.asarray(c.reshape(len(codes), *a.shape), copy=True) for a, c in zip(schema, columns, strict=True)
        }
        return cls(schema, values, present)

    def with_codes(self, name: str, codes: Float[Array, "batch ..."]) -> "Condition":
        """The same requests with this attribute set to these codes."""
        present = self.present | self.columns([name])
        return replace(self, values={**self.values, self.schema[name].name: codes}, present=present)

    def columns(self, names: Iterable[str]) -> Bool[Array, " attribute"]:
        """A mask of these attributes among all."""
        named, xp = {self.schema[name].name for name in names}, namespace(self.present)
        return xp.asarray([name in named for name in self.schema.names], dtype=xp.bool, device=self.device)

    def replaced(self, mask: Bool[Array, " batch"], other: "Condition") -> "Condition":
        """These requests with those under the mask replaced by others, in order."""
        values = {name: _replaced(codes, mask, other.values[name]) for name, codes in self.values.items()}
        return replace(self, values=values, present=_replaced(self.present, mask, other.present))

    def drop(self, mask: Bool[Array, "batch attribute"]) -> "Condition":
        """The same requests with the attributes under the mask left free."""
        return replace(self, present=self.present & ~mask)

    def update(self, other: "Condition") -> "Condition":
        """The attributes given in `other`, and this condition's own for the rest."""
        xp = namespace(self.present)
        values = {
            n: xp.where(mask_for(codes, other.given(n)), other.values[n], codes) for n, codes in self.values.items()
        }
        return replace(self, values=values, present=self.present | other.present)

    def select(self, names: Sequence[str]) -> "Condition":
        """The condition of these attributes alone."""
        schema = self.schema.select(names)
        columns = [self.schema.position(name) for name in schema.names]
        return Condition(schema, {n: self.values[n] for n in schema.names}, self.present[:, columns])

    def about(self, names: Iterable[str]) -> "Condition":
        """The same requests with all other attributes left free."""
        return replace(self, present=self.present & self.columns(names))

    def rows(self) -> list[dict[str, str | None]]:
        """One mapping per request from attribute names to value names, with None for free attributes."""
        return self._texts("format")

    def terms(self) -> list[dict[str, Any]]:
        """One mapping per request that asks for exactly this: names of values, and numbers that are not rounded."""
        columns = {
            a.name: [a.format(code) if a.choices else code for code in self.values[a.name].tolist()]
            for a in self.schema
        }
        return [
            {name: columns[name][i] for name, given in zip(self.schema.names, row, strict=True) if given}
            for i, row in enumerate(self.present.tolist())
        ]

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


def mask_for(codes: Float[Array, "batch ..."], mask: Bool[Array, " batch"]) -> Bool[Array, "batch ..."]:
    """A mask of requests with as many dimensions as the codes, so that the two broadcast."""
    return mask.reshape(-1, *[1] * (codes.ndim - 1))


def _replaced(old: Array, mask: Bool[Array, " batch"], new: Array) -> Array:
    """A copy of an array with other rows under the mask."""
    copy = namespace(old).asarray(old, copy=True)
    copy[mask] = new
    return copy
