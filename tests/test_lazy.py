"""Packages whose names are imported on first use."""

import gc
import importlib
import subprocess
import sys

import pytest

from condgen.lazy import in_bulk, on_first_use

PACKAGES = ["condgen", "condgen.data", "condgen.models", "condgen.training"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_package_is_found(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module._HOME) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_lists_what_it_exports(package: str) -> None:
    module = importlib.import_module(package)
    assert dir(module) == sorted(module.__all__)


def test_modules_of_the_package_are_found_by_their_names() -> None:
    used = "condgen.testing.check_model, condgen.models.Family, condgen.data.split, condgen.evaluation"
    assert imported(f"import condgen; {used}", "condgen.testing") == "condgen.testing"


def test_an_unknown_name_is_no_attribute() -> None:
    get = on_first_use("condgen.data", {"split": "splits"})
    assert get("split").__module__ == "condgen.data.splits"
    with pytest.raises(AttributeError, match=r"module 'condgen.data' has no attribute 'sprit'"):
        get("sprit")


def imported(code: str, *heavy: str) -> str:
    """Which of these modules a process that runs the code imports."""
    code = f"{code}\nimport sys; print(*(set({heavy}) & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_packages_import_nothing_heavy() -> None:
    assert imported(f"import {', '.join(PACKAGES)}", "torch", "numpy", "pyarrow", "pydantic") == ""


def test_an_opened_run_imports_nothing_of_training_and_of_reading_data() -> None:
    heavy = ("accelerate", "pyarrow", "scipy", "sklearn", "sympy", "tensorboard", "condgen.data.sources")
    assert imported("import condgen.runs.run", *heavy) == ""


def test_handwritten_digits_are_read_without_their_package() -> None:
    assert imported("import condgen; condgen.load('digits')", "sklearn", "scipy", "pandas") == ""


def test_imports_in_bulk_look_for_no_garbage_and_leave_the_search_as_it_was() -> None:
    searched, frozen = gc.isenabled(), gc.get_freeze_count()
    with in_bulk():
        assert not gc.isenabled()
    assert gc.isenabled() == searched
    assert gc.get_freeze_count() > frozen
    gc.unfreeze()
