"""`condgen edit`: given images with other attributes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condgen.cli.options import Out, RunOrFile, show_understood

if TYPE_CHECKING:
    from condgen.runs.editing import EditOptions
    from condgen.runs.run import Run
    from condgen.schema import Condition


def edit(
    run: RunOrFile,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE … REQUEST", help="Images, then the attributes to change.")
    ],
    out: Out,
    source: Annotated[
        str | None,
        typer.Option("--from", help="Attributes of the images as they are. By default the model reads them."),
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="Strength of the change that is added to the image. Default 1.5.")
    ] = None,
    decoded: Annotated[
        bool, typer.Option("--decoded", help="Decode the image anew instead of adding the change to it.")
    ] = False,
) -> None:
    """Change attributes of given IMAGEs and keep the rest. The last argument is the change.

    Only the change is added to the image, so details that the model cannot encode stay sharp. A flow loses nothing and
    decodes the image anew. `condgen evaluate` measures edits of held-out images.
    """

    from condgen.data import as_float
    from condgen.data.storage.images import EncodedImage, Fit, pixels
    from condgen.data.storage.unusual import Survey
    from condgen.errors import RequestError
    from condgen.runs.run import Run
    from condgen.runs.samples import save_samples

    *paths, request = images
    if not paths:
        raise RequestError(
            "Name at least one image, then the attributes to change: condgen edit RUN a.png 'digit=7' --out DIR."
        )
    opened = Run.open(run)
    opened.must_edit()
    editing = _editing(strength, decoded)
    change = show_understood(opened.requests(request))
    if len(change) > 1:
        raise RequestError(f"'{request}' stands for {len(change)} requests; edit one at a time.")
    if len(opened.model.shape) != 3:
        raise RequestError(f"{run} was trained on vectors, not on images; edit those from Python, with Run.edit.")
    channels, height, width = opened.model.shape
    files = [EncodedImage(p, Path(p)) for p in paths]
    survey = Survey.of(files)
    for note in survey.notes:
        print(note)
    fit = Fit("L" if channels == 1 else "RGB", width, height, top=survey.white)
    x = as_float(pixels(files, fit))
    now = _stated(opened, source, len(x)) if source else opened.read(x)
    edited = opened.edit(x, now, change[0], editing=editing)
    shown = save_samples(
        iter([edited]),
        opened.schema,
        [request],
        out,
        lambda folder: _before_after(x, edited.x, folder / "grid.png"),
    )
    for path, before, after in zip(paths, now.describe(), edited.condition.describe(), strict=True):
        print(f"{path}: {before} → {after}")
    print(f"{len(x)} edited image{'s' * (len(x) > 1)} in {out}; look at {shown}")


def _editing(strength: float | None, decoded: bool) -> "EditOptions | None":
    """The settings of edits given by options. None for those that suit the model."""
    from condgen.errors import RequestError
    from condgen.runs.editing import EditOptions

    if decoded and strength is not None:
        raise RequestError("--decoded makes the image anew, so there is no change for --strength to scale. Choose one.")
    if strength is not None:
        return EditOptions(strength=strength)
    return EditOptions(decoded=True) if decoded else None


def _stated(run: "Run", text: str, n: int) -> "Condition":
    """The condition given by `--from`, for every image."""
    from condgen.errors import RequestError

    asked = show_understood(run.requests(text))
    if len(asked) > 1:
        raise RequestError(f"--from '{text}' stands for {len(asked)} requests; it must say what the images show.")
    return run.stated(asked[0], n)


def _before_after(before: Any, after: Any, path: Path) -> None:
    """The grid of an edit: the images above, their edits below."""
    import torch

    from condgen.pictures import grid, save_picture

    save_picture(grid(torch.cat([before, after]), len(before), ["before", "after"]), path)
