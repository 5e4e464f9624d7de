"""The studio: a page, made of a model's schema alone, on top of the HTTP API. `condgen.studio(run)` shows it."""

import sys
from types import ModuleType
from typing import Any

from condgen.extras import explained


class _Studio(ModuleType):
    """This package, which can be called: `condgen.studio` names it as soon as a part of it is imported."""

    def __call__(self, *models: Any, **settings: Any) -> Any:
        """Show models (see `condgen.studio.notebook.studio`)."""
        with explained():
            from condgen.studio.notebook import studio
        return studio(*models, **settings)


sys.modules[__name__].__class__ = _Studio
