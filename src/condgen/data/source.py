"""Data sources: descriptions of the way in which data was loaded, which can be saved and repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from condgen.errors import DataError, RequestError
from condgen.schema import Schema


@dataclass(frozen=True)
class SplitConfig:
    """Settings of the split.

    how: random, stratified:ATTRIBUTE (equal shares of its values in every part), or group:COLUMN (rows with the same
        cell, such as a person, stay together).
    hold_out: requests such as "color=red, body=Coupe". Matching rows are used neither for training nor for validation.
    """

    how: str = "random"
    hold_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kind, _, name = self.how.partition(":")
        if self.how != "random" and not (kind in ("stratified", "group") and name):
            raise RequestError(f"Data is split random, stratified:ATTRIBUTE or group:COLUMN, not '{self.how}'.")

    def __str__(self) -> str:
        return "; ".join([self.how, *(f"without {request}" for request in self.hold_out)])

    @property
    def group(self) -> str | None:
        """The column whose equal cells stay together, if any."""
        return self.how.removeprefix("group:") if self.how.startswith("group:") else None

    @property
    def stratum(self) -> str | None:
        """The attribute by which the split is stratified, if any."""
        return self.how.removeprefix("stratified:") if self.how.startswith("stratified:") else None


@dataclass(frozen=True)
class AtMost:
    """A size that depends on the images: larger ones are brought to a square of this side, others keep theirs."""

    side: int

    def settled(self, shape: Sequence[int]) -> int | None:
        """The size with which observations of this shape are loaded again."""
        return self.side if [*shape[1:]] == [self.side, self.side] else None


@dataclass(frozen=True)
class StreamConfig:
    """Settings of streaming.

    buffer: number of rows within which images are shuffled.
    sample: number of images read into memory at once, at most as many as fit in 256 MB. The schema is inferred from
        them, and they provide the validation and test parts.
    """

    buffer: int = 8_192
    sample: int = 10_000

    def __post_init__(self) -> None:
        if self.buffer < 1:
            raise RequestError(f"The buffer must hold at least one image, not {self.buffer} (`buffer=8192`).")
        if self.sample < 20:
            raise RequestError(f"A sample of {self.sample} images is too small; take at least 20 (`sample=10000`).")

    def __str__(self) -> str:
        return f"a buffer of {self.buffer:,}, a sample of {self.sample:,}"


def _named(value: Any) -> Any:
    """A split in the form of earlier runs, [how, hold_out], with names."""
    return dict(zip(("how", "hold_out"), value, strict=True)) if isinstance(value, list) else value


def _shown(value: object) -> str:
    """An argument of loading as text for people."""
    if isinstance(value, Schema):
        return "given"
    return (", ".join(value) or "none") if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class DataSource:
    """The way in which data was loaded, for loading it again (`load_source`): an address and the arguments of `load` or
    `stream`.

    address: a name, or a path that is valid in every folder. None for data built in memory.
    size: as for `load`. Of data that is loaded, a number or None.
    streaming: settings of streaming. None for data that is loaded as a whole.
    selected: attributes that were kept after loading and splitting, if not all.

    Raises RequestError for a local copy (`data_dir`) of streamed data.
    """

    address: Annotated[str | None, Field(alias="source")] = None
    attributes: tuple[str, ...] | None = None
    size: int | AtMost | None = None
    schema: Schema | None = None
    data_dir: str | None = None
    resize: str = "crop"
    broken: float = 0.05
    splitting: Annotated[SplitConfig, BeforeValidator(_named)] = SplitConfig()
    streaming: StreamConfig | None = None
    selected: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.streaming and self.data_dir is not None:
            raise RequestError("A stream is read where it is; leave out `data_dir` or `stream`.")

    def settled(self, shape: Sequence[int]) -> "DataSource":
        """The same source, which gives observations of this shape also when other images join the data."""
        return replace(self, size=self.size.settled(shape)) if isinstance(self.size, AtMost) else self

    def describe(self) -> str:
        """The address and any unusual settings, in one line."""
        plain, own = vars(DataSource(self.address)), vars(self)
        said = ", ".join(f"{name}: {_shown(value)}" for name, value in own.items() if value != plain[name])
        return (self.address or "data built in memory") + (f" ({said})" if said else "")

    def dump(self) -> dict[str, Any]:
        """The source as JSON, for the header of a run."""
        content: dict[str, Any] = TypeAdapter(DataSource).dump_python(self, mode="json", by_alias=True)
        return content

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "DataSource":
        """The source in a run's header, including runs of earlier versions. Unknown keys are ignored.

        Raises DataError that names the key at fault.
        """
        keys = {"source" if f.name == "address" else f.name for f in fields(cls)}
        known = {key: value for key, value in content.items() if key in keys and value is not None}
        try:
            return TypeAdapter(cls).validate_python(known)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "all of it"
            raise DataError(f"How the data was loaded cannot be read: {first['msg']} ({where}).") from None
