"""Keyword arguments as configuration: checked against a function's signature, saved as JSON, used to call it again."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError, create_model

from condgen.errors import RequestError, unknown


def keyword_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """The names and defaults of a function's keyword-only arguments: what may be configured."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def validated(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All keyword-only arguments of a function: the given ones converted to their types, defaults for the rest.

    Raises RequestError for an unknown name (with the nearest valid ones) or a value that does not fit.
    """
    signature = inspect.signature(function, eval_str=True)
    fields: dict[str, Any] = {
        p.name: (p.annotation, ... if p.default is p.empty else p.default)
        for p in signature.parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
    for name in given:
        if name not in fields:
            raise unknown(f"argument of {function.__name__}:", name, fields)
    try:
        checked = create_model("Arguments", **fields)(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise RequestError(
            f"The argument {name}={first['input']!r} of {function.__name__} is wrong: {first['msg']}."
        ) from None
    return {name: getattr(checked, name) for name in fields}
