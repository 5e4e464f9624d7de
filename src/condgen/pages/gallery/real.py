"""Sections that need the data: edits of held-out photographs, and the training images nearest to samples."""

import torch
from torch import Tensor

from condgen.data import Dataset, as_float
from condgen.evaluation.metrics.memorisation import nearest
from condgen.evaluation.subject import counterfactual
from condgen.models.abilities import Edits
from condgen.models.registry import instead
from condgen.pages.gallery.look import GalleryContext
from condgen.pages.gallery.panels import Panel, PanelRow, Section
from condgen.requests.request import Request
from condgen.rng import Rng
from condgen.runs.editing import EditOptions, edited
from condgen.schema import Condition

PHOTOGRAPHS = 6
NEAREST = 3
AMONG = 30_000  # largest number of training images in the search, drawn at random


# ---- edits


def edits(look: GalleryContext) -> Section:
    """Held-out photographs, their reconstructions, and edits of each attribute."""
    title = "Edits of photographs"
    if not isinstance(look.run.model, Edits):
        other = instead(Edits, look.run.schema, "can")
        return Section("edits", title, "", (), f"This model cannot edit photographs{other}.")
    if look.data is None or look.data.schema != look.run.schema:
        return Section("edits", title, "", (), look.no_data)
    originals = _photographs(look.data.test)
    if not len(originals):
        return Section("edits", title, "", (), "No held-out photograph has all its labels.")
    note = "The model was not trained on these photographs. Only the requested change should differ from the original."
    ways = {"The change added to the original": EditOptions(), "All decoded anew": EditOptions(decoded=True)}
    suited = look.editing
    panels = [_edits(look, t, originals, how) for t, how in sorted(ways.items(), key=lambda way: way[1] != suited)]
    return Section("edits", title, note, tuple(panels))


def _photographs(test: Dataset) -> Dataset:
    """The first held-out observations with all their labels."""
    usable = test.condition.present.all(1).nonzero()[:PHOTOGRAPHS, 0]
    return Dataset(test.take(usable), test.condition[usable].hard())


def _edits(look: GalleryContext, title: str, originals: Dataset, how: EditOptions) -> Panel:
    x, source = as_float(originals.x), originals.condition
    targets = _targets(look, source)
    made = [edited(look.run.model, x, source, target, how) for target in targets.values()]
    frames = torch.stack([x, edited(look.run.model, x, source, source, EditOptions(decoded=True)), *made], 1)
    rows = tuple(
        _edited(look, frames[k], [t[k : k + 1] for t in targets.values()], source[k : k + 1]) for k in range(len(x))
    )
    way = "--decoded" if how.decoded else f"--strength {how.strength:g}"
    command = look.command(
        "edit", "PHOTO.png", next(iter(targets), "…") if look.asked else "ATTRIBUTE=VALUE", out="edited"
    )
    commands = (look.section("edits"), f"{command} {way}")
    return Panel(title, "", rows, commands, ("original", "decoded", *targets))


def _targets(look: GalleryContext, source: Condition) -> dict[str, Condition]:
    """The target conditions of the photographs: the requests, or each attribute with another value."""
    if look.asked:
        return {r.text: _changed(look, r, source) for r in look.asked}
    return {a.name: counterfactual(source, a.name, look.seed) for a in look.attributes}


def _changed(look: GalleryContext, request: Request, source: Condition) -> Condition:
    """The photographs' conditions, changed by a request."""
    return source.update(request.draw(look.joint, Rng(look.seeds(len(source)).tolist()), fill=False))


def _edited(look: GalleryContext, frames: Tensor, targets: list[Condition], source: Condition) -> PanelRow:
    """A photograph, its reconstruction and its edits, each with its change and the judge's reading."""
    (before,) = source.rows()
    told = [_difference(before, target.rows()[0]) for target in targets]
    row = look.row("", frames[2:], Condition.cat(targets), told)
    return PanelRow(source.describe()[0], frames, ("", "", *row.captions), row.remark)


def _difference(before: dict[str, str | None], after: dict[str, str | None]) -> str:
    return ", ".join(f"{name}={value}" for name, value in after.items() if value != before[name]) or "no change"


# ---- nearest training images


def neighbours(look: GalleryContext) -> Section:
    """Samples beside their nearest training images, to show whether the model reproduces its training data."""
    title = "Nearest training images"
    if look.data is None:
        return Section("neighbours", title, "", (), look.no_data)
    request = look.asked[0] if look.asked and look.conditional else Request({}, "anything")
    (made,) = look.run.stream([request], PHOTOGRAPHS, look.seed, PHOTOGRAPHS, look.sampling)
    train = look.data.train
    some = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))[:AMONG]
    x = train.take(some)
    distance, index = nearest(made.x, x, min(NEAREST, len(x)))
    texts = made.condition.describe()
    rows = tuple(
        PanelRow(
            text,
            torch.cat([made.x[k : k + 1], as_float(x[index[k]])]),
            ("", *(f"at {d:.2f}" for d in distance[k].tolist())),
        )
        for k, text in enumerate(texts)
    )
    heads = ("sample", *(f"nearest {k + 1}" for k in range(index.shape[1])))
    among = f"all {len(train):,}" if len(x) == len(train) else f"{len(x):,} of {len(train):,}, drawn at random,"
    note = f"The first samples, each with its nearest among {among} training images, by pixels."
    asked = () if request.text == "anything" else (request.text,)
    command = look.command("sample", *asked, n=PHOTOGRAPHS, seed=look.seed, out="samples")
    panel = Panel(
        "",
        "A sample that nearly equals one of them is a copy. A new picture resembles several.",
        rows,
        (command,),
        heads,
    )
    return Section("neighbours", title, note, (panel,))
