"""Bars of tqdm, which other packages show."""

import warnings
from contextlib import suppress
from importlib import import_module


def settle() -> None:
    """Import tqdm without its warning in a notebook that has no widgets, where it shows bars of text."""
    with suppress(ImportError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module("tqdm.auto")
