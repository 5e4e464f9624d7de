"""`condgen export`: a run in another form."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from condgen.cli.options import RunFolder, place_option
from condgen.stores.copies import named


def export(
    run: RunFolder,
    out: Annotated[
        Path,
        place_option("New file, such as digits.safetensors, or folder."),
    ],
    to: Annotated[str, typer.Option(help="Form of the export: weights, onnx, hub, space, web.")] = "weights",
    deblock: Annotated[
        bool, typer.Option("--deblock", help="Take out of images what their patches repeat. In weights.")
    ] = False,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the model, for whoever gets it. In all forms but weights.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Numbers of onnx and web: float32, or float16 or int8, whose cost is measured.")
    ] = None,
    single: Annotated[
        bool, typer.Option("--single", help="Write web as one HTML file, which opens by a double click.")
    ] = False,
    runtime: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The npm package onnxruntime-web, packed or unpacked, for web. By default it is fetched once.",
        ),
    ] = None,
    with_examples: Annotated[
        bool,
        typer.Option("--with-examples", help="Show values by training images in web. Otherwise it holds none."),
    ] = False,
) -> None:
    """Write RUN in another form.

    weights is the one small file that sampling needs: averaged weights, schema, label distribution and recipe. It does
    not name the place of the data. `condgen sample FILE` and `condgen evaluate FILE --data DATA` take it instead of
    RUN. With --deblock, a run whose network draws plain pixels shows them as one with --set outputs=deblocked.

    onnx is a model that `condgen sample FILE` answers with where PyTorch is not installed (pip install
    'condgen[runtime]'), with the run's samples within rounding. They are compared at the export.

    hub is the folder that `condgen push` uploads: weights, config.json, a card with the report, and a picture.

    space is the folder that `condgen push --space` uploads: an exported model, and a Dockerfile that serves it.

    web is the studio's page with the model in it, for any static host, or one HTML file (--single): the browser
    computes everything, with the run's samples within rounding. It holds no training image.
    """
    from condgen.runs.exporting import EXPORTERS
    from condgen.runs.run import Run

    EXPORTERS.check(to)
    given: dict[str, Any] = {"licence": licence, "precision": precision, "runtime": runtime}
    given |= {"deblock": deblock or None, "single": single or None, "with_examples": with_examples or None}
    path = Run.open(run).export(to, out, **{name: value for name, value in given.items() if value is not None})
    print(f"{named(path)}: {EXPORTERS[to].sentence}, {_bytes(path) / 1e6:.1f} MB")
    if following := _next(to, path):
        print(f"Next: {following}")


def _next(to: str, path: Path) -> str:
    """A command, or a step, that uses what was written. Empty if there is none."""
    quoted = shlex.quote(named(path))
    if to == "web":
        return f"open {quoted}" if path.is_file() else f"python -m http.server --directory {quoted}"
    return "" if to == "space" else f"condgen sample {quoted} -n 16 --out samples"


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
