"""A model behind another machine's HTTP API, asked like a run.

urllib is enough: each batch is one request, whose answer is read line by line. So asking needs no further package.
"""

import base64
import io
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from itertools import groupby
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request as HTTPRequest
from urllib.request import urlopen

import numpy as np
from PIL import Image

from condgen.arrays import Array
from condgen.bearer import checked_token
from condgen.data.coordinates import Coordinates
from condgen.errors import RequestError, RunError, shorten
from condgen.imprint import png
from condgen.parameters import keyword_arguments
from condgen.pictures import pil_image
from condgen.requests.keywords import by_keywords
from condgen.requests.request import Request, Requestable
from condgen.runs.editing import EditOptions, arguments_of_edit, within
from condgen.runs.generator import Generator, one_change
from condgen.runs.samples import Samples
from condgen.runs.sampling import Part, SamplingOptions
from condgen.schema import Condition, Schema

TIMEOUT = 120  # seconds without a byte from the server
ABOUT = ("attributes", "coordinates", "fingerprint", "most", "shape")  # members that tell about a model
BUSY = (429, 503)  # the server asks to try again after a while
TOKEN = "CONDGEN_TOKEN"  # noqa: S105 (the name of the environment variable)


class Client(Generator):
    """A model that `condgen serve` serves, at an address such as `http://127.0.0.1:8000/digits`.

    Arrays are NumPy's. PyTorch is not needed.

    The name can be left out if the server has one model only.

    token: the server's, by default that in the environment variable CONDGEN_TOKEN.
    patience: seconds for which a request that the server has no room for is tried again.

    Raises RequestError for a wrong address or token, and RunError for a server that does not answer.
    """

    def __init__(self, address: str, token: str | None = None, patience: int | float = 300):
        given = token or os.environ.get(TOKEN)
        self._token, self._patience = checked_token(given) if given else None, patience
        self.server, name = _split(address)
        self.name = name or self._only_model()

    def __repr__(self) -> str:
        return f"Model {self.name} of {self.server}\n  can be asked for {self.schema.example}"

    @cached_property
    def _about(self) -> dict[str, Any]:
        return self._told(f"/v1/{quote(self.name)}/schema", ABOUT)

    @cached_property
    def schema(self) -> Schema:
        """The attributes that can be asked for."""
        return Schema.model_validate({"attributes": self._about["attributes"]})

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation: (channel, height, width) or (dimension,)."""
        return tuple(self._about["shape"])

    @property
    def fingerprint(self) -> str:
        """A digest of everything that samples depend on besides the request."""
        return str(self._about["fingerprint"])

    @property
    def coordinates(self) -> Coordinates | None:
        """The coordinates of vectors, in the data's own units. None for images."""
        names = tuple(self._about["coordinates"])
        return replace(Coordinates.plainly(len(names)), names=names) if names else None

    def sample(
        self,
        asked: Requestable | Sequence[Requestable] = (),
        n: int = 16,
        seed: int = 0,
        *,
        extrapolate: bool = False,
        **keywords: Any,
    ) -> Samples:
        """n samples for each request, as a run's `sample` gives them.

        keywords: a request by attributes (`digit=7`), and `SamplingOptions`.
        """
        known = keyword_arguments(SamplingOptions)
        sampling = {name: value for name, value in keywords.items() if name in known}
        attributes = {name: value for name, value in keywords.items() if name not in known}
        found = self.requests(by_keywords(self.schema, asked, attributes, known), extrapolate)
        return Samples.cat(list(self.stream(found, n, seed, sampling=SamplingOptions(**sampling))))

    def together(self, parts: Sequence[Part], sampling: SamplingOptions | None = None) -> Samples:
        """The samples of several requests: of each part in turn, one per seed."""
        how = sampling or SamplingOptions()
        found = [
            replace(piece, request=piece.request + k) for k, part in enumerate(parts) for piece in self._part(part, how)
        ]
        return Samples.cat(found)

    def _part(self, part: Part, how: SamplingOptions) -> Iterator[Samples]:
        """A part's samples, asked for in pieces that the server's limit allows."""
        most = int(self._about["most"])
        for k in range(0, len(part.seeds), most):
            yield self._ask(replace(part, seeds=part.seeds[k : k + most]), how)

    def _ask(self, part: Part, how: SamplingOptions) -> Samples:
        body = {
            "request": part.request.terms(self.schema),
            "n": len(part.seeds),
            "seed": part.seeds.start,
            "extrapolate": True,  # the range was checked when the request was read
            "format": "ndjson",
            **_sent(how),
        }
        answer = self._call(f"/v1/{quote(self.name)}/sample", body)
        try:
            with answer:
                rows = [json.loads(line) for line in answer]
        except (OSError, HTTPException, ValueError) as error:
            raise self._broken_off(error) from None
        if rows and "problem" in rows[-1]:
            raise RunError(f"{self.server} broke off its answer: {rows[-1]['problem']['detail']}")
        if [row["seed"] for row in rows] != list(part.seeds):
            raise RunError(f"{self.server} gave {len(rows):,} of {len(part.seeds):,} samples.")
        return self._samples(rows)

    def must_edit(self) -> None:
        """Raise RequestError unless the server's model edits, and makes images."""
        if not self._about["edits"]:
            raise RequestError(f"The model {self.name} of {self.server} cannot edit.")
        if len(self.shape) != 3:
            raise RequestError(f"The model {self.name} makes vectors, and a server edits images only.")

    def read(self, x: Array) -> Condition:
        """The condition of each image [n, channel, height, width], as the server's model reads it.

        Raises RequestError if it cannot tell.
        """
        pieces = (x[k : k + self._most_edited] for k in range(0, len(x), self._most_edited))
        return self._condition([row for piece in pieces for row in self._upload("read", piece)["conditions"]])

    def stated(self, request: Request, n: int) -> Condition:
        """The condition of n images that a request describes, with one value for an attribute. The others are free.

        Raises RequestError for a request that leaves a choice.
        """
        terms = {name: constraint.term(self.schema[name]) for name, constraint in request.constraints.items()}
        if chosen := [name for name, value in terms.items() if isinstance(value, list | dict)]:
            raise RequestError(f"Say one value of {', '.join(chosen)}: a server is told exactly what images show.")
        return self._condition([terms] * n)

    def edit(
        self,
        x: Any,
        source: Condition | Requestable | Request | None = None,
        change: Requestable | Request | None = None,
        seed: int = 0,
        editing: EditOptions | None = None,
        mask: Array | None = None,
        **attributes: Any,
    ) -> Samples:
        """Each image [n, channel, height, width] changed as a run's `edit` does, with the same arguments.

        Images are sent in 8 bits. Attributes that `source` leaves free are drawn by the server where its model needs
        them. Raises RequestError for a wrong request, a mask that does not fit, or a model that cannot edit.
        """
        self.must_edit()
        x, source, change = arguments_of_edit(x, source, change)
        wanted = one_change(self, change, attributes)
        source = self.read(x) if source is None else source
        settings = {"request": json.dumps(wanted.terms(self.schema))} | _edited(editing)
        texts = [json.dumps(row) for row in source.terms()]
        found = []
        for piece in _alike(texts, self._most_edited):
            sent = {"source": texts[piece.start], "seed": seed + piece.start, **settings}
            rows = self._upload("edit", x[piece.start : piece.stop], sent)["samples"]
            found.append(self._samples([row | {"seed": seed + k} for row, k in zip(rows, piece, strict=True)]))
        samples = Samples.cat(found)
        return replace(samples, x=within(mask, x, samples.x))

    @property
    def _most_edited(self) -> int:
        return int(self._about["most_edited"])

    def _upload(self, verb: str, x: Array, settings: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The server's answer to images and the fields of a form."""
        form = Form([png(pil_image(image)) for image in x], settings or {})
        return self._told(f"/v1/{quote(self.name)}/{verb}", [], form)

    def _condition(self, rows: Sequence[Mapping[str, Any]]) -> Condition:
        numbers: Any = np.empty(0, dtype=np.float32)
        return Condition.of(self.schema, rows, extrapolate=True, like=numbers)

    def _samples(self, rows: Sequence[Mapping[str, Any]]) -> Samples:
        try:
            x: Any = np.stack([_observation(row) for row in rows])
        except (OSError, ValueError):
            raise RunError(f"{self.server} gave a sample that is neither a PNG image nor a row of numbers.") from None
        condition = self._condition([row["condition"] for row in rows])
        seeds: Any = np.array([row["seed"] for row in rows], dtype=np.int64)
        return Samples(x, condition, seeds, 0 * seeds, self.coordinates)

    def _only_model(self) -> str:
        """The name of the server's only model. Raises RequestError if it has several."""
        names = [model["name"] for model in self._told("/v1/models", ["models"])["models"]]
        if len(names) != 1:
            raise RequestError(f"{self.server} serves {', '.join(names)}: name one, as in {self.server}/{names[0]}.")
        return str(names[0])

    def _told(self, path: str, members: Iterable[str], body: "Form | None" = None) -> dict[str, Any]:
        """The mapping that the server answers. Raises RunError if it is none, or lacks one of these members."""
        with self._call(path, body) as answer:
            try:
                found: dict[str, Any] = json.load(answer)
            except (OSError, HTTPException) as error:
                raise self._broken_off(error) from None
            except (ValueError, RecursionError):
                found = {}
        if not isinstance(found, dict) or not found or not found.keys() >= {*members}:
            raise RunError(f"{self.server} is no server of condgen: its answer is none that a model gives.")
        return found

    def _broken_off(self, error: Exception) -> RunError:
        return RunError(f"{self.server} broke off its answer: {shorten(str(error), 200)}.")

    def _call(self, path: str, body: "Mapping[str, Any] | Form | None" = None) -> HTTPResponse:
        """The answer of the server, asked again while it is busy. Raises RequestError and RunError."""
        media, content = body.encoded() if isinstance(body, Form) else _as_json(body)
        headers = {"Content-Type": media} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        until = time.monotonic() + self._patience
        while True:
            try:
                asked = HTTPRequest(self.server + path, content, headers)  # noqa: S310 (http or https, see `_split`)
                answer: HTTPResponse = urlopen(asked, timeout=TIMEOUT)  # noqa: S310
                return answer
            except HTTPError as error:
                wait = _retry_after(error)
                if error.code not in BUSY or time.monotonic() + wait > until:
                    raise _refusal(self.server, error) from None
                time.sleep(wait)
            except (OSError, HTTPException, UnicodeError) as error:  # the last for a name that no host can have
                reason = getattr(error, "reason", error)
                raise RunError(f"{self.server} does not answer: {shorten(str(reason), 200)}.") from None


class Form(NamedTuple):
    """Images as PNGs and further fields, as an HTML form sends them (RFC 7578)."""

    images: Sequence[bytes]
    fields: Mapping[str, object]

    def encoded(self) -> tuple[str, bytes]:
        """Its media type, and its bytes."""
        boundary = uuid.uuid4().hex
        head = f"--{boundary}\r\nContent-Disposition: form-data; name="
        parts = [f'{head}"{name}"\r\n\r\n{value}\r\n'.encode() for name, value in self.fields.items()]
        for k, image in enumerate(self.images):
            parts.append(f'{head}"image"; filename="{k}.png"\r\nContent-Type: image/png\r\n\r\n'.encode())
            parts += [image, b"\r\n"]
        return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _as_json(body: Mapping[str, Any] | None) -> tuple[str, bytes | None]:
    """The media type of JSON, and the bytes of a body if there is one. Raises RequestError if JSON cannot hold it."""
    if body is None:
        return "application/json", None
    members = [f"{json.dumps(name)}: {_member(name, value)}" for name, value in body.items()]
    return "application/json", f"{{{', '.join(members)}}}".encode()


def _member(name: str, value: object) -> str:
    """A member of a body in JSON. Raises RequestError, with its name."""
    try:
        return json.dumps(value, allow_nan=False, default=_plain)
    except (TypeError, ValueError):
        told = shorten(f"{name}={value!r}", 200)
        raise RequestError(f"{told} cannot be sent to a server. Give finite numbers and texts.") from None


def _plain(value: Any) -> Any:
    """A number or an array of NumPy or PyTorch as numbers of Python. Raises TypeError for anything else."""
    if not hasattr(value, "tolist"):
        raise TypeError
    return value.tolist()


def _alike(texts: Sequence[str], most: int) -> Iterator[range]:
    """The places of equal neighbours, at most so many at once."""
    for _, group in groupby(range(len(texts)), key=lambda k: texts[k]):
        first, *rest = group
        stop = first + 1 + len(rest)
        yield from (range(k, min(k + most, stop)) for k in range(first, stop, most))


def _edited(editing: EditOptions | None) -> dict[str, object]:
    """Settings of an edit as fields of a form."""
    if editing is None:
        return {}
    return {"decoded": "true"} if editing.decoded else {"strength": editing.strength}


def _split(address: str) -> tuple[str, str]:
    """The server and the model's name in an address. Raises RequestError."""
    refusal = RequestError(f"'{shorten(address, 200)}' is no address of a model, such as http://127.0.0.1:8000/digits.")
    try:
        parts = urlsplit(address)
        port = parts.port  # noqa: F841 (read for its check)
    except ValueError:
        raise refusal from None
    steps = [step for step in parts.path.split("/") if step]
    names = steps[1:2] if steps[:1] == ["v1"] else steps[:1]
    if parts.scheme not in ("http", "https") or not parts.hostname or len(steps) > 2:
        raise refusal
    return f"{parts.scheme}://{parts.netloc}", "".join(names)


def _sent(how: SamplingOptions) -> dict[str, Any]:
    """Settings of sampling as members of a body. Raises RequestError for those that stay here."""
    if how.guide is not None:
        raise RequestError("A server takes no guide; leave out `guide`.")
    if how.best_of > 1:
        raise RequestError("A server gives one candidate for each seed; leave out `best_of`, or sample from the run.")
    return how.given


def _observation(row: Mapping[str, Any]) -> np.ndarray:
    """The image [channel, height, width] in [0, 1], or the vector, of a line."""
    if "values" in row:
        return np.array([np.nan if value is None else value for value in row["values"]], dtype=np.float32)
    with Image.open(io.BytesIO(base64.b64decode(row["image"])), formats=["PNG"]) as image:
        pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
    return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)


def _retry_after(error: HTTPError) -> float:
    """Seconds after which the server wants to be asked again."""
    text = error.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 1.0


def _refusal(server: str, error: HTTPError) -> RequestError | RunError:
    """The error for a refusal, with the server's own words."""
    try:
        detail = str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        detail = f"{error.code} {error.reason}"
    kind = RequestError if error.code in (400, 401, 404, 406, 413, 422) else RunError
    return kind(f"{server}: {shorten(detail, 2_000)}")
