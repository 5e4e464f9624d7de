"""Keyword arguments as configuration: described where they are declared, checked, saved as JSON, used to call again.

A setting is a keyword-only argument. Its annotation says everything about it:

    width: Annotated[Count, Setting("Width of the flow's hidden layers.", name="prior_width"), Needs(prior="flow")]

A part is a class or function that declares settings of its own. A function that takes parts is made flat by `composed`:
it is called with the settings of its parts, and hands each part over ready made.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from condgen.errors import RequestError, unknown

Function = TypeVar("Function", bound=Callable[..., Any])
Data = tuple[Any, tuple[int, ...]]  # the schema and the shape of what is learned


def _parts(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Listed = BeforeValidator(_parts)  # marks an argument of several values, which a text separates by commas


@dataclass(frozen=True)
class Setting:
    """Describes an argument, in its annotation.

    sentence: one plain sentence. name: of the setting, where a part calls it otherwise. part: what it belongs to; the
    parameter that takes the part, unless given.
    """

    sentence: str
    name: str = ""
    part: str = ""


class Needs:
    """Marks an argument that counts only where another has a certain value; any one of several will do.

    A text is the value itself: `Needs(prior="flow")`. Anything else stands for any value but zero or nothing, and is
    what the error suggests: `Needs(embedding=64)`. None stands for an argument that is left out. Several marks must all
    be met.
    """

    def __init__(self, **others: Any):
        self.others = others

    def met(self, arguments: Mapping[str, Any], data: Data | None) -> bool:
        """Whether an argument counts beside these."""
        return any(self._has(arguments.get(name), wanted) for name, wanted in self.others.items())

    def wanted(self) -> str:
        """What is needed, in a few words."""
        return " or ".join(self._wanted(name, wanted) for name, wanted in self.others.items())

    def unmet(self, arguments: Mapping[str, Any]) -> str:
        """Why an argument does not count, and what would make it count."""
        there = " and ".join(f"{name}={_shown(arguments.get(name))}" for name in self.others)
        ways = [f"leave out `{n}`" if v is None else f"set `{n}={v!r}`" for n, v in self.others.items()]
        return f"counts only with {self.wanted()}, and here {there}; {' or '.join(ways)}, or"

    @staticmethod
    def _has(value: Any, wanted: Any) -> bool:
        return value == wanted if isinstance(wanted, str) or wanted is None else bool(value)

    @staticmethod
    def _wanted(name: str, wanted: Any) -> str:
        if wanted is None:
            return f"no {name}"
        return f"{name}={wanted}" if isinstance(wanted, str) else name


@dataclass(frozen=True)
class OfData:
    """Marks an argument that counts only for some data: `what` there must be, `lacking` says that there is none."""

    what: str
    lacking: str
    has: Callable[[Any, tuple[int, ...]], bool]

    def met(self, arguments: Mapping[str, Any], data: Data | None) -> bool:
        """Whether the data is of that kind; as long as none is known, it may be."""
        return data is None or self.has(*data)

    def wanted(self) -> str:
        """What is needed, in a few words."""
        return self.what

    def unmet(self, arguments: Mapping[str, Any]) -> str:
        """Why an argument does not count."""
        return f"is for {self.what}, and {self.lacking};"


@dataclass(frozen=True)
class Part:
    """Marks a parameter that is handed a part with its settings filled in, to be called with what is left."""

    of: Callable[..., Any]


@dataclass(frozen=True)
class Described:
    """A setting of a function, for people: its name, part, default, the values it takes, its sentence, its needs."""

    name: str
    part: str
    default: Any
    values: str
    sentence: str
    needs: tuple[str, ...]


# ---- checked


def keyword_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """The names and defaults of a function's keyword-only arguments: what may be configured."""
    return {name: parameter.default for name, parameter in _keyword_only(function).items()}


