"""Families of other packages, with the mistakes that strangers make."""

from typing import Any

import pytest

from condgen.models import FAMILIES, Family, Model
from condgen.models.protocols import Encodes
from condgen.models.registry import _examples, that_can
from condgen.registry import PluginWarning
from condgen.schema import Schema
from tests.foreign import bring


def broken(schema: Schema, shape: tuple[int, ...], *, width: int = 1) -> Model:
    """A builder with a mistake."""
    return undefined_name  # noqa: F821


@pytest.fixture(autouse=True)
def _anew() -> Any:
    _examples.cache_clear()
    yield
    _examples.cache_clear()


def test_a_broken_family_of_a_package_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, FAMILIES, "ty", Family(broken))
    with pytest.warns(PluginWarning, match="model 'ty' of the package my-package is left out, since it raised NameErr"):
        assert "cvae" in that_can(Encodes)
    assert "cvae" in that_can(Encodes)  # and warns once


def test_a_broken_family_of_condgen_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES._own, "ty", Family(broken))
    with pytest.raises(NameError):
        that_can(Encodes)
