"""A small picture of each value: the training example that has it and is otherwise most like a typical one."""

import base64
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from condgen.arrays import Array, Float, namespace
from condgen.imprint import png
from condgen.pictures import pil_image
from condgen.pixels import as_float
from condgen.requests.request import Request
from condgen.runs.generator import Generator
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Attribute, Condition, Schema

if TYPE_CHECKING:
    from condgen.data import Dataset

SIDE = 48  # pixels, at most
TINY = 16  # pixels
MOST = 40  # values of an attribute that have a picture, the commonest
SEARCHED = 20_000  # rows among which examples are looked for
GENERATED = 48  # values that have a generated picture
STEPS = 8  # of a guided model, for a generated picture

Value = tuple[str, str]  # attribute and value


def of_data(data: "Dataset") -> dict[Value, str]:
    """Pictures of values from training data. Empty for vectors, which cannot be shown."""
    if len(data.shape) != 3:
        return {}
    import torch

    rows = data.condition[:SEARCHED].hard()
    chosen = dict(_examples(rows))
    images = as_float(data.take(torch.tensor([*chosen.values()], dtype=torch.long)))
    return {value: data_uri(image) for value, image in zip(chosen, images, strict=True)}


def _examples(rows: Condition) -> Iterator[tuple[Value, int]]:
    """For each value, the row that shows it."""
    unlike = {a.name: _unlike(a, rows) for a in rows.schema}
    xp, total = namespace(rows.present), sum(unlike.values())
    for a in rows.schema.discrete:
        codes, given = rows.values[a.name], rows.given(a.name)
        counts = xp.bincount(xp.astype(codes[given], xp.int64), None, len(a.choices)).tolist()
        for code in sorted(range(len(a.choices)), key=lambda code: -counts[code])[:MOST]:
            if counts[code]:
                other = xp.where(given & (codes == code), total - unlike[a.name], xp.inf)
                yield (a.name, a.choices[code]), int(xp.argmin(other))


def _unlike(a: Attribute, rows: Condition) -> Float[Array, " row"]:
    """The distance of each row's value from the commonest one, or from the median. 1 is far, or not known."""
    xp, given, codes = namespace(rows.present), rows.given(a.name), rows.values[a.name]
    if not given.any():
        return xp.ones(len(rows))
    places = a.place(codes)
    known = xp.sort(places[given])
    typical: Any = known[len(known) // 2]
    if a.choices:
        typical = xp.argmax(xp.bincount(xp.astype(places[given], xp.int64)))
        return xp.where(given & (places == typical), 0.0, 1.0)
    return xp.where(given, (abs(places - typical) / a.reach).clip(0, 1), 1.0)


def asked_of_model(generator: Generator) -> tuple[Sequence[Value], Sequence[Request], SamplingOptions]:
    """The values whose pictures a model can generate, a request of each, and quick settings."""
    values = list(_values(generator.schema))[:GENERATED] if len(generator.shape) == 3 else []
    asked = [generator.requests({name: value})[0] for name, value in values]
    guided = hasattr(getattr(generator, "model", None), "guidance")
    return values, asked, SamplingOptions(steps=STEPS) if guided else SamplingOptions()


def _values(schema: Schema) -> Iterator[Value]:
    yield from ((a.name, value) for a in schema.discrete for value in a.choices[:MOST])


def data_uri(image: Float[Array, "channel height width"]) -> str:
    """A small picture as an address: as it is if it is tiny, else in a fifth of the bytes."""
    picture = pil_image(image)
    if max(picture.size) <= TINY:
        return f"data:image/png;base64,{base64.b64encode(png(picture)).decode()}"
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
