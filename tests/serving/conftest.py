"""Applications and servers of tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.testclient import TestClient

from condgen.serving import Limits, create_app
from tests.serving.echo import Echo

Serve = Callable[..., TestClient]


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(NAME=MODEL, …, token=…, limits=…, apart=…)`: a client of a running application."""
    with ExitStack() as stack:

        def start(
            token: str | None = None, limits: Limits | None = None, apart: bool = False, **models: Any
        ) -> TestClient:
            app = create_app(models, token=token, limits=limits, watch=None, apart=apart)
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start
