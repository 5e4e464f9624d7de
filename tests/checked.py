"""Checks of shapes and types at every call of condgen's functions, with jaxtyping's annotations and beartype's checks.

jaxtyping's import hook makes two functions of every function as it is imported, and checks arguments twice at every
call. That takes half of the time that many tests need. Here one is made, at the first call; and what is called hundreds
of times in one test, mostly with the same shapes, is checked the first times only.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import FunctionType
from typing import Any, get_type_hints

import jaxtyping
from beartype import beartype
from jaxtyping import config, install_import_hook, jaxtyped

CALLS = 10  # of each function that are checked in one test
_test = 0  # how many tests began


def install() -> None:
    """Check every function of condgen that is imported from now on."""
    jaxtyping.jaxtyped = decorator  # the hook writes it before every class and function
    install_import_hook("condgen", "beartype.beartype")


def begin() -> None:
    """A test begins: of every function, its first calls are checked again."""
    global _test
    _test += 1


def decorator(*, typechecker: Callable[..., Any] = beartype) -> Callable[..., Any]:
    """Takes the place of `jaxtyping.jaxtyped`, which still makes the checks of all but plain functions."""
    return lambda each: _checked(each) if _is_plain(each) else jaxtyped(each, typechecker=typechecker)


def _is_plain(each: object) -> bool:
    """Whether all that is checked happens in the call: the parts of generators and coroutines run later."""
    later = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return isinstance(each, FunctionType) and not any(is_so(each) for is_so in later)


def _checked(function: FunctionType) -> Callable[..., Any]:
    checking: Callable[..., Any] | None = None
    test, calls = _test, 0
    hints = {name: _hint(given, function) for name, given in function.__annotations__.items()}

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        nonlocal checking, test, calls
        test, calls = (test, calls + 1) if test == _test else (_test, 1)
        if calls > CALLS or config.jaxtyping_disable:
            return function(*args, **kwargs)
        checking = checking or beartype(_with(function, hints))
        with jaxtyped("context"):  # in which equal names of dimensions are equal sizes
            return checking(*args, **kwargs)

    return call


def _with(function: FunctionType, hints: Mapping[str, Any]) -> FunctionType:
    """A copy of a function with these types of its arguments and result. Any is not checked at all."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__, copy.__module__ = function.__kwdefaults__, function.__module__
    copy.__qualname__ = function.__qualname__
    copy.__annotations__ = {name: hint for name, hint in hints.items() if hint is not Any}
    return copy


def _hint(given: Any, function: FunctionType) -> Any:
    """A type without quotation marks. Any, as in jaxtyping, for names that are unknown as yet or while Python runs."""

    def of(value: Any) -> None: ...

    of.__annotations__ = {"value": given}
    try:
        return get_type_hints(of, function.__globals__, include_extras=True)["value"]
    except Exception:  # NameError, and what a type makes of a name that is none
        return Any
