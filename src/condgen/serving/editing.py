"""Edits of uploaded images, checked before they are queued."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from condgen.arrays import Array, namespace
from condgen.data.storage.images import EncodedImage, Fit, pixels
from condgen.errors import RequestError, shorten
from condgen.pixels import as_float
from condgen.requests.request import Request, Requestable
from condgen.runs.editing import EditOptions
from condgen.runs.generator import Generator, editor, reader, vague
from condgen.runs.samples import Samples
from condgen.serving.asking import parsed
from condgen.serving.batching import Deliver, Errand
from condgen.serving.bodies import LONGEST, Terms, plain
from condgen.serving.limits import Limits

TERMS: TypeAdapter[dict[str, Any]] = TypeAdapter(Terms)
_DECODING = threading.Lock()  # decoders' warnings are filtered for the whole process


@dataclass(frozen=True)
class Upload:
    """An uploaded image: its name and its encoded bytes."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Wanted:
    """The fields of an edit's form.

    change: the attributes to change.
    source: the images as they are. By default the model reads them.
    mask: where the images may change. By default everywhere.
    """

    images: Sequence[Upload]
    change: str
    source: str | None = None
    seed: int = 0
    strength: float | Literal["auto"] | None = None
    decoded: bool = False
    mask: Upload | None = None

    @property
    def editing(self) -> EditOptions | None:
        """The settings of the edit. None for those that suit the model. Raises RequestError."""
        if self.strength is not None:
            return EditOptions(strength=self.strength, decoded=self.decoded)
        return EditOptions(decoded=True) if self.decoded else None


@dataclass(frozen=True, repr=False)
class Edited(Samples):
    """Edited images. sources: the condition of each before the change, as names and values."""

    sources: tuple[Mapping[str, str | None], ...] = ()


@dataclass(frozen=True)
class EditPlan:
    """Checked work: observations, the change, their own attributes if they were given, and where they may change."""

    x: Array
    change: Request
    source: Request | None
    editing: EditOptions | None
    seed: int = 0
    mask: Array | None = None

    @property
    def asked(self) -> Sequence[Request]:
        """The change."""
        return [self.change]

    @property
    def given(self) -> dict[str, Any]:
        """The settings of the edit: an edited image cannot be asked for again by its seed."""
        return {"edited": asdict(self.editing) if self.editing else {}}

    def job(self, deliver: Deliver) -> Errand:
        """The work for a batcher."""
        return Errand(self._edited, len(self.x), deliver)

    def _edited(self, generator: Generator) -> Edited:
        model = editor(generator)
        before = reader(generator).read(self.x) if self.source is None else model.stated(self.source, len(self.x))
        made = model.edit(self.x, before, self.change, self.seed, self.editing, self.mask)
        return Edited(made.x, made.condition, made.seeds, made.request, made.coordinates, tuple(before.rows()))


@dataclass(frozen=True)
class ReadPlan:
    """Checked work: observations whose attributes are to be read."""

    x: Array

    def job(self, deliver: Deliver) -> Errand:
        """The work for a batcher."""
        return Errand(self._read, len(self.x), deliver, makes=0)

    def _read(self, generator: Generator) -> Samples:
        none = namespace(self.x).zeros(len(self.x), dtype=namespace(self.x).int64)
        return Samples(self.x, reader(generator).read(self.x), none, none)


def planned_reading(generator: Generator, images: Sequence[Upload], limits: Limits) -> ReadPlan:
    """The work of reading images. Raises RequestError and DataError for anything wrong with it."""
    must_edit_images(generator)
    reader(generator)
    return ReadPlan(observations(images, generator.shape, limits))


def planned(generator: Generator, wanted: Wanted, limits: Limits) -> EditPlan:
    """The work that a form asks for. Raises RequestError and DataError for anything wrong with it."""
    must_edit_images(generator)
    if wanted.source is None:
        reader(generator)
    change = _only(parsed(generator, [_requestable(wanted.change)], 1, limits), wanted.change)
    source = None if wanted.source is None else _stated(generator, wanted.source, limits)
    x, mask = observations(wanted.images, generator.shape, limits), _shares(wanted.mask, generator.shape)
    return EditPlan(x, change, source, wanted.editing, wanted.seed, mask)


def must_edit_images(generator: Generator) -> None:
    """Raise RequestError unless the model edits, and makes images."""
    editor(generator)
    if len(generator.shape) != 3:
        raise RequestError("This model makes vectors, not images; edit those from Python, with `run.edit`.")


def _stated(generator: Generator, text: str, limits: Limits) -> Request:
    """The request that describes images, which may be unlike all training data. Raises RequestError if it leaves a
    choice, which would be drawn at random.
    """
    source = _only(parsed(generator, [_requestable(text)], 1, limits, extrapolate=True), text)
    if choice := vague(source, generator.schema):
        raise RequestError(
            f"What an image shows is one value of each attribute; '{shorten(choice, 100)}' leaves a choice."
        )
    return source


def _requestable(text: str) -> Requestable:
    """A field of a form, in which a request may be a mapping in JSON: as text, numbers are rounded.

    Raises RequestError for any other JSON, and for more text than takes a moment to read.
    """
    if not text.lstrip().startswith("{"):
        if len(text) > LONGEST:
            raise RequestError(f"A request in words may have {LONGEST:,} characters, not {len(text):,}.")
        return text
    try:
        return plain(TERMS.validate_json(text))
    except ValidationError:
        raise RequestError(
            f"'{shorten(text, 100)}' is no mapping of attributes to values in JSON, such as {{\"digit\": 7}}."
        ) from None


def _only(asked: Sequence[Request], text: str) -> Request:
    if len(asked) > 1:
        raise RequestError(f"'{shorten(text, 100)}' stands for {len(asked)} requests; an edit takes one.")
    return asked[0]


def observations(images: Sequence[Upload], shape: tuple[int, ...], limits: Limits) -> Array:
    """The images as a model takes them.

    Raises RequestError for more than a batch, and DataError that names the first unreadable one.
    """
    if len(images) > limits.batch:
        raise RequestError(f"This server edits {limits.batch} images at once, not {len(images)}.")
    return decoded(images, shape)


def _shares(mask: Upload | None, shape: tuple[int, ...]) -> Array | None:
    """The share of change at every pixel, [height, width], in a grey image cut and resized as the images are."""
    return None if mask is None else decoded([mask], (1, *shape[1:]))[0, 0]


def decoded(images: Sequence[Upload], shape: tuple[int, ...]) -> Array:
    """Any number of images as a model takes them. Raises DataError that names the first unreadable one."""
    channels, height, width = shape
    fit = Fit("L" if channels == 1 else "RGB", width, height)
    with _DECODING:
        return as_float(pixels([_encoded(image) for image in images], fit))


def _encoded(image: Upload) -> EncodedImage:
    return EncodedImage(shorten(image.name, 100), image.content, uploaded=True)
