"""Settings and calls in messages, written as Python in backquotes. Every interface spells them its own way.

    in a message                        on the command line
    `lr=0.002`                          --set lr=0.002
    `model='cvae', latent=8`            --model cvae --set latent=8
    leave out `stream`                  leave out --stream
    `condgen.resume('digits-run')`      condgen resume digits-run
    `condgen.train(condgen.load('photos', size=64), out='run')`
                                        condgen train photos --size 64 --out run

A message reads well unchanged, in a notebook and in a file. An interface with another spelling passes it through
`spelled`.
"""

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

QUOTED = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Mention:
    """Settings, or a call, mentioned in a message.

    verb: the function of `condgen.verb(…)`. Empty for settings alone.
    arguments: of the call, which may be calls. Without a verb, names of settings that are mentioned without a value.
    settings: values by name.
    """

    verb: str
    arguments: tuple[object, ...]
    settings: dict[str, object]

    def __str__(self) -> str:
        return f"condgen.{self.verb}({', '.join([*map(_python, self.arguments), *_pairs(self.settings)])})"


@dataclass(frozen=True)
class Expression:
    """An argument that is mentioned as it stands, such as a reader's variable."""

    text: str

    def __str__(self) -> str:
        return self.text


def setting(**values: object) -> str:
    """The mention of settings with these values: `lr=0.002`."""
    return _quoted(", ".join(_pairs(values)))


def call(verb: str, *arguments: object, **settings: object) -> str:
    """The mention of a call: `condgen.resume('digits-run')`. Paths count as text."""
    return _quoted(str(Mention(verb, arguments, settings)))


def spelled(text: str, spelling: Callable[[Mention], str | None]) -> str:
    """A message with its mentions in an interface's spelling. Mentions for which `spelling` returns None stay
    unchanged.
    """

    def respelled(match: re.Match[str]) -> str:
        mention = _parsed(match[1])
        return (mention and spelling(mention)) or match[0]

    return QUOTED.sub(respelled, text)


def _pairs(values: Mapping[str, object]) -> list[str]:
    return [f"{name}={_python(value)}" for name, value in values.items()]


def _python(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mention | Expression):
        return str(value)
    return repr(value) if isinstance(value, int | list | tuple) else repr(str(value))


def _quoted(code: str) -> str:
    return "`" + code.replace("`", r"\x60") + "`"


def _parsed(code: str) -> Mention | None:
    """The mention in a piece of Python, or None for anything else."""
    try:
        parsed = ast.parse(code if code.startswith("condgen.") else f"_({code})", mode="eval").body
        return _called(parsed) if isinstance(parsed, ast.Call) else None
    except (SyntaxError, ValueError):
        return None


def _called(node: ast.Call) -> Mention:
    verb = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    settings = {k.arg: _value(k.value) for k in node.keywords if k.arg}
    return Mention(verb, tuple(map(_value, node.args)), settings)


def _value(node: ast.expr) -> object:
    """The value of a constant. A name (RUN, DATA) and a call of condgen stand for themselves."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("condgen."):
        return _called(node)
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
