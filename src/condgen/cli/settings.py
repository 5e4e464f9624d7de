"""The command that lists settings of a family of models and of training."""

import textwrap
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condgen.cli.options import Json

if TYPE_CHECKING:
    from condgen.parameters import Described

WIDTH = 80
COLUMN = 30  # column of the values


def settings(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="A family of models, such as cvae.")] = None,
    as_json: Json = False,
) -> None:
    """List the settings of MODEL and of its training, by part. Without MODEL, list the models."""
    if model is None:
        _show_models(as_json)
    else:
        _show_settings(model, as_json)


def _show_models(as_json: bool) -> None:
    import json

    from condgen.models import FAMILIES

    sentences = {name: family.sentence for name, family in FAMILIES.items()}
    if as_json:
        print(json.dumps({"models": sentences}, indent=2, ensure_ascii=False))
        return
    width = max(map(len, sentences))
    for name, sentence in sentences.items():
        print(_wrapped(f"{name:{width}}  {sentence}", width + 2))
    print("\nThe settings of one: condgen settings MODEL. Set one with --set KEY=VALUE.")


def _show_settings(model: str, as_json: bool) -> None:
    import json

    from condgen.models import FAMILIES
    from condgen.parameters import described
    from condgen.runs.settings import settings_as_dict, settings_of_training

    if as_json:
        print(json.dumps(settings_as_dict(model), indent=2, ensure_ascii=False))
        return
    family = FAMILIES[model]
    print(_wrapped(f"{model}: {family.sentence}", 0))
    _show_parts("", described(family.builder))
    _show_parts("training: ", settings_of_training(model))


def _show_parts(prefix: str, found: "Iterable[Described]") -> None:
    for part, settings in groupby(found, key=lambda each: each.part):
        print(f"\n{prefix}{part}")
        for setting in settings:
            print(_entry(setting))


def _entry(setting: "Described") -> str:
    """A setting in a few lines: name, default and values, then its description and requirements."""
    default = "" if setting.default in (None, (), []) else f" = {_text(setting.default)}"
    first = f"  {setting.name}{default}".ljust(COLUMN - 2) + "  " + setting.values
    needs = f" Takes effect only with {' and '.join(setting.needs)}." if setting.needs else ""
    return f"{_wrapped(first, COLUMN)}\n{_wrapped(' ' * 6 + setting.sentence + needs, 6)}"


def _text(value: Any) -> str:
    """A default in the form for `--set`."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(_text, value)) if isinstance(value, list | tuple) else f"{value}"


def _wrapped(text: str, indent: int) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
