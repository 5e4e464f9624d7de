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
from condgen.units import whole

if TYPE_CHECKING:
    from rich.console import Console

    from condgen.inspection import Balance, Inspection
    from condgen.inspection.labels import LabelCheck

BAR, SHORTEST_BAR = 24, 8  # characters of a full bar, and in a narrow terminal
LONGEST_NAME, LONGEST_VALUE = 32, 20  # longer names of attributes, and longer values, may be folded
MISSING, COUNT = len("missing"), len("123,456 (78 %)")  # characters of these columns, the latter at least
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
    if len(found.attributes) > 1 and found.combinations:
        console.print(found.combinations)
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
    name, kind, value, full = _widths(console.width, attributes)
    for heading, width in (("attribute", name), ("kind", kind), ("value", value), ("share of all", full)):
        table.add_column(heading, overflow="fold", width=width)
    table.add_column("", overflow="fold", justify="right")
    table.add_column("missing", justify="right", width=MISSING)
    for b in attributes:
        for k, (shown, bar, n) in enumerate(_lines(b, full)):
            missing = f"{b.missing:,}" if b.missing else ""
            table.add_row(*((b.name, b.kind) if k == 0 else ("", "")), shown, bar, n, missing if k == 0 else "")
    console.print(table)


def _widths(console: int, attributes: "Sequence[Balance]") -> tuple[int, int, int, int]:
    """The widths of names, kinds, values and bars, of which bars give way. console: characters in a line."""
    name = min(max(len(text) for text in ("attribute", *(b.name for b in attributes))), LONGEST_NAME)
    kind = max(len(b.kind) for b in attributes)
    values = [value for b in attributes for value, _, _ in _lines(b, BAR)]
    value = min(max(map(len, ("value", *values))), LONGEST_VALUE)
    rest = console - name - kind - value - COUNT - MISSING - 5  # gaps
    return name, kind, value, max(SHORTEST_BAR, min(BAR, rest))


def _lines(b: "Balance", full: int) -> list[tuple[str, str, str]]:
    """(value, bar, count) of an attribute, one line per value. Numbers and yes/no take one line.

    full: characters of a full bar.
    """
    if not b.counts:
        if not b.quartiles:
            return [("", "", f"{b.known:,} known")]
        low, first, middle, third, high = b.quartiles
        spread = f"{low:.6g} … {high:.6g}"
        return [(spread, _profile(b.histogram, full), f"median {middle:.6g}, half in {first:.6g} … {third:.6g}")]
    shown = list(b.counts.items()) if list(b.counts) != ["no", "yes"] else [("yes", b.counts["yes"])]
    if len(shown) > MOST_LINES:
        shown = sorted(shown, key=lambda each: -each[1])[:MOST_LINES]
    shares = [(value, n, n / max(b.known, 1)) for value, n in shown]
    lines = [(value, _bar(share, full), f"{n:,} ({whole(share)} %)") for value, n, share in shares]
    rest = len(b.counts) - MOST_LINES
    return [*lines, (f"… and {rest:,} more values", "", "")] if rest > 0 else lines


def _bar(share: float, full: int) -> str:
    """A bar of up to `full` characters, with a resolution of an eighth of a character."""
    eighths = round(share * full * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _profile(histogram: "Sequence[int]", most: int) -> str:
    """A histogram in one line of so many characters at most."""
    bins = -(-len(histogram) // most)  # in one character
    heights = [sum(histogram[k : k + bins]) for k in range(0, len(histogram), bins)]
    top = max(*heights, 1)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * n / top)] if n else " " for n in heights)
