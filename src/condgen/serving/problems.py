"""Errors as problem details (RFC 9457), with the library's message."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from condgen.errors import CondgenError, DataError, RequestError
from condgen.messages import Mention, spelled
from condgen.serving.batching import ClosedError, FullError
from condgen.serving.bodies import SampleBody
from condgen.serving.tickets import GoneError, LateError

PROBLEM = "application/problem+json"
JSON_TYPE = "`Content-Type: application/json`"
NOWHERE = "There is nothing at this address. `/v1/models` lists the models, and `/openapi.json` describes everything."
MOST_SHOWN = 5  # mistakes of one body
MEMBERS = {*SampleBody.model_fields, "strength", "decoded", "source"}
CLIENT_CLOSED = 499  # nginx's status for a client that went; nobody reads the answer


class Mistake(BaseModel):
    """A mistake in a body."""

    pointer: str = Field(description="JSON pointer to the wrong value.")
    detail: str


class Problem(BaseModel):
    """An error, as in RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what to do.")
    errors: list[Mistake] | None = None


DESCRIPTIONS = {
    400: "The body cannot be read.",
    401: "The token is missing or wrong.",
    404: "There is no such model.",
    409: "Something has to be made first.",
    406: "The model gives no answer in this form.",
    413: "The body is too large.",
    415: "The body is of another type.",
    422: "The request is wrong: an unknown attribute, value or setting, or more than the limits allow.",
    429: "Too much work is waiting. `Retry-After` says when to try again.",
    503: "The server is about to stop.",
    504: "The answer was not ready before the deadline.",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers with these statuses, for the API's description."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": DESCRIPTIONS[status], "content": content} for status in statuses}


def problem(
    status: int,
    detail: str,
    errors: Sequence[Mistake] | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """An answer that tells of an error. more: further members, as RFC 9457 allows them."""
    title = HTTPStatus(status).phrase if status != CLIENT_CLOSED else "Client Closed Request"
    body = Problem(title=title, status=status, detail=detail, errors=list(errors) if errors else None)
    content = json.dumps(body.model_dump(exclude_none=True) | more, ensure_ascii=False, allow_nan=False)
    return Response(content, status, dict(headers or {}), PROBLEM)


def spell(text: str) -> str:
    """A message of the library with its settings as members of a JSON body: `steps=50` becomes `"steps": 50`."""
    return spelled(text, _spelling)


def _spelling(mention: Mention) -> str | None:
    names = {*map(str, mention.arguments), *mention.settings}
    if mention.verb or not names <= MEMBERS:
        return None  # a setting of training, for instance
    members = [f'"{name}": {json.dumps(value, default=str)}' for name, value in mention.settings.items()]
    return "`" + ", ".join([*(f'"{name}"' for name in mention.arguments), *members]) + "`"


def of_error(error: Exception) -> Response:
    """The answer for an error of the library or of the server's parts."""
    match error:
        case FullError(after=after):
            return problem(429, str(error), headers={"Retry-After": str(after)})
        case ClosedError():
            return problem(503, str(error), headers={"Retry-After": "5"})
        case LateError():
            return problem(504, str(error))
        case GoneError():
            return problem(CLIENT_CLOSED, "The client has gone.")
        case RequestError(words=words) if words:
            return problem(422, spell(str(error)), words=words)
        case RequestError() | DataError():
            return problem(422, spell(str(error)))
        case CondgenError():
            return problem(500, str(error))
    return problem(500, "The server failed at this request. Its log says more.")


def of_http(error: HTTPException) -> Response:
    """The answer for an error of routing or of reading the body."""
    detail = NOWHERE if (error.status_code, error.detail) == (404, HTTPStatus.NOT_FOUND.phrase) else str(error.detail)
    return problem(error.status_code, detail, headers=error.headers)


def of_validation(error: RequestValidationError) -> Response:
    """The answer for a body of another form, with a JSON pointer to each mistake."""
    if error.body and isinstance(error.body, bytes):
        return problem(415, f"The body is not read as JSON. Send it with the header {JSON_TYPE}.")
    found: dict[str, str] = {}
    for each in error.errors():
        place, missing = each["loc"][1:], each["type"] == "missing"
        if missing and not place:
            return problem(422, f"There is no body. Send JSON, such as `{{}}`, with the header {JSON_TYPE}.")
        pointer = f"{_pointer(place[:-1], error.body)}/{place[-1]}" if missing else _pointer(place, error.body)
        found.setdefault(pointer, _in_words(each))
    mistakes = [Mistake(pointer=at, detail=message) for at, message in found.items()][:MOST_SHOWN]
    shown = "; ".join(f"{each.pointer or 'the whole'}: {each.detail.removesuffix('.')}" for each in mistakes)
    unreadable = any(each["type"] == "json_invalid" for each in error.errors())
    return problem(400 if unreadable else 422, f"The body is not as it should be. {shown}.", mistakes)


def _in_words(mistake: Mapping[str, Any]) -> str:
    """A mistake in words that are not of pydantic or FastAPI alone."""
    message = str(mistake["msg"]).removeprefix("Value error, ")
    return "This must be an uploaded file." if message.startswith("Expected UploadFile") else message


def _pointer(place: Sequence[Any], body: Any) -> str:
    """The JSON pointer (RFC 6901) to a place in a body, without the names of alternatives that pydantic adds."""
    pointer = ""
    for step in place:
        try:
            body = body[step]
        except (LookupError, TypeError):
            continue
        pointer += "/" + str(step).replace("~", "~0").replace("/", "~1")
    return pointer


def answer_errors(app: FastAPI) -> None:
    """Make every error of an application a problem."""

    async def library(request: Request, error: Exception) -> Response:
        return of_error(error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return of_http(error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return of_validation(error)

    for kind in (CondgenError, GoneError, Exception):
        app.add_exception_handler(kind, library)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)
