"""Keyword arguments as configuration: checked against a function's signature, saved as JSON, used to call it again."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from condgen.errors import RequestError, unknown

Function = TypeVar("Function", bound=Callable[..., Any])


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Listed = BeforeValidator(_listed)  # marks an argument of several values, which a text separates by commas


def keyword_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """The names and defaults of a function's keyword-only arguments: what may be configured."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def validated(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All keyword-only arguments of a function: the given ones converted to their types, defaults for the rest.

    Raises RequestError for an unknown name (with the nearest valid ones), a value that does not fit, or an argument
    that is missing and has no default.
    """
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    accepted = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
    for name in given:
        if name not in accepted:
            raise unknown(f"argument of {function.__name__}:", name, accepted)
    complete = {}
    for name, parameter in accepted.items():
        if name in given:
            complete[name] = _converted(function, parameter, given[name])
        elif parameter.default is not parameter.empty:
            complete[name] = parameter.default
        else:
            raise RequestError(f"The argument {name} of {function.__name__} is missing.")
    return complete


def with_signature_of(name: str, function: Function, *parts: Callable[..., Any]) -> Function:
    """A function that passes `**arguments` on to its parts, with their keyword-only arguments as its signature."""
    accepted = {
        p.name: p
        for part in parts
        for p in inspect.signature(part, eval_str=True).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__signature__ = inspect.Signature([*own, *accepted.values()])  # type: ignore[attr-defined]
    function.__name__ = function.__qualname__ = name
    return function


def _converted(function: Callable[..., Any], parameter: inspect.Parameter, value: Any) -> Any:
    """A value as its parameter's annotated type."""
    try:
        return TypeAdapter(parameter.annotation).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in (parameter.name, *first["loc"]))
        if first["type"] == "literal_error":
            raise unknown(f"{name}:", value, re.findall(r"'([^']*)'", first["ctx"]["expected"])) from None
        if isinstance(reason := first.get("ctx", {}).get("error"), RequestError):  # which says what to do itself
            raise RequestError(f"{name}: {reason}") from None
        raise RequestError(
            f"The argument {name}={first['input']!r} of {function.__name__} is wrong: {first['msg']}."
        ) from None
