"""Comparisons for people: a table for the terminal, one in Markdown, and a page with plots."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from condgen.evaluation.comparison.columns import FRECHET, OBEYED, Place, Quantity
from condgen.evaluation.comparison.comparison import LEVEL, Comparison, Standing, TableCell, TableRow, dumps
from condgen.evaluation.comparison.settings import text
from condgen.files import write_text
from condgen.pages.charts import Scale, scale
from condgen.pages.html import Sheet, fill
from condgen.pages.side_by_side import side_by_side

NAME = "comparison"  # name of the files
NOTHING = "–"
Point = tuple[float, float]


def save(comparison: Comparison, folder: Path) -> Path:
    """Write comparison.html, .md and .json into a folder, replacing older ones, and return the path of the page.

    The page has samples of runs that are still in their folders.

    Raises RunError if they cannot be written.
    """
    write_text(folder / f"{NAME}.json", dumps(comparison) + "\n")
    write_text(folder / f"{NAME}.md", markdown(comparison))
    return write_text(folder / f"{NAME}.html", page(comparison, side_by_side(comparison)))


def table(comparison: Comparison) -> Table:
    """The table for a terminal, without its `captions`."""
    shown = comparison.shown("terminal")
    made = Table("", "seeds", *(q.heading for q in shown), box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in made.columns[1:]:
        column.justify = "right"
    for row in comparison.rows:
        cells = [Text(*_styled(row.cells.get(q.name), q)) for q in shown]
        made.add_row(Text(row.title), seeds(row), *cells)
    return made


def _styled(cell: TableCell | None, quantity: Quantity) -> tuple[str, str]:
    return summary(cell, quantity), "bold" if cell and cell.best else ""


def markdown(comparison: Comparison) -> str:
    """The table of the page, and its captions, in Markdown."""
    shown = comparison.shown("page")
    lines = [["", "seeds", *(q.heading for q in shown)], [":--", *["--:"] * (len(shown) + 1)]]
    lines += [
        [row.title, seeds(row), *(_emphasised(row.cells.get(q.name), q) for q in shown)] for row in comparison.rows
    ]
    rows = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
    return "\n".join([*rows, "", *(f"{caption}\n" for caption in captions(comparison))])


def _emphasised(cell: TableCell | None, quantity: Quantity) -> str:
    written = summary(cell, quantity)
    return f"**{written}**" if cell and cell.best else written


def summary(cell: TableCell | None, quantity: Quantity) -> str:
    """A cell as text: mean ± standard deviation."""
    return quantity.summary(cell.mean, cell.sd) if cell else NOTHING


def seeds(row: TableRow) -> str:
    """The number of seeds, and of failures."""
    return f"{len(row.seeds)}" + (f", {len(row.failed)} failed" if row.failed else "")


def captions(comparison: Comparison, where: Place = "page") -> list[str]:
    """Notes for reading the table: the meaning of bold, undecided columns, failures, and the protocol."""
    found = [
        f"Mean ± standard deviation over seeds. Bold: better than every other row beyond noise (Welch's t-test, p < "
        f"{LEVEL:g} with Holm's correction for the number of rows). ÷ real: 1 is as good as real data."
    ]
    if any(row.settings.get("seconds") for row in comparison.rows):
        found.append("Trained for a time: the number of images depends on the machine's other work.")
    shown = comparison.shown(where)
    found += [told(standing) for standing in comparison.standings if standing.quantity in shown]
    if len(comparison.rows) > 1 and (few := [row.label for row in comparison.rows if len(row.seeds) == 1]):
        found.append(f"One seed says nothing about noise ({', '.join(few)}). Train more seeds before naming a winner.")
    found += [failure for row in comparison.rows for failure in row.failed]
    protocol = ", ".join(f"{name} {text(value)}" for name, value in asdict(comparison.protocol).items())
    return [*found, f"All measured by one protocol: {protocol}."]


def told(standing: Standing) -> str:
    """A standing in one sentence."""
    title, leader = standing.quantity.title, standing.leader
    worse, even = ", ".join(standing.worse), ", ".join(standing.even)
    if not worse:
        return f"{title}: no row is the best beyond noise; {leader} has the best mean, within noise of {even}."
    within = f"; {even} within noise of it" if even else ""
    return f"{title}: {worse} worse than {leader} by more than noise{within}."


# ---- the page


def page(comparison: Comparison, samples: Sheet | None = None) -> str:
    """The comparison as one self-contained HTML file. samples: of its runs, see `side_by_side`."""
    shown = comparison.shown("page")
    return fill(
        "comparison.html",
        comparison=comparison,
        shown=shown,
        captions=captions(comparison)[:-1],  # the protocol is shown elsewhere
        measured_by=asdict(comparison.protocol),
        scatter=scatter(comparison),
        strips=[strip(comparison.rows, q) for q in shown],
        summary=summary,
        seeds=seeds,
        samples=samples,
        zip=zip,
    )


WIDTH, HEIGHT = 560, 340  # size of the plot in its own units
LEFT, BELOW, ABOVE, EDGE = 44, 44, 30, 14  # margins for numbers at the axes and marks at the edges
STRIP = 300  # width of a strip
INDENT, END = 24, 16  # margins for the rows' numbers and half a number at the end


@dataclass(frozen=True)
class Mark:
    """A row in the plot: its number in the table, its mean, the ends of its error bars, and its seeds."""

    number: int
    label: str
    at: Point
    low: Point
    high: Point
    seeds: tuple[Point, ...]


@dataclass(frozen=True)
class Scatter:
    """Rows by two quantities."""

    x: Scale
    y: Scale
    across: Quantity
    up: Quantity
    marks: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT


def scatter(comparison: Comparison, across: Quantity = FRECHET, up: Quantity = OBEYED) -> Scatter | None:
    """Obedience against distance from real data. None if no row has both."""
    having = [
        (k, row.label, _in_unit(row.cells[across.name], across), _in_unit(row.cells[up.name], up))
        for k, row in enumerate(comparison.rows, 1)
        if {across.name, up.name} <= row.cells.keys()
    ]
    if not having:
        return None
    x = scale(_extent([cell for _, _, cell, _ in having]), LEFT, WIDTH - EDGE)
    y = scale(_extent([cell for _, _, _, cell in having]), HEIGHT - BELOW, ABOVE)
    return Scatter(x, y, across, up, tuple(_mark(k, label, (x, a), (y, b)) for k, label, a, b in having))


def _in_unit(cell: TableCell, quantity: Quantity) -> TableCell:
    """A cell's numbers in the unit of the axes."""
    return TableCell.of([value * quantity.unit for value in cell.values])


