"""Trained models behind an HTTP API: dynamic batches, limits, several models by name."""

from typing import TYPE_CHECKING

from condgen.lazy import on_first_use

if TYPE_CHECKING:
    from condgen.serving.app import create_app
    from condgen.serving.limits import Limits
    from condgen.serving.server import serve

__all__ = ["Limits", "create_app", "serve"]
__getattr__ = on_first_use(__name__, {"Limits": "limits", "create_app": "app", "serve": "server"})
