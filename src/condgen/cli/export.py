"""`condgen export`: a run in another form."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from condgen.cli.options import RunFolder


def export(
    run: RunFolder,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PATH", help="New file, such as digits.safetensors, or folder.")
    ],
    to: Annotated[str, typer.Option(help="Form of the export: weights, onnx, hub, space.")] = "weights",
    licence: Annotated[
        str | None, typer.Option(help="Licence of the model, for whoever gets it. In all forms but weights.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Numbers of an onnx file: float32, or float16 or int8, whose cost is measured.")
    ] = None,
) -> None:
    """Write RUN in another form.

    weights is the one small file that sampling needs: averaged weights, schema, label distribution and recipe. It does
        not name the place of the data. `condgen sample FILE` and `condgen evaluate FILE --data DATA` take it instead of
        RUN.
    onnx is a model that `condgen sample FILE` answers with where PyTorch is not installed (pip install
        'condgen[runtime]'), with the run's samples within rounding. They are compared at the export.
    hub is the folder that `condgen push` uploads: weights, config.json, a card with the report, and a picture.
    space is the folder that `condgen push --space` uploads: an exported model, and a Dockerfile that serves it.
    """
    from condgen.runs.exporting import EXPORTERS
    from condgen.runs.run import Run

    EXPORTERS.check(to)
    given = {"licence": licence, "precision": precision}
    path = Run.open(run).export(to, out, **{name: value for name, value in given.items() if value is not None})
    print(f"{path}: {EXPORTERS[to].sentence}, {_bytes(path) / 1e6:.1f} MB")
    if to != "space":
        print(f"Next: condgen sample {shlex.quote(str(path))} -n 16 --out samples")


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()))
