"""What a gallery is made of: pictures in labelled rows, panels of rows, sections of panels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from condgen.pages.html import Picture
from condgen.pictures import grid, pil_image


@dataclass(frozen=True)
class PanelRow:
    """Images [n, channel, height, width] in [0, 1], what they have in common, and what is written under each."""

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
    """Rows under one title. columns: what the images below each other share; without any, rows may be broken.

    note: what is to be seen. commands: what makes the same pictures again.
    """

    title: str
    note: str
    rows: tuple[PanelRow, ...]
    commands: tuple[str, ...]
    columns: tuple[str, ...] = ()

    def picture(self) -> Image.Image:
        """All of it as one image, rows labelled."""
        width = max(len(row.x) for row in self.rows)
        padded = [torch.cat([row.x, row.x.new_ones(width - len(row.x), *row.x.shape[1:])]) for row in self.rows]
        return grid(torch.cat(padded), width, [row.label for row in self.rows], self.columns)


@dataclass(frozen=True)
class Section:
    """Panels that show one thing; `without` says why there are none, where there are none."""

    name: str
    title: str
    note: str
    panels: tuple[Panel, ...]
    without: str = ""
