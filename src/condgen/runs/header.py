"""The parts of a run's header about its data, its vectors' coordinates and its teacher."""

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from condgen.data import DataSource
from condgen.data.builtin import is_builtin
from condgen.data.coordinates import Coordinates
from condgen.errors import RunError
from condgen.training.checkpoint import Info

Weight = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True)
class Teacher:
    """The teacher of a distilled run: its path, the guidance to learn, and a digest of its weights, which earlier
    versions did not keep.
    """

    path: str
    guidance: Weight | dict[str, Weight]
    weights: str | None = None


def source_of(info: Info) -> DataSource:
    """The source of a run's data. Raises DataError if the header has no valid one."""
    source = DataSource.read(info.data)
    return without_files(source) if source.address and is_builtin(source.address) else source


def without_files(source: DataSource) -> DataSource:
    """A built-in source without settings of image files, which earlier versions accepted and ignored."""
    plain = DataSource()
    return replace(source, resize=plain.resize, broken=plain.broken)


def coordinates_of(info: Info) -> Coordinates | None:
    """The coordinates of the generated vectors. None for images. Raises DataError."""
    return Coordinates.read(info.data.get("coordinates"), info.shape[0]) if len(info.shape) == 1 else None


def teacher_of(info: Info) -> Teacher | None:
    """The teacher of a distilled run, or None. Raises RunError if the header has no valid one."""
    if not (content := info.data.get("teacher")):
        return None
    try:
        return TypeAdapter(Teacher).validate_python(content)
    except ValidationError as error:
        raise RunError(f"The teacher of the run cannot be read: {error.errors()[0]['msg']}.") from None
