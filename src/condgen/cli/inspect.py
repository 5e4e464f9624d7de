"""`condgen inspect`: an inspection of data before training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condgen.cli.options import (
    Attributes,
    Data,
    DataDir,
    Json,
    Resize,
    SchemaFile,
    Size,
    folder_option,
    names,
    progress,
    say,
)
from condgen.cli.spelling import spell

if TYPE_CHECKING:
    from rich.console import Console

    from condgen.inspection import Balance, Inspection
    from condgen.inspection.labels import LabelCheck

BAR = 24  # characters of a full bar
MOST_LINES = 12  # largest number of values per attribute in the terminal


def inspect(
    data: Data,
    attributes: Attributes = None,
    size: Size = None,
    schema: SchemaFile = None,
    data_dir: DataDir = None,
    resize: Resize = "crop",
    labels: Annotated[
        bool, typer.Option("--labels", help="Estimate which labels are wrong. Takes about a minute.")
    ] = False,
    out: Annotated[Path | None, folder_option("Folder for schema.json, inspection.html and inspection.json.")] = None,
    as_json: Json = False,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="With --json: add a picture of each value, as a data URI.")
    ] = False,
) -> None:
    """Show how condgen reads DATA: attributes, counts, balance, problems, what to train, and the time it takes."""
    from condgen.errors import RequestError
    from condgen.inspection import inspect as look
    from condgen.inspection.labels import check_inspected
    from condgen.pages.inspection_files import as_json as written
    from condgen.pages.inspection_files import save

    if pictures and not as_json:
        raise RequestError("--pictures adds to the output of --json; give both. --out DIR writes a page with pictures.")
    chosen = None if attributes is None else names(attributes)
    how: dict[str, Any] = {"data_dir": data_dir, "resize": resize, "schema": schema}
    found = look(data, attributes=chosen, size=size, **how)
    if labels and not found.attributes:
        raise RequestError("There are no labels, of which some could be wrong. Leave out --labels.")
    found = found.timed()
    found = replace(found, problems=tuple(map(spell, found.problems)), advice=tuple(map(spell, found.advice)))
    checks = check_inspected(found, progress()) if labels else ()
    kept = save(found, checks, out) if out else []
    if as_json:
        print(written(found, checks, pictures), end="")
    else:
        _show(found, checks)
    for line in kept:
        say(line)


def _show(found: "Inspection", checks: "tuple[LabelCheck, ...]") -> None:
    from rich.console import Console

    from condgen.inspection.columns import UNASKED
    from condgen.inspection.labels import sentences

    console = Console(markup=False, emoji=False, highlight=False)  # names may contain brackets and colons
    sizes = ", ".join(f"{n:,} {name}" for name, n in found.examples.items())
    console.print(f"{found.material.source}: shape {found.shape}; {sizes}")
    if found.attributes:
        _show_attributes(console, found.attributes)
    unasked = [c.name for c in found.columns if c.role == "left out" and UNASKED in c.why]
    if unasked:
        console.print(f"Left out, since others were chosen: {', '.join(unasked)}.")
    for column in found.columns:
        if not column.used and column.name not in unasked:
            role = "" if column.role == "left out" else f", {column.role}"
            console.print(f"Left out: {column.name}{role} ({column.why}).")
    if len(found.attributes) > 1 and found.together.possible:
        console.print(f"{found.together.present:,} of {found.together.possible:,} combinations of named values occur.")
    _show_list(console, "Notes", found.remarks)
    _show_list(console, "What is wrong", [*found.problems, *sentences(checks)])
    _show_list(console, "What to do", found.to_do)


def _show_list(console: "Console", title: str, lines: Sequence[str]) -> None:
    if lines:
        console.print(f"\n{title}:", style="bold")
    for line in lines:
        console.print(spell(f"• {line}"), soft_wrap=True)


def _show_attributes(console: "Console", attributes: "Sequence[Balance]") -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="dim")
    for heading in ("attribute", "kind", "value", "share of the training part", "", "missing"):
        table.add_column(heading, justify="right" if heading in ("", "missing") else "left", overflow="fold")
    for b in attributes:
        for k, (value, bar, n) in enumerate(_lines(b)):
            missing = f"{b.missing:,}" if b.missing else ""
            table.add_row(*((b.name, b.kind) if k == 0 else ("", "")), value, bar, n, missing if k == 0 else "")
    console.print(table)


def _lines(b: "Balance") -> list[tuple[str, str, str]]:
    """(value, bar, count) of an attribute, one line per value. Numbers and yes/no take one line."""
    if not b.counts:
        if not b.quartiles:
            return [("", "", f"{b.known:,} known")]
        low, first, middle, third, high = b.quartiles
        spread = f"{low:.6g} … {high:.6g}"
        return [(spread, _profile(b.histogram), f"median {middle:.6g}, half in {first:.6g} … {third:.6g}")]
    shown = list(b.counts.items()) if list(b.counts) != ["no", "yes"] else [("yes", b.counts["yes"])]
    if len(shown) > MOST_LINES:
        shown = sorted(shown, key=lambda each: -each[1])[:MOST_LINES]
    lines = [(value, _bar(n / max(b.known, 1)), f"{n:,} ({100 * n / max(b.known, 1):.0f} %)") for value, n in shown]
    rest = len(b.counts) - MOST_LINES
    return [*lines, (f"… and {rest:,} more values", "", "")] if rest > 0 else lines


def _bar(share: float) -> str:
    """A bar of up to BAR characters, with a resolution of an eighth of a character."""
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _profile(histogram: "Sequence[int]") -> str:
    """A histogram in one line."""
    top = max(*histogram, 1)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * n / top)] if n else " " for n in histogram)
