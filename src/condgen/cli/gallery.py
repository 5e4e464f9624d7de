"""The command that shows a model's samples."""

from pathlib import Path
from typing import Annotated

import typer

from condgen.cli.options import (
    Guidance,
    Interval,
    OtherData,
    RunOrFile,
    Sampler,
    Steps,
    Trust,
    data_of,
    names,
    place_option,
    progress,
    sampling_by,
)
from condgen.stores.copies import named

SECTION_NAMES = "requests, sweeps, guidance, interpolations, edits, neighbours"


def gallery(
    run: RunOrFile,
    request: Annotated[
        list[str] | None, typer.Argument(metavar="REQUEST", help="Requests to show. By default the values in the data.")
    ] = None,
    out: Annotated[
        Path | None,
        place_option("File of the page, by default gallery.html in RUN. An older gallery is replaced."),
    ] = None,
    png: Annotated[
        Path | None,
        place_option("A new folder for the sheets as PNG files.", "--png"),
    ] = None,
    only: Annotated[str | None, typer.Option(help=f"Some sections: {SECTION_NAMES}.")] = None,
    n: Annotated[int, typer.Option("-n", help="Samples per request.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the first sample of every request. Sample k has SEED + k.")] = 0,
    data: OtherData = None,
    guidance: Guidance = None,
    interval: Interval = None,
    sampler: Sampler = None,
    steps: Steps = None,
    trust: Trust = False,
) -> None:
    """Show RUN as one page: samples, sweeps, interpolations, edits of photographs, nearest training images.

    If the model cannot do something, the page says so. If the cache holds a judge of the data (`condgen evaluate`
    trains one), it reads every picture, and differences from the request are written under it.
    """
    from condgen.api import with_data
    from condgen.files import must_be_writable
    from condgen.pages.gallery import GalleryContext, must_be_replaceable
    from condgen.pages.gallery import gallery as hang
    from condgen.runs.run import Run
    from condgen.units import counted

    opened = Run.open(run, trust=trust)
    page = out or opened.folder / "gallery.html"
    must_be_replaceable(page)
    must_be_writable(page.parent)
    look = GalleryContext(
        opened,
        tuple(opened.requests(request) if request else ()),
        seed=seed,
        columns=n,
        sampling=sampling_by(guidance, interval, sampler, steps),
    )
    hung = hang(with_data(look, data, data_of), names(only), progress())
    print(f"The gallery: {named(hung.save(page))} ({page.stat().st_size / 1e6:.1f} MB)")
    if png:
        print(f"{counted(len(hung.save_pictures(png)), 'sheet')} in {named(png)}")
