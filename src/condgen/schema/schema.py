"""The schema of a dataset: its attributes, in order.

An attribute stores every value as a number, its *code*: the index of a category, 0 or 1 for a flag, the number itself
for a continuous attribute, a row of numbers for a vector. People only see names.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from condgen.errors import DataError, RequestError, unknown
from condgen.schema.attributes import Attribute, fold
from condgen.schema.kinds import AnyAttribute

MOST = 10_000  # attributes
MOST_SHOWN = 8  # attributes in a line for people


class Schema(BaseModel):
    """The ordered, named attributes of a dataset: everything that can be asked for.

    It is saved as JSON with every model and beside every sample, and can be edited there. An empty schema is valid:
    nothing can be asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: tuple[Annotated[AnyAttribute, Field(discriminator="kind")], ...] = Field(default=(), max_length=MOST)

    @model_validator(mode="after")
    def _names_differ(self) -> "Schema":
        seen: set[str] = set()
        for name in (n for a in self.attributes for n in a.names):
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
        return self.attributes[self.position(name)]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {fold(name): i for i, a in enumerate(self.attributes) for name in a.names}

    @property
    def names(self) -> list[str]:
        """Attribute names in order."""
        return [a.name for a in self.attributes]

    @property
    def example(self) -> str:
        """A request of each attribute, the first ones of many, for people."""
        more = f"; and {len(self) - MOST_SHOWN} more" if len(self) > MOST_SHOWN else ""
        return "; ".join(a.example for a in self.attributes[:MOST_SHOWN]) + more or "nothing"

    @property
    def discrete(self) -> list[Attribute]:
        """The attributes whose values have names."""
        return [a for a in self if a.choices]

    @property
    def measured(self) -> list[Attribute]:
        """The attributes whose values are numbers or rows of numbers, without names."""
        return [a for a in self if not a.choices]

    def position(self, name: str) -> int:
        """The column of an attribute in a presence mask. Raises RequestError with the nearest valid names."""
        position = self._positions.get(fold(name))
        if position is None:
            raise unknown("attribute", name, self.names)
        return position

    def select(self, names: Sequence[str]) -> "Schema":
        """The schema of these attributes alone, in this order. Raises RequestError for an unknown or repeated name."""
        chosen = [self[name].name for name in names]
        for name in chosen:
            if chosen.count(name) > 1:
                raise RequestError(f"The attribute '{name}' is named twice in {', '.join(names)}.")
        return Schema.model_validate({"attributes": [self[name] for name in chosen]})

    def dumps(self) -> str:
        """The schema as indented JSON."""
        return self.model_dump_json(indent=2)

    @classmethod
    def loads(cls, text: str, source: str = "schema") -> "Schema":
        """The schema in a JSON text. Raises DataError that names the source, the field and the mistake."""
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
