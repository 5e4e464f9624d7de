"""Keyword arguments as configuration: described at their declaration, validated, saved as JSON, and used to call again.

A setting is a keyword-only argument. Its annotation describes it:

    width: Annotated[Count, Setting("Width of the flow's hidden layers.", name="prior_width"), Needs(prior="flow")]

A part is a class or function with settings of its own. A function that takes parts is flattened by `composed`: it is
called with the settings of its parts, and passes each finished part on.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from condgen.errors import RequestError, shorten, unknown

FINITE = ConfigDict(allow_inf_nan=False)
Function = TypeVar("Function", bound=Callable[..., Any])
Data = tuple[Any, tuple[int, ...]]  # the schema, and the shape of one observation


def _parts(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Listed = BeforeValidator(_parts)  # marks an argument of several values, given as comma-separated text


@dataclass(frozen=True)
class Setting:
    """Describes an argument, in its annotation.

    sentence: one plain sentence.
    name: of the setting, if it differs from the argument's.
    part: the part it belongs to, by default the parameter that takes the part.
    """

    sentence: str
    name: str = ""
    part: str = ""


class Needs:
    """Marks an argument that has an effect only if another argument has a certain value. One of several is enough.

    A text is the value itself: `Needs(prior="flow")`. Any other value stands for all values except zero and None, and
    appears in the error: `Needs(embedding=64)`. None stands for an argument that is left out. If there are several
    marks, all must be met.
    """

    def __init__(self, **others: Any):
        self.others = others

    def met(self, arguments: Mapping[str, Any], data: Data | None) -> bool:
        """Whether an argument has an effect beside these."""
        return any(self._has(arguments.get(name), wanted) for name, wanted in self.others.items())

    def wanted(self) -> str:
        """The requirement, in a few words."""
        return " or ".join(self._wanted(name, wanted) for name, wanted in self.others.items())

    def unmet(self, arguments: Mapping[str, Any]) -> str:
        """The reason why an argument has no effect, and the remedy."""
        there = " and ".join(f"{name}={_shown(arguments.get(name))}" for name in self.others)
        ways = [f"leave out `{n}`" if v is None else f"set `{n}={v!r}`" for n, v in self.others.items()]
        return f"takes effect only with {self.wanted()}, and here {there}; {' or '.join(ways)}, or"

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
    """Marks an argument that has an effect only for some data. what: that data. lacking: the statement that it is
    absent.
    """

    what: str
    lacking: str
    has: Callable[[Any, tuple[int, ...]], bool]

    def met(self, arguments: Mapping[str, Any], data: Data | None) -> bool:
        """Whether the data is of that kind. True as long as no data is known."""
        return data is None or self.has(*data)

    def wanted(self) -> str:
        """The requirement, in a few words."""
        return self.what

    def unmet(self, arguments: Mapping[str, Any]) -> str:
        """The reason why an argument has no effect."""
        return f"is for {self.what}, and {self.lacking};"


@dataclass(frozen=True)
class Part:
    """Marks a parameter that gets a part with its settings filled in, to be called with the remaining arguments."""

    of: Callable[..., Any]


@dataclass(frozen=True)
class Described:
    """A description of a setting: its name, part, default, values, sentence and requirements."""

    name: str
    part: str
    default: Any
    values: str
    sentence: str
    needs: tuple[str, ...]


# ---- checked


def keyword_arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """The names and defaults of a function's keyword-only arguments, which are its settings."""
    return {name: parameter.default for name, parameter in _keyword_only(function).items()}