def validated(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All keyword-only arguments of a function: the given ones converted to their types, defaults for the rest.

    Raises RequestError for an unknown name (with the nearest valid ones), a value that does not fit, or an argument
    that is missing and has no default.
    """
    accepted = _keyword_only(function)
    for name in given:
        if name not in accepted:
            raise unknown(f"argument of {_called(function)}:", name, accepted)
    complete = {}
    for name, parameter in accepted.items():
        if name in given:
            complete[name] = _converted(function, parameter, given[name])
        elif parameter.default is not parameter.empty:
            complete[name] = parameter.default
        else:
            raise RequestError(f"The argument {name} of {_called(function)} is missing.")
    return complete


def used(
    function: Callable[..., Any], given: Mapping[str, Any], data: Data | None = None, *, strict: bool = True
) -> dict[str, Any]:
    """The arguments of `validated` that count, on this data if it is known.

    Raises RequestError for a given argument that would change nothing, with what would make it count; unless `strict`,
    it is dropped. None stands for an argument that was not given.
    """
    complete, accepted = validated(function, given), _keyword_only(function)
    counting = {}
    for name, value in complete.items():
        unmet = [need for need in _needs(accepted[name]) if not need.met(complete, data)]
        if not unmet:
            counting[name] = value
        elif strict and given.get(name) is not None:
            why = unmet[0].unmet(complete)
            raise RequestError(f"The setting {name} of {_called(function)} {why} leave out `{name}`.")
    return counting


def _called(function: Callable[..., Any]) -> str:
    """The name of a function in messages: its `label`, if it has one."""
    return str(getattr(function, "label", function.__name__))


def _keyword_only(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}


def _needs(parameter: inspect.Parameter) -> list[Needs | OfData]:
    return [mark for mark in _marks(parameter.annotation) if isinstance(mark, Needs | OfData)]


def _marks(annotation: Any) -> Sequence[Any]:
    return getattr(annotation, "__metadata__", ())


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
            f"The argument {name}={first['input']!r} of {_called(function)} is wrong: {first['msg']}."
        ) from None


# ---- composed


@dataclass(frozen=True)
class _Owned:
    """A part that a parameter takes: whether ready made or to be called, and its settings by their names."""

    make: Callable[..., Any]
    ready: bool
    settings: dict[str, inspect.Parameter]

    def made(self, settings: dict[str, Any]) -> Any:
        """The part with its settings, which are taken out of those of the whole."""
        chosen = {p.name: settings.pop(name) for name, p in self.settings.items()}
        return self.make(**chosen) if self.ready else partial(self.make, **chosen)


def composed(
    name: str = "", summary: str = "", parts: Mapping[str, Callable[..., Any]] | None = None, **defaults: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turns a function of parts into one of their settings, flat and keyword-only.

    A parameter takes a part when its annotation is a class with settings (it is handed an instance) or is marked `Part`
    (it is handed the part to be called). parts: for parameters that are to take another part, to be called. defaults:
    of settings, where they differ from the part's own. name, summary: of the function, if not its own.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        owned, flat = _divided(function, parts or {})
        flat = [p.replace(default=defaults.get(p.name, p.default)) for p in flat]
        flat.sort(key=lambda p: p.kind)
        own = {p.name: p.default for p in flat if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}

        def assembled(*arguments: Any, **given: Any) -> Any:
            settings = own | given
            made = {parameter: part.made(settings) for parameter, part in owned.items()}
            return function(*arguments, **settings, **made)

        assembled.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
        assembled.__name__ = assembled.__qualname__ = name or function.__name__
        assembled.__module__ = function.__module__
        assembled.__doc__ = "\n\n".join(filter(None, [summary, function.__doc__]))
        return assembled

    return decorate


def settings_of(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The described parameters of a part, by the names of their settings."""
    try:
        parameters = inspect.signature(part, eval_str=True).parameters.values()
    except (TypeError, ValueError):  # what has no signature has no settings
        return {}
    found = {p.name: (p, _setting(p)) for p in parameters}
    return {s.name or name: p for name, (p, s) in found.items() if s is not None}


def _divided(
    function: Callable[..., Any], chosen: Mapping[str, Callable[..., Any]]
) -> tuple[dict[str, _Owned], list[inspect.Parameter]]:
    """The parts that a function takes, and its parameters with theirs in their places."""
    owned: dict[str, _Owned] = {}
    flat: list[inspect.Parameter] = []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        part = _owned(parameter, chosen.get(parameter.name))
        if part is None:
            flat.append(parameter)
        else:
            owned[parameter.name] = part
            flat += [_flat(p, name, parameter.name) for name, p in part.settings.items()]
    return owned, flat


def _owned(parameter: inspect.Parameter, chosen: Callable[..., Any] | None) -> _Owned | None:
    """The part that a parameter takes, if any."""
    marked = [mark.of for mark in _marks(parameter.annotation) if isinstance(mark, Part)]
    if chosen or marked:
        part = chosen or marked[0]
        return _Owned(part, False, settings_of(part))
    part = parameter.annotation
    if inspect.isclass(part) and (settings := settings_of(part)):
        return _Owned(part, True, settings)
    return None


def _flat(parameter: inspect.Parameter, name: str, part: str) -> inspect.Parameter:
    """A part's parameter as a keyword-only setting of the whole."""
    setting = _setting(parameter)
    assert setting is not None
    described = replace(setting, part=setting.part or part)
    annotated: Any = Annotated[parameter.annotation, described]
    return parameter.replace(name=name, kind=parameter.KEYWORD_ONLY, annotation=annotated)


def _setting(parameter: inspect.Parameter) -> Setting | None:
    """How an argument is described, if it is; what is said last counts."""
    marks = [mark for mark in _marks(parameter.annotation) if isinstance(mark, Setting)]
    return marks[-1] if marks else None


# ---- described


def described(function: Callable[..., Any]) -> list[Described]:
    """All settings of a function, those of a part together."""
    found = [_described(p, function.__name__) for p in _keyword_only(function).values()]
    order = list(dict.fromkeys(each.part for each in found))
    return sorted(found, key=lambda each: order.index(each.part))


def _described(parameter: inspect.Parameter, otherwise: str) -> Described:
    setting = _setting(parameter) or Setting("")
    needs = tuple(need.wanted() for need in _needs(parameter))
    values = values_of(parameter.annotation)
    return Described(parameter.name, setting.part or otherwise, parameter.default, values, setting.sentence, needs)


def values_of(annotation: Any) -> str:
    """The values that a type takes, in a few words: its choices, or its kind and range."""
    for mark in _marks(annotation):
        if (registry := getattr(mark, "registry", None)) is not None:
            return ", ".join(registry)
    bare = get_args(annotation)[0] if _marks(annotation) else annotation
    if isinstance(bare, UnionType) or get_origin(bare) is Union:
        return " or ".join(values_of(each) for each in get_args(bare) if each is not type(None))
    return _values(TypeAdapter(annotation).json_schema())


def _values(schema: Mapping[str, Any]) -> str:
    """The values that a JSON schema allows."""
    if "enum" in schema or "const" in schema:
        return ", ".join(schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"{len(schema['prefixItems'])} of: {_values(schema['prefixItems'][0])}"
    if "items" in schema:
        return f"any of: {_values(schema['items'])}"
    return {"boolean": "true, false", "string": "a text"}.get(schema["type"]) or _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    """The range of a number."""
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    bounds = [f"{word} {schema[key]:,}" for key, word in words.items() if key in schema]
    return " ".join([kind, *([" and ".join(bounds)] if bounds else [])])


def _shown(value: Any) -> str:
    """A value as a person would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_shown, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
