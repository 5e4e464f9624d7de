"""The pages of commands, which the command line itself writes."""

import importlib.util
from types import ModuleType

import pytest
import typer.main

from condgen.cli import app
from condgen.models import FAMILIES
from condgen.parameters import described

from .blocks import ROOT


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_has_a_page_with_every_option(hooks: ModuleType) -> None:
    found = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert list(hooks.commands()) == list(found)
    for name, command in found.items():
        page = hooks.command_page(name)
        missing = [option for p in command.params for option in p.opts if option.startswith("-") and option not in page]
        assert page.startswith(f"# condgen {name}\n")
        assert not missing, f"condgen {name}: {missing}"


def test_help_is_no_markup(hooks: ModuleType) -> None:
    assert hooks._literal("name=*, a_b, `x*y` [1] <z>") == r"name=\*, a\_b, `x*y` \[1\] &lt;z>"


def test_presets_have_a_page(hooks: ModuleType) -> None:
    from condgen.presets import PRESETS

    page = hooks.presets_page()
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == list(PRESETS)


def test_every_family_has_a_page_with_every_setting(hooks: ModuleType) -> None:
    assert hooks.families() == list(FAMILIES)
    for name, family in FAMILIES.items():
        page = hooks.settings_page(name)
        missing = [s.name for s in described(family.builder) if f"`{s.name}" not in page]
        assert page.startswith(f"# Settings of {name}\n")
        assert "`lr = " in page
        assert not missing, f"{name}: {missing}"
