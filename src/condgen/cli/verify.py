"""`condgen verify`: whether files are as they were written."""

from typing import Annotated

import typer

from condgen.cli.options import progress


def verify(
    what: Annotated[str, typer.Argument(metavar="RUN|DATA|FILE", help="A run, exported weights, or data.")],
) -> None:
    """Check that nothing in a run, in exported weights or in data is damaged.

    Every tensor and header is compared with the digest that was written with it, every prepared pixel with that of its
    chunk, and every other image is decoded. The exit status is 1 if anything is damaged.
    """
    from condgen.verify import verify as verified

    for line in verified(what, progress()):
        print(line)
