"""A real S3-compatible server (moto's) on loopback whose requests fail now and then: python -m tests.stores.server.

Prints its address. `GET /-/faults?every=50&seed=3` sets how often a request fails, and answers with the faults so far.
"""

import json
import random
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl

Answer = Iterable[bytes]
KINDS = ("500", "503", "dropped", "lost", "cut")


class Faulty:
    """An application of WSGI that answers as another does, except that one request in so many fails.

    500, 503: the server says that it cannot. dropped: the connection ends before anything is done. lost: it ends when
    all is done, without an answer. cut: it ends in the middle of the answer.
    """

    def __init__(self, whole: Callable[..., Answer]):
        self.whole = whole
        self.every = 0
        self.random = random.Random()
        self.met: Counter[str] = Counter()
        self.lock = Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Answer:
        if environ["PATH_INFO"] == "/-/faults":
            return self._told(environ, start)
        with self.lock:
            kind = self.random.choice(KINDS) if self.every and self.random.randrange(self.every) == 0 else "sound"
            self.met[kind] += 1
        if kind in ("500", "503"):
            return self._refused(kind, environ, start)
        if kind == "dropped":
            return self._ended(environ)
        if kind == "sound":
            return self.whole(environ, start)
        return self._broken(kind, environ, start)

    def _told(self, environ: dict[str, Any], start: Callable[..., Any]) -> Answer:
        with self.lock:
            told = json.dumps(self.met).encode()
            if given := dict(parse_qsl(environ["QUERY_STRING"])):
                self.every, self.met = int(given["every"]), Counter()
                self.random.seed(int(given.get("seed", 0)))
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(told)))])
        return [told]

    def _refused(self, kind: str, environ: dict[str, Any], start: Callable[..., Any]) -> Answer:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        code = {"500": "InternalError", "503": "SlowDown"}[kind]
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>on purpose</Message></Error>".encode()
        start(f"{kind} {code}", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    def _ended(self, environ: dict[str, Any]) -> Answer:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return []

    def _broken(self, kind: str, environ: dict[str, Any], start: Callable[..., Any]) -> Answer:
        kept: list[Any] = []
        body = b"".join(self.whole(environ, lambda *told: kept.extend(told)))
        if kind == "lost" or not body:
            return self._ended(environ)

        def half() -> Answer:
            yield body[: len(body) // 2]
            self._ended(environ)

        start(*kept[:2])
        return half()


def main() -> None:
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, Faulty(DomainDispatcherApplication(create_backend_app)), threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.stderr = Path("/dev/null").open("w")  # noqa: SIM115 - a line per request
    main()
