"""Sections that need only the run: samples by request, sweeps of attributes and of guidance."""

from dataclasses import replace
from itertools import combinations

import torch

from condgen.models.abilities import Guided
from condgen.models.registry import instead
from condgen.pages.gallery.asking import common, every_value, rare
from condgen.pages.gallery.look import ROWS, GalleryContext, alike, steps
from condgen.pages.gallery.panels import Panel, PanelRow, Section
from condgen.requests.request import Request
from condgen.schema import Attribute, Condition

WEIGHTS = (0, 1, 2, 3, 5, 8)  # guidance weights
GUIDED = 3  # number of requests in the sweep of guidance
GRIDS = 3  # number of pairs of attributes
ACROSS, DOWN = 8, 6  # values of the two attributes of a pair


# ---- samples by request


def by_request(look: GalleryContext) -> Section:
    """Contact sheets: the first samples of each request."""
    if not look.conditional:
        groups = {"Samples": [Request({}, "anything")]}
    elif look.asked:
        groups = {"As asked": list(look.asked)}
    else:
        groups = {
            "Every value": every_value(look),
            "The commonest combinations": common(look),
            "Rare combinations": rare(look),
        }
    panels = tuple(_contact_sheet(look, title, asked) for title, asked in groups.items() if asked)
    return Section("requests", "Samples by request", "Not chosen: the first samples of each request.", panels)


def _contact_sheet(look: GalleryContext, title: str, asked: list[Request]) -> Panel:
    rows = []
    for request in asked:
        (made,) = look.run.stream([request], look.columns, look.seed, look.columns, look.sampling)
        rows.append(look.row(request.text, made.x, request.asked_of(made.condition)))
    texts = [r.text for r in asked if r.constraints]
    command = look.command("sample", *texts, n=look.columns, seed=look.seed, out="samples")
    return Panel(title, "Images in one column have the same noise.", tuple(rows), (command,))


# ---- sweeps of attributes


def sweeps(look: GalleryContext) -> Section:
    """One attribute at a time over its values with all else fixed, then two at once."""
    if not look.conditional:
        return Section("sweeps", "One thing changed", "", (), "This model has no attributes that could be varied.")
    panels = [_sweep(look, a) for a in look.attributes]
    panels += [_grid(look, a, b) for a, b in [*combinations(look.attributes, 2)][:GRIDS]]
    note = "Within a row only one attribute changes. The noise and all other attributes stay."
    return Section("sweeps", "One thing changed", note, tuple(panels))


def _sweep(look: GalleryContext, a: Attribute) -> Panel:
    """Rows with one noise and one set of other attributes each, and columns with one value each."""
    values, base, seeds = steps(look.joint, a), look.base(ROWS), look.seeds(ROWS)
    asked = Condition.cat([base.with_codes(a.name, alike(code, ROWS)) for _, code in values])
    x = look.made(asked, seeds.repeat(len(values)))
    order = torch.arange(len(asked)).view(len(values), ROWS).T
    rows = [look.row(_rest(base[k : k + 1], a), x[index], look.shown(asked[index], a)) for k, index in enumerate(order)]
    commands = [_again(look, asked[index], int(seed)) for index, seed in zip(order, seeds, strict=True)]
    return Panel(a.name, "", tuple(rows), tuple(commands), tuple(f"{a.name}={name}" for name, _ in values))


def _grid(look: GalleryContext, a: Attribute, b: Attribute) -> Panel:
    """Every value of one attribute (rows) with every value of another (columns), with one noise."""
    base, down, across = look.base(1), steps(look.joint, a, DOWN), steps(look.joint, b, ACROSS)
    rows, commands = [], []
    for name, code in down:
        fixed = base.with_codes(a.name, alike(code, 1))
        asked = Condition.cat([fixed.with_codes(b.name, alike(other, 1)) for _, other in across])
        x = look.made(asked, look.seeds(1).repeat(len(asked)))
        rows.append(look.row(f"{a.name}={name}", x, look.shown(asked, a, b)))
        commands.append(_again(look, asked, look.seed))
    heads = tuple(f"{b.name}={name}" for name, _ in across)
    rest = _rest(base, a, b)
    note = f"One noise for all, and {rest}." if len(look.run.schema) > 2 else "One noise for all."
    return Panel(f"{a.name} and {b.name}", note, tuple(rows), tuple(commands), heads)


def _rest(condition: Condition, *but: Attribute) -> str:
    """The other attributes of a condition, at most six of them, as text."""
    names = [name for name in condition.schema.names if name not in {a.name for a in but}]
    text = condition.select(names[:6]).describe()[0] if names else "nothing else asked"
    return text + ", …" * (len(names) > 6)


def _again(look: GalleryContext, asked: Condition, seed: int) -> str:
    return look.command("sample", *asked.describe(), n=1, seed=seed, out="samples")


# ---- sweeps of guidance


def guidance(look: GalleryContext) -> Section:
    """The same noise under increasing guidance."""
    title = "Guidance"
    if not isinstance(look.run.model, Guided):
        other = instead(Guided, look.run.schema, "does")
        return Section("guidance", title, "", (), f"This model takes no guidance{other}.")
    asked = list(look.asked) or [*every_value(look)[-1:], *common(look)[:1], *rare(look)[:1]]
    note = "One noise per row. 0 leaves the request out, 1 is plain conditional, more exaggerates what was asked."
    return Section("guidance", title, note, tuple(_guided(look, r) for r in asked[:GUIDED] if r.constraints))


def _guided(look: GalleryContext, request: Request) -> Panel:
    looks = [look.under(weight) for weight in WEIGHTS]
    made = [next(each.run.stream([request], ROWS, each.seed, ROWS, each.sampling)) for each in looks]
    rows = tuple(
        look.row(
            f"seed {look.seed + k}",
            torch.stack([each.x[k] for each in made]),
            request.asked_of(Condition.cat([each.condition[k : k + 1] for each in made])),
        )
        for k in range(ROWS)
    )
    commands = tuple(each.command("sample", request.text, n=ROWS, seed=each.seed, out="samples") for each in looks)
    return Panel(request.text, "", _without_remarks(rows), commands, tuple(f"guidance {w}" for w in WEIGHTS))


def _without_remarks(rows: tuple[PanelRow, ...]) -> tuple[PanelRow, ...]:
    """Rows without the count of correct readings, which is meaningless if some pictures are not asked for the
    attribute.
    """
    return tuple(replace(row, remark="") for row in rows)
