"""Entries of another package, as if it were installed."""

from typing import Any

import pytest

from condgen.registry import Package, Registry

PACKAGE = Package("my-package", "0.1.0")


def bring(monkeypatch: pytest.MonkeyPatch, registry: Registry[Any], name: str, entry: object) -> None:
    """Let a registry have an entry of the package `my-package` during a test."""
    monkeypatch.setitem(registry.others, name, entry)
    monkeypatch.setitem(registry._packages, name, PACKAGE)
