"""A studio in a thread of this process, for pages of a browser (`tests.browser`)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.serving.server import listening


@contextmanager
def studio(models: Mapping[str, Any], **settings: Any) -> Iterator[str]:
    """The address of a studio of models by name, on a free port. settings: further arguments of `create_studio`."""
    from condgen.studio.app import create_studio

    with listening(create_studio(models, **settings)) as address:
        yield f"{address}/"
