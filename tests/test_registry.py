import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from typing import Annotated

import pytest

import condgen.registry
from condgen.errors import RequestError
from condgen.parameters import validated
from condgen.registry import NameIn, PluginWarning, Registry

Install = Callable[..., Registry[type]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """A registry of number types, beside packages that bring these entry points."""

    def installed(**points: str) -> Registry[type]:
        found = EntryPoints(EntryPoint(name, value, "condgen.numbers") for name, value in points.items())
        monkeypatch.setattr(condgen.registry, "installed", lambda: found)
        own: dict[str, type | str] = {"whole": int, "exact": "fractions:Fraction"}
        return Registry("number", "condgen.numbers", own, lambda entry: isinstance(entry, type), "type of numbers")

    return installed


def test_own_entries_come_first_and_others_behind_them(install: Install) -> None:
    numbers = install(complex="builtins:complex")
    assert list(numbers) == numbers.names == ["whole", "exact", "complex"]
    assert numbers["whole"] is int
    assert numbers["exact"].__name__ == "Fraction"
    assert numbers["complex"] is complex
    assert [entry for _, entry in numbers.items()] == numbers.values()
    assert len(numbers) == 3


def test_an_entry_is_imported_only_when_it_is_asked_for(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fractions", raising=False)
    numbers = install()
    assert "exact" in numbers
    assert "fractions" not in sys.modules
    assert numbers["exact"].__name__ == "Fraction"
    assert "fractions" in sys.modules


def test_an_unknown_name_is_answered_with_the_nearest_one(install: Install) -> None:
    with pytest.raises(RequestError, match=r"Unknown number 'complx'. Did you mean complex\?"):
        install(complex="builtins:complex")["complx"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_package:thing", "ModuleNotFoundError"),
        ("math:no_such_thing", "AttributeError"),
        ("math:pi", "math:pi is no type of numbers"),
    ],
)
def test_a_broken_entry_is_reported_and_leaves_the_rest_alone(install: Install, value: str, reason: str) -> None:
    numbers = install(good="builtins:complex", odd=value)
    with pytest.warns(PluginWarning, match="The number 'odd' of the package .* cannot be used") as told:
        assert list(numbers) == ["whole", "exact", "good"]
    assert reason in str(told[0].message)
    assert list(numbers) == ["whole", "exact", "good"]  # and warns once
    assert "odd" not in numbers
    with pytest.raises(RequestError, match=r"correct its entry point in the group condgen.numbers, or uninstall it"):
        numbers["odd"]


@pytest.mark.parametrize("ask", [len, lambda numbers: numbers["whole"], lambda numbers: "exact" in numbers])
def test_a_name_in_use_stays_with_its_first_owner_and_is_mentioned_once(
    install: Install, ask: Callable[[Registry[type]], object]
) -> None:
    numbers = install(whole="no_such_package:thing")
    with pytest.warns(PluginWarning, match="the name whole is in use already") as told:
        assert ask(numbers)
    assert len(told) == 1
    assert len(numbers) == 2
    assert numbers["whole"] is int


def test_an_entry_that_names_itself_has_the_name_of_its_entry_point(install: Install) -> None:
    numbers = install(whirl="builtins:complex", complex="builtins:complex")
    numbers.called = lambda number: number.__name__
    with pytest.warns(PluginWarning, match="calls itself 'complex', which must be the name of its entry point, too"):
        assert list(numbers) == ["whole", "exact", "complex"]


def test_an_argument_may_be_a_name_in_a_registry(install: Install) -> None:
    numbers = install()

    def count(*, number: Annotated[str, NameIn(numbers)] = "whole") -> None: ...

    assert validated(count, {"number": "exact"}) == {"number": "exact"}
    with pytest.raises(RequestError, match=r"number: Unknown number 'exakt'. Did you mean exact\?"):
        validated(count, {"number": "exakt"})
