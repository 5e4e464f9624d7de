"""`condgen edit`: given images with other attributes."""

from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condgen.cli.options import Out, RunFileOrServer, show_understood
from condgen.stores.copies import named

if TYPE_CHECKING:
    from condgen.requests.request import Request
    from condgen.runs.editing import EditOptions
    from condgen.runs.generator import Generator
    from condgen.schema import Condition


FROM = "--from must say what the images show"
ImagesAndRequest = Annotated[
    list[str], typer.Argument(metavar="IMAGE … REQUEST", help="Images, then the attributes to change.")
]
Source = Annotated[
    str | None, typer.Option("--from", help="Attributes of the images as they are. By default the model reads them.")
]
Strength = Annotated[
    str | None,
    typer.Option(
        help="Strength of the change that is added to the image, or auto: small ones are exaggerated. Default 1.5."
    ),
]
Decoded = Annotated[bool, typer.Option("--decoded", help="Decode the image anew instead of adding the change to it.")]
Mask = Annotated[
    Path | None, typer.Option(help="Image of where to change: white may change, black stays. Sized like the images.")
]


def edit(
    run: RunFileOrServer,
    images: ImagesAndRequest,
    out: Out,
    source: Source = None,
    strength: Strength = None,
    decoded: Decoded = False,
    mask: Mask = None,
) -> None:
    """Change attributes of given IMAGEs and keep the rest. The last argument is the change.

    Only the change is added to the image, so details that the model cannot encode stay sharp. A flow loses nothing and
    decodes the image anew. `condgen evaluate` measures edits of held-out images.

    RUN can be the address of a model that `condgen serve` serves, such as http://127.0.0.1:8000/digits.
    """
    from condgen.errors import RequestError
    from condgen.imprint import Origin
    from condgen.runs.addresses import open_generator
    from condgen.runs.generator import editor, name_of
    from condgen.runs.samples import save_samples
    from condgen.units import counted

    *paths, request = images
    if isfile(request):
        raise RequestError(
            f"The last argument is the change; {request} is a file. Say what to change after the images, as in "
            "'digit=7'."
        )
    if not paths:
        raise RequestError(
            "Name at least one image, then the attributes to change: condgen edit RUN a.png 'digit=7' --out DIR."
        )
    opened = open_generator(run)
    model = editor(opened)
    editing = _editing(strength, decoded)
    change = _one(opened, request, "edit one at a time")
    x = _observations(paths, opened)
    now = _condition(opened, source, x)
    where = None if mask is None else _mask(mask, opened)
    edited = model.edit(x, now, change, editing=editing, mask=where)
    origin = Origin([request], name_of(opened), opened.fingerprint, originals=[Path(path).name for path in paths])
    shown = save_samples(
        iter([edited]),
        opened.schema,
        [request],
        out,
        lambda folder: _before_after(x, edited.x, folder / "grid.png"),
        origin,
    )
    for path, before, after in zip(paths, now.describe(), edited.condition.describe(), strict=True):
        print(f"{path}: {before} → {after}")
    if same := [path for path, a, b in zip(paths, now.describe(), edited.condition.describe(), strict=True) if a == b]:
        seen = "--from says" if source else "the model reads (--from corrects it)"
        print(f"Nothing changes in {', '.join(same)}, which shows already what you ask for, as {seen}.")
    print(f"{counted(len(x), 'edited image')} in {named(out)}; look at {named(shown)}")


def _editing(strength: str | None, decoded: bool) -> "EditOptions | None":
    """The settings of edits given by options. None for those that suit the model."""
    from condgen.errors import RequestError
    from condgen.runs.editing import EditOptions, parse_strength

    if decoded and strength is not None:
        raise RequestError("--decoded makes the image anew, so there is no change for --strength to scale. Choose one.")
    if strength is not None:
        return EditOptions(strength=parse_strength(strength))
    return EditOptions(decoded=True) if decoded else None


def _observations(paths: list[str], opened: "Generator") -> Any:
    """The images as the model takes them. Prints notes on unusual ones. Raises RequestError for a model of vectors."""
    from condgen.data.storage.images import EncodedImage, Fit, pixels
    from condgen.data.storage.unusual import Survey
    from condgen.errors import RequestError
    from condgen.pixels import as_float

    if len(opened.shape) != 3:
        raise RequestError("This model makes vectors, not images; edit those from Python, with Run.edit.")
    channels, height, width = opened.shape
    files = [EncodedImage(path, Path(path)) for path in paths]
    survey = Survey.of(files)
    for note in survey.notes:
        print(note)
    return as_float(pixels(files, Fit("L" if channels == 1 else "RGB", width, height, top=survey.white)))


def _mask(path: Path, opened: "Generator") -> Any:
    """The share of change at every pixel, [height, width], in a grey image cut and resized as the images are."""
    from condgen.data.storage.images import EncodedImage, Fit, pixels
    from condgen.pixels import as_float

    height, width = opened.shape[1:]
    return as_float(pixels([EncodedImage(str(path), path)], Fit("L", width, height)))[0, 0]


def _condition(opened: "Generator", text: str | None, x: Any) -> "Condition":
    """The attributes of the images: those given by `--from` for all of them, else those that the model reads."""
    from condgen.errors import RequestError
    from condgen.runs.generator import editor, reader, vague

    if not text:
        return reader(opened).read(x)
    shown = _one(opened, text, FROM)
    if choice := vague(shown, opened.schema):
        raise RequestError(f"'{choice}' allows several values; {FROM}.")
    return editor(opened).stated(shown, len(x))


def _one(opened: "Generator", text: str, remedy: str) -> "Request":
    """The one request that a text stands for. Prints the interpretation of its words."""
    from condgen.errors import RequestError

    first, *others = show_understood(opened.requests(text))
    if others:
        raise RequestError(f"'{text}' stands for {1 + len(others)} requests; {remedy}.")
    return first


def _before_after(before: Any, after: Any, path: Path) -> None:
    """The grid of an edit: the images above, their edits below."""
    import numpy as np

    from condgen.arrays import to_numpy
    from condgen.pictures import grid, save_picture

    both: Any = np.concatenate([before, to_numpy(after)])
    save_picture(grid(both, len(before), ["before", "after"]), path)
