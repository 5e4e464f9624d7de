"""Checks against other pages in the same browser, which could reach a server of this machine, too."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from condgen.serving import guards
from condgen.serving.problems import problem
from condgen.serving.server import is_loopback
from condgen.studio import page

SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
HEADERS = {
    "cache-control": "no-store",  # answers; the page's files have their own
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class TokenGuard(guards.TokenGuard):
    """Refuses requests without the bearer token, except for the page's files, which hold nothing of the models."""

    detail = (
        "This studio needs its token: open the address that it told when it started, or send "
        "`Authorization: Bearer TOKEN`."
    )

    def _knows(self, scope: Scope) -> bool:
        return page.is_file(scope["path"]) or super()._knows(scope)


class PageGuard:
    """Refuses what no page but the studio's own should ask.

    A name that somebody else gave to this machine's address (DNS rebinding) is no name of this server, and a request
    that changes something must not come from another page.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 403."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if refusal := _refusal(scope["method"], _headers(scope)):
            return await problem(403, refusal)(scope, receive, send)
        return await self._app(scope, receive, _with_headers(send))


def _refusal(method: str, headers: Mapping[str, str]) -> str:
    """The reason why a request is refused. Empty if it is not."""
    host = headers.get("host", "")
    if not is_loopback(urlsplit(f"//{host}").hostname or ""):
        return f"The studio answers at localhost and 127.0.0.1 alone, not at '{host[:100]}'."
    foreign = headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
    origin = headers.get("origin", "")
    if method not in SAFE and (foreign or (origin and urlsplit(origin).netloc != host)):
        return "The studio takes requests from its own page alone, not from another one in the same browser."
    return ""


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _with_headers(send: Send) -> Send:
    """The function that sends an answer, with headers that keep it from other pages."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = {name.encode(): value.encode() for name, value in HEADERS.items()}
            given = [*message.get("headers", ())]
            message["headers"] = [*given, *((n, v) for n, v in headers.items() if n not in dict(given))]
        await send(message)

    return sending
