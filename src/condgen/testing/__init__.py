"""Conformance of a family of models: `check_model` is to condgen what `check_estimator` is to scikit-learn.

    from condgen.testing import check_model

    check_model("cvae")
    check_model(my_builder)

It needs no test framework; in one, it is a test of one line.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch

from condgen.errors import PACKAGE
from condgen.models import FAMILIES, Family, Model
from condgen.testing.checks import CHECKS, ConformanceError
from condgen.testing.lesson import Lesson
from condgen.testing.worlds import ATTRIBUTES

__all__ = ["ATTRIBUTES", "CHECKS", "ConformanceError", "Lesson", "Result", "check_model"]

TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True)
class Result:
    """The outcome of one check in one tiny world. `message` is empty if the check passed."""

    check: str
    world: str
    message: str


def check_model(
    family: str | Family | Callable[..., Model], *, kinds: Sequence[str] = ("all",), **arguments: Any
) -> list[Result]:
    """Build, train and check a family in tiny worlds of the sorts it suits. Takes seconds to a minute.

    family: the name of a registered family, a `Family`, or a builder.
    kinds: kinds of attributes, keys of `ATTRIBUTES`, with one world each.
    arguments: of the builder.

    Returns every check that applies to the family, with its outcome. Raises ConformanceError that names all failed
    checks, with the expected and the found value and the usual cause.
    """
    name, chosen = _named(family)
    lessons = [Lesson(name, chosen, kind, sort, arguments) for sort in chosen.suits for kind in kinds]
    results = [result for lesson in lessons for result in _looked_at(lesson)]
    broken = [f"{r.check}, in the world {r.world}: {r.message}" for r in results if r.message]
    if broken:
        raise ConformanceError(f"{name} breaks {len(broken)} of {len(results)} promises.\n" + "\n".join(broken))
    return results


def _named(family: str | Family | Callable[..., Model]) -> tuple[str, Family]:
    if isinstance(family, str):
        return family, FAMILIES[family]
    chosen = family if isinstance(family, Family) else Family(family)
    return getattr(chosen.builder, "__name__", "the model"), chosen


def _looked_at(lesson: Lesson) -> list[Result]:
    """The outcomes of all checks that apply to a lesson, or of building and training it if that fails."""
    world = f"{lesson.kind}-{lesson.sort}"
    try:
        concerned = {name: check for name, check in CHECKS.items() if check.concerns(lesson)}
    except Exception as error:  # whatever a builder or a loss raises
        return [Result("learning", world, _raised(error))]
    return [Result(name, world, _outcome(check.run, lesson)) for name, check in concerned.items()]


def _outcome(run: Callable[[Lesson], object], lesson: Lesson) -> str:
    try:
        run(lesson)
    except ConformanceError as error:
        return str(error)
    except Exception as error:  # whatever a model raises
        return _raised(error)
    return ""


def _raised(error: Exception) -> str:
    return f"Expected: no error. Found: {type(error).__name__}: {str(error).rstrip('.')}. {_place(error)}".rstrip()


def _place(error: Exception) -> str:
    """The line of the model that raised an error, or led to it. Empty if it was none of the model's."""
    frames = extract_tb(error.__traceback__)
    its = [frame for frame in frames if not frame.filename.startswith((PACKAGE, TORCH))]
    return f"At: {its[-1].filename}:{its[-1].lineno}, {its[-1].line}" if its else ""
