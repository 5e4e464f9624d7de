"""The studio: a page, made of a model's schema alone, on top of the HTTP API. `condgen.studio(run)` shows it."""

from importlib import import_module
from typing import Any

from condgen.lazy import callable_as


def _show(*models: Any, **settings: Any) -> Any:
    """The studio's page on models (see `condgen.studio.notebook.studio`)."""
    return import_module("condgen.studio.notebook").studio(*models, **settings)


callable_as(__name__, _show)
