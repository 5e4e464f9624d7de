"""A reader: text files of points, each line two coordinates and a label."""

from pathlib import Path

import torch

from condgen.data.readers import Parts, Reader, Table


def read(path: Path) -> Parts:
    """The points and the column of their labels."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    x = torch.tensor([[float(a), float(b)] for a, b, _ in rows])
    return Parts(Table(str(path), x, {"side": [label for *_, label in rows]}))


POINTS = Reader("a .points file: lines of two coordinates and a label", lambda path: path.suffix == ".points", read)
