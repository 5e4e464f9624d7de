"""Orders: the work that the page asks for, as the commands of condgen that do it."""

import os
import re
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from condgen.errors import RequestError, shorten
from condgen.serving.bodies import Number
from condgen.serving.served import NAME
from condgen.units import parse_count, parse_duration, parse_extension

Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Place = Annotated[str, Field(min_length=1, max_length=4_000, pattern=r"^[^\x00-\x1f]+$")]
Count = Annotated[StrictInt, Field(ge=1, le=2**40)]
JUDGE = {"samples": 100, "pairs": 100, "useful": 0, "edits": 0, "latents": 0}  # an evaluation that only needs the judge


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Looking(_Order):
    """Data to look at, as for `condgen inspect`."""

    data: Place = Field(description="A folder, a table, a data set's name: as for `condgen inspect`.")
    attributes: Annotated[list[Word], Field(max_length=1_000)] | None = None
    size: Count | None = None

    def options(self) -> list[str]:
        """The options of every command that loads data."""
        names = ["--attributes", ",".join(self.attributes)] if self.attributes else []
        return [*names, *(["--size", str(self.size)] if self.size else [])]

    @property
    def place(self) -> str:
        """The data as commands take it: no shell replaces the `~` of a path here."""
        return os.path.expanduser(self.data)

    def inspect(self) -> list[str]:
        """The command that inspects it."""
        return ["inspect", "--json", "--pictures", *self.options(), "--", self.place]


class Training(Looking):
    """A training, as for `condgen train`. Settings that are left out are those that the inspection recommends."""

    name: Word | None = Field(default=None, description="Name of the new run. By default that of the data.")
    model: Word | None = None
    mechanism: Word | None = None
    budget: Word | None = Field(default=None, description="Training time: 90s, 10m, 1h.")
    images: Word | None = Field(default=None, description="Number of training images: 500k, 2M.")
    settings: Annotated[dict[Word, StrictBool | Number | Word], Field(max_length=200)] = {}

    def train(self, run: Path) -> list[str]:
        """The command that trains into a new folder. Raises RequestError for a wrong time or number of images."""
        if self.budget and self.images:
            raise RequestError("Give a time or a number of images to train for, not both.")
        if self.budget:
            parse_duration(self.budget)
        if self.images:
            parse_count(self.images)
        given = {name: getattr(self, name) for name in ("model", "mechanism", "budget", "images")}
        options = [part for name, value in given.items() if value for part in (f"--{name}", value)]
        chosen = [part for name, value in self.settings.items() for part in ("--set", f"{name}={_text(value)}")]
        return ["train", "--out", str(run), *options, *self.options(), *chosen, "--", self.place]


class Resuming(_Order):
    """A run of the studio's folder to train on."""

    run: Word = Field(description="Its name in the studio's folder.")
    budget: Word | None = Field(default=None, description="Time to add: +90s, +10m, +1h.")

    def resume(self, run: Path) -> list[str]:
        """The command that goes on with a run. Raises RequestError for a wrong time."""
        if self.budget:
            parse_extension(self.budget)
        return ["resume", *(["--budget", self.budget] if self.budget else []), "--", str(run)]


class Measuring(_Order):
    """A served model to measure."""

    model: Word


def measure(kind: Literal["evaluate", "doctor", "judge"], run: Path, folder: Path) -> list[str]:
    """The command that measures a run. folder: for the report of a measurement that only trains the judge."""
    if kind == "judge":
        least = [part for name, value in JUDGE.items() for part in (f"--{name}", str(value))]
        return ["evaluate", "--json", *least, "--out", str(folder), "--", str(run)]
    return [kind, "--json", "--", str(run)]


class Train(_Order):
    """Train a new model."""

    kind: Literal["train"]
    settings: Training


class Resume(_Order):
    """Train on."""

    kind: Literal["resume"]
    settings: Resuming


class Measure(_Order):
    """Measure a model, look for its faults, or train the judge of its data."""

    kind: Literal["evaluate", "doctor", "judge"]
    settings: Measuring


Order = Annotated[Train | Resume | Measure, Field(discriminator="kind")]


def run_of(runs: Path, name: str) -> Path:
    """The folder of a run below the studio's. Raises RequestError for a name that could lead elsewhere."""
    if not NAME.fullmatch(name):
        raise RequestError(
            f"'{shorten(name, 100)}' cannot be a model's name here: use at most 100 letters, digits, '.', '_' and '-', "
            "and begin with a letter or a digit."
        )
    return runs / name


def free_name(data: str, taken: Callable[[str], bool]) -> str:
    """A name for a run on data, from the last part of its place, that is not taken."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", PurePath(data.rstrip("/\\")).stem).strip("-_")[:60] or "run"
    return next(name for name in chain([plain], (f"{plain}-{k}" for k in count(2))) if not taken(name))


def _text(value: bool | int | float | str) -> str:
    """A value as `--set` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)
