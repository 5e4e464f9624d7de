"""Packages whose names are imported on first use, so that a part of one costs nothing of the rest.

PyTorch takes a second to import and need not be installed where exported models are asked.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from condgen.extras import explained


def on_first_use(package: str, home: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562). home: for each of its names, the module in it, or `.module` beside
    it. Modules of the package are found by their names, too.

    A name that needs a package of an extra raises MissingExtraError without it.
    """

    def get(name: str) -> Any:
        if name not in home:
            if not name.startswith("_") and find_spec(f"{package}.{name}"):
                with explained():
                    return import_module(f".{name}", package)
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        with explained():
            return getattr(import_module(f".{home[name]}", package), name)

    return get


def listing(names: Sequence[str]) -> Callable[[], list[str]]:
    """The `__dir__` of a package: the names that it exports, which need not be imported yet."""
    return lambda: sorted(names)


def callable_as(module: str, function: Callable[..., Any]) -> None:
    """Let calls of a module be calls of its main function, since `condgen.NAME` is the module once that is imported."""

    class Called(ModuleType):
        __doc__ = function.__doc__

        def __call__(self, *arguments: Any, **keywords: Any) -> Any:
            with explained():
                return function(*arguments, **keywords)

    sys.modules[module].__class__ = Called


@contextmanager
def in_bulk() -> Iterator[None]:
    """A context for imports that make hundreds of thousands of objects which stay, such as those of PyTorch.

    No garbage is looked for among them, then or later. That search takes a tenth of the time of importing PyTorch.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if searched:
            gc.enable()
