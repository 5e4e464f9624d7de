"""Packages whose names are imported on first use."""

import importlib
import subprocess
import sys

import pytest

from condgen.lazy import on_first_use

PACKAGES = ["condgen", "condgen.data", "condgen.models", "condgen.training"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_package_is_found(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module._HOME) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_an_unknown_name_is_no_attribute() -> None:
    get = on_first_use("condgen.data", {"split": "splits"})
    assert get("split").__module__ == "condgen.data.splits"
    with pytest.raises(AttributeError, match=r"module 'condgen.data' has no attribute 'sprit'"):
        get("sprit")


def test_packages_import_nothing_heavy() -> None:
    code = (
        f"import sys, {', '.join(PACKAGES)}; print(*({{'torch', 'numpy', 'pyarrow', 'pydantic'}} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
