"""Studios of tests, asked without a network."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from condgen.studio.app import create_studio
from tests.serving.echo import Echo

Studio = Callable[..., TestClient]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """`studio(NAME=MODEL, …, token=…, frames=…)`: a client of a running studio with runs of its own."""
    with ExitStack() as stack:

        def start(token: str | None = None, frames: tuple[str, ...] = (), **models: Any) -> TestClient:
            app = create_studio(models, runs=tmp_path / "runs", token=token, frames=frames, watch=None)
            client = TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
            return stack.enter_context(client)

        yield start


@pytest.fixture
def echo() -> Echo:
    return Echo()
