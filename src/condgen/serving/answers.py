"""Samples as bodies of answers: JSON, lines of JSON, one picture, or one part per picture."""

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from starlette.exceptions import HTTPException

from condgen.imprint import Origin, png
from condgen.requests.request import Request
from condgen.runs.samples import Samples
from condgen.serving.bodies import Format
from condgen.serving.editing import Edited

BOUNDARY = "condgen-part"
TYPES: Mapping[str, Format] = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "image/png": "png",
    "multipart/mixed": "multipart",
}
MEDIA = {form: media for media, form in TYPES.items()} | {"multipart": f"multipart/mixed; boundary={BOUNDARY}"}
ONLY_IMAGES: tuple[Format, ...] = ("png", "multipart")
assert set(MEDIA) == set(get_args(Format))


def chosen(wanted: Format | None, accept: str, images: bool) -> Format:
    """The form of an answer: the one asked for in the body, else the one that the header `Accept` likes best.

    Raises HTTPException (406) if there is none, or if vectors are asked for as pictures.
    """
    found = wanted or next((form for media in _by_liking(accept) for form in _forms(media)), None)
    if found is None:
        raise HTTPException(406, f"Answers have the types {', '.join(TYPES)}; `Accept` names none of them.")
    if found in ONLY_IMAGES and not images:
        raise HTTPException(
            406, f'This model makes vectors, which are no pictures: ask for "json" or "ndjson", not "{found}".'
        )
    return found


def _by_liking(accept: str) -> list[str]:
    """The media types of an `Accept` header, the best liked first. Without a header, any."""
    liked: dict[str, float] = {}
    for part in accept.split(",") if accept.strip() else ["*/*"]:
        media, _, parameters = part.partition(";")
        weight = re.search(r"\bq=([0-9.]+)", parameters)
        try:
            liked[media.strip().lower()] = float(weight[1]) if weight else 1.0
        except ValueError:
            liked[media.strip().lower()] = 0.0
    return sorted((media for media in liked if liked[media] > 0), key=lambda media: -liked[media])


def _forms(media: str) -> list[Format]:
    """The forms whose type a range such as `image/*` includes."""
    return [form for known, form in TYPES.items() if media in (known, known.partition("/")[0] + "/*", "*/*", "*")]


def understood(asked: Iterable[Request]) -> list[dict[str, Any]]:
    """Requests as they were understood."""
    return [{"text": each.text, "asked": each.asked, "notes": list(each.notes)} for each in asked]


def rows(samples: Samples) -> list[dict[str, Any]]:
    """The index of its request, the seed and the condition of each sample."""
    numbers = zip(samples.request.tolist(), samples.seeds.tolist(), samples.condition.rows(), strict=True)
    return [{"request": request, "seed": seed, "condition": condition} for request, seed, condition in numbers]


def full_rows(samples: Samples, origin: Origin) -> Iterator[dict[str, Any]]:
    """The same with each sample's image, which carries its origin, or its values."""
    contents = _pictures(samples, origin) if samples.images else _values(samples)
    return (row | content for row, content in zip(rows(samples), contents, strict=True))


def _pictures(samples: Samples, origin: Origin) -> Iterator[dict[str, Any]]:
    return ({"image": base64.b64encode(content).decode()} for content in _pngs(samples, origin))


def _pngs(samples: Samples, origin: Origin) -> Iterator[bytes]:
    return map(png, samples.to_pil(), origin.imprints(samples))


def _values(samples: Samples) -> Iterator[dict[str, Any]]:
    return ({"values": [v if math.isfinite(v) else None for v in row]} for row in samples.values.tolist())


def as_json(about: Mapping[str, Any], samples: Samples, origin: Origin) -> bytes:
    """One JSON object with everything."""
    return _dumped({**about, "samples": list(full_rows(samples, origin))})


def as_lines(samples: Samples, origin: Origin) -> bytes:
    """One line of JSON per sample."""
    return b"".join(_dumped(row) + b"\n" for row in full_rows(samples, origin))


def as_grid(samples: Samples) -> bytes:
    """One PNG of all images, with a labelled row per request."""
    return png(samples.grid())


def as_multipart(about: Mapping[str, Any], samples: Samples, origin: Origin) -> bytes:
    """A part of JSON about all samples, then a part of PNG for each."""
    parts = [_part("application/json", "samples.json", _dumped({**about, "samples": rows(samples)}))]
    parts += [
        _part("image/png", f"{k:06d}.png", content, seed=seed)
        for k, (content, seed) in enumerate(zip(_pngs(samples, origin), samples.seeds.tolist(), strict=True))
    ]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def _part(media: str, name: str, content: bytes, **headers: object) -> bytes:
    lines = [
        f"--{BOUNDARY}",
        f"Content-Type: {media}",
        f'Content-Disposition: inline; filename="{name}"',
        *(f"X-Condgen-{key.capitalize()}: {value}" for key, value in headers.items()),
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"


def encoded(form: Format, asked: Sequence[Request], origin: Origin, parts: Sequence[Samples]) -> bytes:
    """All samples in a form. Takes a while, so call it beside the event loop."""
    about = {"requests": understood(asked)} | ({"sources": parts[0].sources} if isinstance(parts[0], Edited) else {})
    samples = Samples.cat(parts) if len(parts) > 1 else parts[0]
    match form:
        case "png":
            return as_grid(samples)
        case "multipart":
            return as_multipart(about, samples, origin)
        case "ndjson":
            return as_lines(samples, origin)
    return as_json(about, samples, origin)


def _dumped(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
