"""What can be asked for: typed attributes, the schema that orders them, and batches of requests.

An attribute stores every value as a number, its *code*: the index of a category, 0 or 1 for a flag, the number itself
for a continuous attribute. People only ever see names.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Bool, Float, Shaped
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from condgen.errors import DataError, RequestError, unknown

FORBIDDEN = set("=!,;|\n\r")
_YES, _NO = (
    {"1", "1.0", "yes", "true", "y", "on", "with"},
    {"0", "0.0", "-1", "-1.0", "no", "false", "n", "off", "without"},
)


_BETWEEN_WORDS = re.compile(r"_|(?<=\w)-|-(?!\d)")  # but the minus of -1 is no hyphen


def fold(text: object) -> str:
    """The form in which names and values are compared: case, underscores, hyphens and spaces do not matter."""
    return " ".join(_BETWEEN_WORDS.sub(" ", str(text).casefold()).split()) or str(text)


class _Attribute(BaseModel):
    """One thing that can be asked for. Immutable; two attributes are equal when all their fields are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    synonyms: tuple[str, ...] = ()  # other names of the attribute, as in `glasses=yes` for `Eyeglasses`
    aliases: dict[str, str] = {}  # other words for its values, as in {"crimson": "red", "warm": "red|orange"}
    # Augmentations that would change its value; left out of the JSON where there are none.
    unsafe: tuple[Literal["flip", "shift"], ...] = Field(default=(), exclude_if=lambda names: not names)

    @model_validator(mode="after")
    def _name_can_be_requested(self) -> "_Attribute":
        if bad := FORBIDDEN & set(self.name):
            raise ValueError(f"the attribute name '{self.name}' contains {sorted(bad)}, which requests use; rename it")
        return self

    @model_validator(mode="after")
    def _aliases_name_values(self) -> "_Attribute":
        for word in self.aliases:
            self._must_name_values(word)
        return self

    def _must_name_values(self, alias: str) -> None:
        """Raises RequestError where an alias stands for nothing that can be asked for."""
        raise NotImplementedError

    def parse(self, value: object, extrapolate: bool = False) -> float:
        """The code of a person's value."""
        raise NotImplementedError

    def _unalias(self, value: object) -> object:
        aliases = {fold(k): v for k, v in self.aliases.items()}
        return aliases.get(fold(value), value)


class _Discrete(_Attribute):
    """An attribute with a list of choices."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, in the order of their codes."""
        raise NotImplementedError

    def codes(self, value: object) -> tuple[int, ...]:
        """The codes of a person's value, of several joined by |, or of an alias of either.

        Raises RequestError with the nearest valid values.
        """
        value = self._unalias(value)
        several = value.split("|") if isinstance(value, str) and value not in self.choices else [value]
        parsed = (int(self.parse(v.strip() if isinstance(v, str) else v)) for v in several)
        return tuple(dict.fromkeys(parsed))

    def _must_name_values(self, alias: str) -> None:
        self.codes(alias)


class Categorical(_Discrete):
    """One of several named values. Codes are indices into `values`; the plain encoding is one-hot."""

    kind: Literal["categorical"] = "categorical"
    values: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _values_differ(self) -> "Categorical":
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"the attribute '{self.name}' lists the same value twice")
        return self

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {fold(v): i for i, v in reversed(list(enumerate(self.values)))} | {
            v: i for i, v in enumerate(self.values)
        }

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, in the order of their codes."""
        return self.values

    @property
    def width(self) -> int:
        """Columns of the plain encoding."""
        return len(self.values)

    @property
    def rms(self) -> float:
        """Root mean square of the plain encoding's numbers: one in `width` numbers is 1."""
        return self.width**-0.5

    def parse(self, value: object, extrapolate: bool = False) -> float:
        """The code of a person's value (a name or an alias). Raises RequestError with the nearest valid values."""
        value = self._unalias(value)
        for spelling in (str(value), fold(value), _plain_number(value)):
            if spelling in self._codes:
                return float(self._codes[spelling])
        if len(parts := str(value).split("|")) > 1 and all(fold(p) in self._codes for p in parts):
            raise RequestError(f"'{value}' are several values of '{self.name}'; one is needed here.")
        raise unknown(f"value for '{self.name}':", value, (*self.values, *self.aliases))

    def format(self, code: int | float) -> str:
        """The name of the value with this code."""
        return self.values[int(code)]

    def encode(self, codes: Shaped[Tensor, " batch"]) -> Float[Tensor, "batch width"]:
        """One-hot."""
        return torch.nn.functional.one_hot(codes.long(), len(self.values)).float()


