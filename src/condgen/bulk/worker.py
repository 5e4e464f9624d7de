"""A worker process: reads a job and numbers of shards, and answers with records or errors."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from condgen.bulk.pipe import can_be_sent, receive, send
from condgen.errors import RunError


def main() -> None:
    """Work until the process that started this one closes its end, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the first one decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    orders: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(sys.stdin.buffer, orders), daemon=True).start()
    make = _attempt(lambda: orders.get().start(), answers)
    while make is not None:
        shard = orders.get()
        if (made := _attempt(partial(make, shard), answers)) is None:
            return
        send(answers, made)


def _listen(pipe: BinaryIO, orders: SimpleQueue[Any]) -> None:
    """Pass on what arrives. At its end, everything ends: nobody waits for the shard in work."""
    with suppress(EOFError):
        while True:
            orders.put(receive(pipe))
    os._exit(1)


def _attempt(do: Callable[[], Any], answers: BinaryIO) -> Any:
    """The result, or None after an error, which is sent."""
    try:
        return do()
    except Exception as error:
        send(answers, error if can_be_sent(error) else RunError(f"{type(error).__name__}: {error}"))
        return None


if __name__ == "__main__":
    main()
