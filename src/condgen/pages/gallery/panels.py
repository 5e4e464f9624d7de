"""The parts of a gallery: pictures in labelled rows, panels of rows, sections of panels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from condgen.pages.html import Picture
from condgen.pictures import grid, pil_image


@dataclass(frozen=True)
class PanelRow:
    """Images [n, channel, height, width] in [0, 1], a label for all of them, and a caption for each."""

    label: str
    x: Float[Tensor, "n channel height width"]
    captions: tuple[str, ...]
    remark: str = ""

    @property
    def pictures(self) -> list[Picture]:
        """The images for a page, each with its caption."""
        return [Picture(pil_image(x), caption) for x, caption in zip(self.x, self.captions, strict=True)]


@dataclass(frozen=True)
class Panel:
    """Rows under one title. columns: heads of the columns. Without any, rows may be wrapped.

    note: a hint for the reader.
    commands: commands that make the same pictures again.
    """

    title: str
    note: str
    rows: tuple[PanelRow, ...]
    commands: tuple[str, ...]
    columns: tuple[str, ...] = ()

    def picture(self) -> Image.Image:
        """The panel as one image with labelled rows."""
        width = max(len(row.x) for row in self.rows)
        padded = [torch.cat([row.x, row.x.new_ones(width - len(row.x), *row.x.shape[1:])]) for row in self.rows]
        return grid(torch.cat(padded), width, [row.label for row in self.rows], self.columns)


@dataclass(frozen=True)
class Section:
    """Panels on one subject. `without` gives the reason if there are none."""

    name: str
    title: str
    note: str
    panels: tuple[Panel, ...]
    without: str = ""
