"""The pages that the code itself writes: one for every command, one for every family's settings, the presets.

MkDocs calls `on_config` and `on_files` (mkdocs.yml, `hooks`). The text comes from the command line's own help, so it
cannot go stale. `tests/docs/test_commands.py` holds that every option and every setting is there.
"""

import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import typer.main

from condgen.cli import app

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

    from condgen.parameters import Described


def on_config(config: "MkDocsConfig") -> "MkDocsConfig":
    """Adds a page per command to the navigation, behind the section's own first page."""
    assert config.nav is not None
    section = next(entry["Commands"] for entry in config.nav if "Commands" in entry)
    section.extend({f"condgen {name}": f"commands/{name}.md"} for name in commands())
    section.append({"Settings": [{name: f"settings/{name}.md"} for name in families()]})
    return config


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Adds the generated pages to those in the folder."""
    from mkdocs.structure.files import File

    for name in commands():
        files.append(File.generated(config, f"commands/{name}.md", content=command_page(name)))
    for name in families():
        files.append(File.generated(config, f"settings/{name}.md", content=settings_page(name)))
    files.append(File.generated(config, "commands/all-presets.md", content=presets_page()))
    return files


def commands() -> dict[str, Any]:
    """Every command of `condgen`, by name, in the order of its help."""
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def command_page(name: str) -> str:
    """The page of one command: its usage, its help, its arguments and options."""
    command = commands()[name]
    context = command.make_context(f"condgen {name}", [], resilient_parsing=True)
    parts = [f"# condgen {name}", f"```text\n{usage(command, context)}\n```", _paragraphs(command.help or "")]
    for heading, kind in (("Arguments", "argument"), ("Options", "option")):
        entries = [_entry(p, context) for p in command.params if p.param_type_name == kind]
        parts += [f"## {heading}", *entries] if entries else []
    return "\n\n".join(parts) + "\n"


def usage(command: Any, context: Any) -> str:
    """The line that says in what order arguments come."""
    pieces = [piece.strip("{}") for piece in command.collect_usage_pieces(context)]
    return " ".join([context.command_path, *pieces])


def _entry(parameter: Any, context: Any) -> str:
    """One argument or option as an entry of a definition list: how it is written, then what it does."""
    written, said = parameter.get_help_record(context)
    if parameter.param_type_name == "argument":
        written = written.partition(" <")[0]  # an argument's type says nothing that its name does not
    return f"`{written}`\n:   {_literal(said)}"


def _paragraphs(text: str) -> str:
    return _literal(re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip()))


def _literal(text: str) -> str:
    """Help as Markdown: what Markdown would take for markup is kept as it is, but code in backquotes stays code."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else _escaped(p) for p in pieces)


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_\[\]])", r"\\\1", text).replace("<", "&lt;")


def families() -> list[str]:
    """Every family of models."""
    from condgen.models import FAMILIES

    return list(FAMILIES)


def settings_page(name: str) -> str:
    """The settings of one family and of its training, by the part they belong to."""
    from condgen.models import FAMILIES
    from condgen.parameters import described
    from condgen.runs.settings import settings_of_training

    family = FAMILIES[name]
    lead = f"{_literal(family.sentence)}\n\nGive a setting with `--set KEY=VALUE`, or in Python as a keyword argument."
    parts = [f"# Settings of {name}", lead]
    for prefix, settings in (("", described(family.builder)), ("Training: ", settings_of_training(name))):
        for part, members in groupby(settings, key=lambda setting: setting.part):
            parts += [f"## {prefix}{part}", *map(_setting, members)]
    return "\n\n".join(parts) + "\n"


def _setting(setting: "Described") -> str:
    """One setting as an entry of a definition list."""
    default = "" if setting.default in (None, (), []) else f" = {json.dumps(setting.default)}"
    needs = f" Takes effect only with {' and '.join(setting.needs)}." if setting.needs else ""
    return f"`{setting.name}{default}`\n:   {_literal(setting.sentence + needs)} Takes {_literal(setting.values)}."


def presets_page() -> str:
    """The page of presets, with the expected result and time of each."""
    return "\n\n".join(["# Presets", PRESETS_LEAD, *_presets()]) + "\n"


PRESETS_LEAD = (
    "A preset is a set of settings with a name: `condgen train DATA --preset digits --out RUN`. Your options override "
    "its entries. “Expected” is the result of a preset, measured by the benchmark that is named, or an estimate that "
    "says so."
)


def _presets() -> Iterator[str]:
    from condgen.presets import PRESETS

    for name, preset in PRESETS.items():
        settings = " ".join(f"`{k}={v}`" for k, v in preset.items() if k not in ("model", "expect"))
        yield f"## {name}\n\nModel: `{preset['model']}`. Expected: {_literal(str(preset['expect']))}.\n\n{settings}"