def _extent(cells: Sequence[TableCell]) -> list[float]:
    """All numbers that the axis must contain."""
    return list(chain.from_iterable((*_ends(cell), *cell.values) for cell in cells))


def _ends(cell: TableCell) -> Point:
    return cell.mean - (cell.sd or 0.0), cell.mean + (cell.sd or 0.0)


def _mark(number: int, label: str, across: tuple[Scale, TableCell], up: tuple[Scale, TableCell]) -> Mark:
    (x, of_x), (y, of_y) = across, up
    (left, right), (bottom, top) = _ends(of_x), _ends(of_y)
    paired = tuple((x(a), y(b)) for a, b in zip(of_x.values, of_y.values, strict=False))
    return Mark(number, label, (x(of_x.mean), y(of_y.mean)), (x(left), y(bottom)), (x(right), y(top)), paired)


@dataclass(frozen=True)
class Strip:
    """One quantity: per row its mean and its seeds on one axis. None and empty if it was not measured."""

    quantity: Quantity
    x: Scale
    rows: tuple[tuple[float | None, tuple[float, ...]], ...]
    width: int = STRIP


def strip(rows: Sequence[TableRow], quantity: Quantity) -> Strip:
    """Every seed of every row."""
    cells = [_in_unit(row.cells[quantity.name], quantity) if quantity.name in row.cells else None for row in rows]
    x = scale([v for cell in cells if cell for v in cell.values], INDENT, STRIP - END)
    places = [(x(cell.mean), tuple(x(v) for v in cell.values)) if cell else (None, ()) for cell in cells]
    return Strip(quantity, x, tuple(places))
