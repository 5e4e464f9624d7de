"""Checks before a request reaches the application: its token, and the size of its body."""

import secrets

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from condgen.room import size
from condgen.serving.problems import problem

OPEN = ("/healthz", "/readyz")  # without a token, for whoever watches the server


class TokenGuard:
    """Refuses requests without the bearer token."""

    detail = "This server needs a token: send `Authorization: Bearer TOKEN`."

    def __init__(self, app: ASGIApp, token: str):
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 401."""
        if scope["type"] != "http" or scope["path"] in OPEN or self._knows(scope):
            return await self._app(scope, receive, send)
        refusal = problem(
            401,
            self.detail,
            headers={"WWW-Authenticate": "Bearer"},
        )
        return await refusal(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return secrets.compare_digest(given, self._expected)


class BodyGuard:
    """Refuses bodies above a number of bytes, whether or not their headers tell it."""

    def __init__(self, app: ASGIApp, most: int):
        self._app, self._most = app, most
        self._detail = f"A body may have {size(most)} at most."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body counted, or answer it with 413."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if not told.isdigit() or int(told) > self._most:
            return await problem(413, self._detail)(scope, receive, send)
        return await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most:
                raise HTTPException(413, self._detail)
            return message

        return counted
