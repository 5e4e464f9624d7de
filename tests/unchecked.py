"""Long trainings without checks of types: the same functions are called hundreds of times with the same shapes.

`conftest.py` checks shapes and types at every call, which takes up to half of the time that a small network trains.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import config


@contextmanager
def unchecked() -> Iterator[None]:
    """A context in which calls are not checked."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)