def validated(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All keyword-only arguments of a function: the given ones converted to their types, and defaults for the rest.

    Raises RequestError for an unknown name (with the nearest valid ones), a value that does not fit, or a missing
    argument without a default.
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
    """The arguments of `validated` that have an effect, on this data if it is known.

    Raises RequestError for a given argument without effect, with the remedy. Without `strict` such arguments are
    dropped. None stands for an argument that was not given.
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


def registries(function: Callable[..., Any]) -> dict[str, Any]:
    """The settings of a function that are names in a registry, with that registry."""
    found = {name: _registry(parameter.annotation) for name, parameter in _keyword_only(function).items()}
    return {name: registry for name, registry in found.items() if registry is not None}


def _registry(annotation: Any) -> Any:
    """The registry in whose names a type consists, or None. It may be part of a union."""
    own = (getattr(mark, "registry", None) for mark in _marks(annotation))
    inner = (_registry(each) for each in get_args(annotation))
    return next((registry for registry in (*own, *inner) if registry is not None), None)


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
        return TypeAdapter(parameter.annotation, config=FINITE).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in (parameter.name, *first["loc"]))
        if first["type"] == "literal_error":
            raise unknown(f"{name}:", value, re.findall(r"'([^']*)'", first["ctx"]["expected"])) from None
        if isinstance(reason := first.get("ctx", {}).get("error"), RequestError):  # it already contains the remedy
            raise RequestError(f"{name}: {reason}") from None
        raise RequestError(
            f"The argument {name}={shorten(repr(first['input']), 80)} of {_called(function)} is wrong: {first['msg']}."
        ) from None


# ---- composed


@dataclass(frozen=True)
class _Owned:
    """A part that a parameter takes: whether it is passed as an instance or as a callable, and its settings by name."""

    make: Callable[..., Any]
    ready: bool
    settings: dict[str, inspect.Parameter]

    def made(self, settings: dict[str, Any]) -> Any:
        """The part with its settings, which are removed from those of the whole."""
        chosen = {p.name: settings.pop(name) for name, p in self.settings.items()}
        return self.make(**chosen) if self.ready else partial(self.make, **chosen)


def composed(
    name: str = "", summary: str = "", parts: Mapping[str, Callable[..., Any]] | None = None, **defaults: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn a function of parts into a function of their settings, flat and keyword-only.

    A parameter takes a part if its annotation is a class with settings (it gets an instance) or is marked `Part` (it
    gets the part as a callable).
    parts: other parts for some parameters, passed as callables.
    defaults: of settings, if they differ from the part's own.
    name, summary: of the function, if they differ from its own.
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

        assembled.__dict__["__signature__"] = inspect.Signature(flat)
        assembled.__name__ = assembled.__qualname__ = name or function.__name__
        assembled.__module__ = function.__module__
        assembled.__doc__ = "\n\n".join(filter(None, [summary, function.__doc__]))
        return assembled

    return decorate


def settings_of(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The described parameters of a part, by the names of their settings."""
    try:
        parameters = inspect.signature(part, eval_str=True).parameters.values()
    except (TypeError, ValueError):  # without a signature there are no settings
        return {}
    found = {p.name: (p, _setting(p)) for p in parameters}
    return {s.name or name: p for name, (p, s) in found.items() if s is not None}


def _divided(
    function: Callable[..., Any], chosen: Mapping[str, Callable[..., Any]]
) -> tuple[dict[str, _Owned], list[inspect.Parameter]]:
    """The parts that a function takes, and its parameters with those of the parts in their places."""
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
    """The description of an argument, if it has one. The last one counts."""
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
    """The values of a type, in a few words: its choices, or its kind and range."""
    for mark in _marks(annotation):
        if (registry := getattr(mark, "registry", None)) is not None:
            return ", ".join(registry)
    bare = get_args(annotation)[0] if _marks(annotation) else annotation
    if isinstance(bare, UnionType) or get_origin(bare) is Union:
        return " or ".join(values_of(each) for each in get_args(bare) if each is not type(None))
    return _values(TypeAdapter(annotation).json_schema())


def _values(schema: Mapping[str, Any]) -> str:
    """The values that a JSON schema allows, in a few words."""
    if "enum" in schema or "const" in schema:
        return ", ".join(schema.get("enum", [schema.get("const")]))
    if "prefixItems" in schema:
        return f"{len(schema['prefixItems'])} of: {_values(schema['prefixItems'][0])}"
    if "items" in schema:
        return f"any of: {_values(schema['items'])}"
    return {"boolean": "true, false", "string": "a text"}.get(schema["type"]) or _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    """The range of a number, in a few words."""
    kind = "a whole number" if schema["type"] == "integer" else "a number"
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    bounds = [f"{word} {schema[key]:,}" for key, word in words.items() if key in schema]
    return " ".join([kind, *([" and ".join(bounds)] if bounds else [])])


def _shown(value: Any) -> str:
    """A value as text for people."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_shown, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
