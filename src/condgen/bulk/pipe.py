"""Objects over the pipes between a process and the workers that it starts, pickled: nobody else can write to them."""

import pickle
from typing import IO, Any


def send(pipe: IO[bytes], what: object) -> None:
    """Write an object to a pipe."""
    pickle.dump(what, pipe)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """The next object from a pipe. Raises EOFError at its end, also in the middle of an object."""
    try:
        return pickle.load(pipe)  # noqa: S301 (from our own process)
    except pickle.UnpicklingError:
        raise EOFError from None


def can_be_sent(what: object) -> bool:
    """Whether an object can be pickled and made again from that. Some errors cannot."""
    try:
        pickle.loads(pickle.dumps(what))  # noqa: S301 (just made here)
    except Exception:  # each class has its own way to fail
        return False
    return True
