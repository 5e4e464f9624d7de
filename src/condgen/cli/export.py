"""`condgen export`: a run in another form."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from condgen.cli.options import RunFolder


def export(
    run: RunFolder,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="New file, such as digits.safetensors.")],
    to: Annotated[str, typer.Option(help="Form of the export: weights.")] = "weights",
) -> None:
    """Write RUN in another form.

    weights is the one small file that sampling needs: averaged weights, schema, label distribution and recipe. It does
        not name the place of the data. `condgen sample FILE` and `condgen evaluate FILE --data DATA` take it instead of
        RUN.
    """
    from condgen.runs.exporting import EXPORTERS
    from condgen.runs.run import Run

    EXPORTERS.check(to)
    path = Run.open(run).export(to, out)
    print(f"{path}: {EXPORTERS[to].sentence}, {path.stat().st_size / 1e6:.1f} MB")
    print(f"Next: condgen sample {shlex.quote(str(path))} -n 16 --out samples")