class Flag(_Discrete):
    """Yes or no. Codes are 1 and 0; the plain encoding is +1 and −1.

    Training data may hold probabilities of yes between them (soft labels); requests and evaluation do not.
    """

    kind: Literal["flag"] = "flag"

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, in the order of their codes."""
        return ("no", "yes")

    @property
    def width(self) -> int:
        """Columns of the plain encoding."""
        return 1

    @property
    def rms(self) -> float:
        """Root mean square of the plain encoding's numbers: ±1."""
        return 1.0

    def parse(self, value: object, extrapolate: bool = False) -> float:
        """The code of a person's value: yes/no, true/false, 1/0, −1. Raises RequestError for anything else."""
        word = fold(self._unalias(value))
        if word in _YES:
            return 1.0
        if word in _NO:
            return 0.0
        raise unknown(f"value for '{self.name}':", value, ["yes", "no", *self.aliases])

    def probability(self, value: object) -> float:
        """The probability of yes that a label stands for: 1 or 0, or a number between. Raises RequestError."""
        try:
            number = float(str(value))
        except ValueError:
            return self.parse(value)
        return number if 0 < number < 1 else self.parse(value)

    def format(self, code: int | float) -> str:
        """'yes' or 'no'."""
        return "yes" if code > 0.5 else "no"

    def encode(self, codes: Shaped[Tensor, " batch"]) -> Float[Tensor, "batch width"]:
        """+1 for yes, −1 for no; 2p − 1 for a probability p of yes, which is the encoding's mean."""
        return codes.float()[:, None] * 2 - 1


class Continuous(_Attribute):
    """A number in the range [low, high] that the data covers. The plain encoding maps the range to [−1, 1].

    An alias stands for a number or a range: {"teenager": "13..19"}.
    """

    kind: Literal["continuous"] = "continuous"
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _range_is_a_range(self) -> "Continuous":
        if not self.low < self.high:
            raise ValueError(f"the range of '{self.name}' is empty: low {self.low} must be below high {self.high}")
        return self

    @property
    def width(self) -> int:
        """Columns of the plain encoding."""
        return 1

    @property
    def rms(self) -> float:
        """Root mean square of the plain encoding's numbers: that of a uniform value."""
        return 3**-0.5

    def ends(self, value: object) -> list[object]:
        """The ends of a person's range `low..high`, or of an alias of one, still as they were given; any number."""
        value = self._unalias(value)
        if isinstance(value, str):
            return [v.strip() for v in value.split("..")]
        return list(value) if isinstance(value, list | tuple) else [value]

    def _must_name_values(self, alias: str) -> None:
        low, *high = [self.parse(end, extrapolate=True) for end in self.ends(alias)]
        if len(high) > 1 or any(h < low for h in high):
            raise RequestError(f"the alias '{alias}' of '{self.name}' stands for no number and no range low..high")

    def parse(self, value: object, extrapolate: bool = False) -> float:
        """The number itself. Raises RequestError when it is none, or out of range and extrapolate is false."""
        try:
            number = float(str(self._unalias(value)))
        except ValueError:
            raise RequestError(
                f"'{value}' is not a number; '{self.name}' takes {self.low:g} to {self.high:g}."
            ) from None
        rounding = 5e-6 * max(abs(self.low), abs(self.high))  # a formatted bound is still within the range
        inside = self.low - rounding <= number <= self.high + rounding
        if not math.isfinite(number) or not (inside or extrapolate):
            raise RequestError(
                f"{self.name}={value} is out of range: the training data covers {self.low:g} to {self.high:g}. "
                "Ask within the range, or allow extrapolation (--extrapolate, extrapolate=True)."
            )
        return number if extrapolate else min(max(number, self.low), self.high)

    def format(self, code: int | float) -> str:
        """The number with up to six significant digits."""
        return f"{code:.6g}"

    def encode(self, codes: Shaped[Tensor, " batch"]) -> Float[Tensor, "batch width"]:
        """The range mapped linearly to [−1, 1]."""
        return ((codes.float() - self.low) / (self.high - self.low))[:, None] * 2 - 1


