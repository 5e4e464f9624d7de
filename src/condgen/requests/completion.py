"""Completion of attribute names where they are keywords: `run.sample(di<TAB>` offers `digit=`."""

import inspect
import re
from collections.abc import Callable, Iterator
from functools import wraps
from keyword import iskeyword
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

from condgen.errors import RequestError
from condgen.schema import Attribute, Schema, fold

MOST_CHOICES = 20  # values that are named in a signature
IN_A_LIST = 'Several requests go in one list, as in `sample(["digit=3", "digit=8"], n=4)`.'

P = ParamSpec("P")
Result = TypeVar("Result")


class Completing(Generic[P, Result]):
    """Decorator of a method with `**attributes`. Bound to an object, its signature names the attributes in the object's
    `schema`, so that notebooks and editors complete them.
    """

    def __init__(self, method: Callable[Concatenate[Any, P], Result]):
        self.method = method

    def __get__(self, asked: Any, owner: type) -> Callable[P, Result]:
        if asked is None:
            return self.method  # type: ignore[return-value]  # of the class: it takes the object, too

        @wraps(self.method)
        def bound(*arguments: P.args, **keywords: P.kwargs) -> Result:
            try:
                inspect.signature(self.method).bind(asked, *arguments, **keywords)
            except TypeError as wrong:
                hint = f" {IN_A_LIST}" if self.method.__name__ == "sample" else ""
                raise RequestError(f"`{self.method.__name__}` cannot be called so: {wrong}.{hint}") from None
            return self.method(asked, *arguments, **keywords)

        bound.__dict__["__signature__"] = _signature(self.method, asked.schema)
        return bound


def _signature(method: Callable[..., Any], schema: Schema) -> inspect.Signature:
    """The signature of the bound method, with one keyword per attribute. Its own parameters take precedence."""
    plain = inspect.signature(method)
    _, *own, rest = plain.parameters.values()
    taken = {p.name for p in (*own, rest)}
    attributes = [p for p in _keywords(schema) if p.name not in taken]
    leading = [p for p in own if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    return plain.replace(parameters=[*leading, *attributes, *own[len(leading) :], rest])


def _keywords(schema: Schema) -> Iterator[inspect.Parameter]:
    for attribute in schema:
        name = re.sub(r"\W", "_", attribute.name)
        name = name if name.isidentifier() else f"_{name}"
        if fold(name) == fold(attribute.name) and not iskeyword(name):  # else no call could have it
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_values(attribute))


def _values(attribute: Attribute) -> Any:
    """The values as an annotation, for readers of the signature: names, or an example of a request."""
    choices = attribute.choices
    return Literal[choices] if 0 < len(choices) <= MOST_CHOICES else attribute.example.partition("=")[2]
