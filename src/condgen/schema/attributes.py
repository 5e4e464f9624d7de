"""Kinds of attributes: what each can be asked for, and how it is encoded."""

import math
import re
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from condgen.errors import RequestError, unknown

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