Attribute = Categorical | Flag | Continuous


def _plain_number(value: object) -> str:
    """5.0 and 5 name the same category: tables often turn a column of integers with gaps into floats."""
    try:
        number = float(str(value))
    except ValueError:
        return str(value)
    return str(int(number)) if number.is_integer() else str(value)


class Schema(BaseModel):
    """The ordered, named attributes of a dataset: what can be asked for.

    Saved as JSON with every model and beside every sample, and editable there. An empty schema is valid and means that
    nothing can be asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: tuple[Annotated[Attribute, Field(discriminator="kind")], ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> "Schema":
        seen: set[str] = set()
        for name in (n for a in self.attributes for n in (a.name, *a.synonyms)):
            if fold(name) in seen:
                raise ValueError(f"two attributes are called '{name}'")
            seen.add(fold(name))
        return self

    def __iter__(self) -> Iterator[Attribute]:  # type: ignore[override]  # a schema is a sequence of its attributes
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)

    def __getitem__(self, name: str) -> Attribute:
        """The attribute of that name or synonym. Raises RequestError with the nearest valid names."""
        for attribute in self.attributes:
            if fold(name) in map(fold, (attribute.name, *attribute.synonyms)):
                return attribute
        raise unknown("attribute", name, self.names)

    @property
    def names(self) -> list[str]:
        """Attribute names in order."""
        return [a.name for a in self.attributes]

    def position(self, name: str) -> int:
        """The column of an attribute in a presence mask."""
        return self.names.index(self[name].name)

    def select(self, names: Sequence[str]) -> "Schema":
        """The schema of only these attributes, in this order. Raises RequestError for an unknown or repeated one."""
        chosen = [self[name].name for name in names]
        for name in chosen:
            if chosen.count(name) > 1:
                raise RequestError(f"The attribute '{name}' is named twice in {', '.join(names)}.")
        return Schema(attributes=tuple(self[name] for name in chosen))

    def dumps(self) -> str:
        """The schema as indented JSON."""
        return self.model_dump_json(indent=2)

    @classmethod
    def loads(cls, text: str, source: str = "schema") -> "Schema":
        """The schema in a JSON text. Raises DataError that names the source, the field and what is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise DataError(
                f"{source} is not a valid schema: {first['msg'].removeprefix('Value error, ')} (at {where})."
            ) from None

    @classmethod
    def load(cls, path: Path) -> "Schema":
        """The schema in a JSON file. Raises DataError."""
        try:
            return cls.loads(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise DataError(f"The schema {path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise DataError(f"The schema {path} is not UTF-8 text; save it as UTF-8.") from None


@dataclass(frozen=True)
class Condition:
    """A batch of requests: one tensor of codes per attribute and a mask of which are given.

    values:  name → codes [batch], one entry for every attribute of the schema; where absent, the code means nothing.
    present: [batch, attribute], false where an attribute is left free.
    """

    schema: Schema
    values: Mapping[str, Float[Tensor, " batch"]]
    present: Bool[Tensor, "batch attribute"]

    @classmethod
    def free(cls, schema: Schema, batch: int) -> "Condition":
        """`batch` requests that ask for nothing."""
        zeros = {name: torch.zeros(batch) for name in schema.names}
        return cls(schema, zeros, torch.zeros(batch, len(schema), dtype=torch.bool))

    @classmethod
    def of(cls, schema: Schema, rows: Iterable[Mapping[str, Any]], extrapolate: bool = False) -> "Condition":
        """One request per mapping of names to values; a missing name, or None, leaves the attribute free.

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
                    condition.values[attribute.name][i] = attribute.parse(value, extrapolate)
                    condition.present[i, schema.position(name)] = True
        return condition

    @classmethod
    def cat(cls, conditions: Sequence["Condition"]) -> "Condition":
        """Conditions of one schema, one after the other."""
        first = conditions[0]
        values = {name: torch.cat([c.values[name] for c in conditions]) for name in first.values}
        return cls(first.schema, values, torch.cat([c.present for c in conditions]))

    def __len__(self) -> int:
        return len(self.present)

    def __getitem__(self, index: Any) -> "Condition":
        """The requests at an index tensor, slice or boolean mask (never a single integer: a condition is a batch)."""
        values = {name: codes[index] for name, codes in self.values.items()}
        return replace(self, values=values, present=self.present[index])

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
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
        """The same, with the likelier of yes and no in place of probabilities."""
        flags = {a.name: (self.values[a.name] > 0.5).float() for a in self.schema if isinstance(a, Flag)}
        return replace(self, values={**self.values, **flags})

    def repeat(self, times: int) -> "Condition":
        """Each request `times` times in a row: [batch · times]."""
        return self[torch.arange(len(self), device=self.device).repeat_interleave(times)]

    def given(self, name: str) -> Bool[Tensor, " batch"]:
        """Where an attribute is given."""
        return self.present[:, self.schema.position(name)]

    def with_codes(self, name: str, codes: Float[Tensor, " batch"]) -> "Condition":
        """The same requests, but this attribute is given with these codes."""
        present = self.present.clone()
        present[:, self.schema.position(name)] = True
        return replace(self, values={**self.values, self.schema[name].name: codes}, present=present)

    def drop(self, mask: Bool[Tensor, "batch attribute"]) -> "Condition":
        """The same requests with the attributes under the mask left free."""
        return replace(self, present=self.present & ~mask)

    def dropout(self, chance: float) -> "Condition":
        """The same requests with each attribute of each sample left free with this chance, independently."""
        return self.drop(torch.rand_like(self.present, dtype=torch.float) < chance)

    def update(self, other: "Condition") -> "Condition":
        """What `other` asks for, and for the rest what this asks for."""
        values = {n: torch.where(other.given(n), other.values[n], codes) for n, codes in self.values.items()}
        return replace(self, values=values, present=self.present | other.present)

    def select(self, names: Sequence[str]) -> "Condition":
        """Only these attributes."""
        schema = self.schema.select(names)
        columns = [self.schema.position(name) for name in schema.names]
        return Condition(schema, {n: self.values[n] for n in schema.names}, self.present[:, columns])

    def about(self, names: Iterable[str]) -> "Condition":
        """The same requests, in which all other attributes are free."""
        named = set(names)
        others = torch.tensor([name not in named for name in self.schema.names], device=self.present.device)
        return self.drop(others.expand_as(self.present))

    def rows(self) -> list[dict[str, str | None]]:
        """One mapping per request from attribute names to value names; None where free."""
        columns = {a.name: self.values[a.name].tolist() for a in self.schema}
        present = self.present.tolist()
        return [
            {a.name: a.format(columns[a.name][i]) if present[i][k] else None for k, a in enumerate(self.schema)}
            for i in range(len(self))
        ]

    def describe(self) -> list[str]:
        """One short text per request, such as `digit=7` or `anything`."""
        return [", ".join(f"{n}={v}" for n, v in row.items() if v is not None) or "anything" for row in self.rows()]
