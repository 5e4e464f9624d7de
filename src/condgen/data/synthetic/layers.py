"""Layers of avatars: the parts of the style "Pixel Art" by DiceBear (CC0 1.0), each rasterised once.

A part's pixels are linear in its colour, so renderings in black and in white give its pixels in any colour. Thousands
of avatars are then assembled by sums.
"""

import io
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from condgen.errors import RequestError

SIDE = 16  # pixels of the style's canvas
STYLE = "pixel-art"

Element = Mapping[str, Any]


class Layer:
    """The variants of one part.

    base: the picture without colour, [variant, 3, 16, 16].
    gain: the picture per unit of colour.
    hidden: the share of the background that it hides, [variant, 1, 16, 16].
    """

    def __init__(
        self, names: tuple[str, ...], black: Float[Tensor, "variant 4 16 16"], white: Float[Tensor, "variant 4 16 16"]
    ):
        self.names = names
        self.hidden = black[:, 3:]
        self.base = black[:, :3] * self.hidden
        self.gain = white[:, :3] * self.hidden - self.base

    def over(
        self, below: Float[Tensor, "n 3 16 16"], variant: Float[Tensor, " n"], color: Float[Tensor, "n 3"]
    ) -> Float[Tensor, "n 3 16 16"]:
        """Pictures with each image's variant laid over them in its colour."""
        k = variant.long()
        return below * (1 - self.hidden[k]) + self.base[k] + self.gain[k] * color[:, :, None, None]

    def of(self, *names: str) -> Float[Tensor, " name"]:
        """The numbers of the named variants."""
        return torch.tensor([float(self.names.index(name)) for name in names])


@lru_cache(maxsize=1)
def layers() -> Mapping[str, Layer]:
    """Every part of the style by name, and the head as the part `skin`. Rasterised on first use.

    Raises RequestError if the packages for this are not installed.
    """
    style = _style()
    canvas = style["canvas"]["elements"]
    parts = {e["name"]: e for e in canvas if e["type"] == "component"}
    head = {"skin": _layer({"head": [e for e in canvas if e["type"] == "element"]}, "")}
    return head | {
        name: _layer(
            {variant: shape["elements"] for variant, shape in style["components"][name]["variants"].items()},
            part.get("attributes", {}).get("transform", ""),
        )
        for name, part in parts.items()
    }


def _style() -> dict[str, Any]:
    """The style's definition."""
    try:
        from importlib.resources import files

        import resvg_py  # noqa: F401  # asked for here so that both are missed at once

        return json.loads(files("dicebear_styles").joinpath(f"{STYLE}.json").read_text("utf-8"))
    except ModuleNotFoundError:
        raise RequestError(
            "The world portraits needs the packages dicebear-styles and resvg-py; pip install 'condgen[worlds]'."
        ) from None


def _layer(variants: Mapping[str, list[Element]], transform: str) -> Layer:
    """The layer whose variants consist of these elements."""
    black, white = (
        torch.stack([_raster(elements, transform, color) for elements in variants.values()])
        for color in ("#000000", "#ffffff")
    )
    return Layer(tuple(variants), black, white)


def _raster(elements: list[Element], transform: str, color: str) -> Float[Tensor, "4 16 16"]:
    """Elements drawn in a colour: red, green, blue and opacity in [0, 1]."""
    import resvg_py

    drawn = "".join(_svg(element, color) for element in elements)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" fill="none" shape-rendering="crispEdges">'
        f"<g transform={quoteattr(transform)}>{drawn}</g></svg>"
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE, height=SIDE, skip_system_fonts=True))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1).contiguous() / 255


def _svg(element: Element, color: str) -> str:
    """An element of a definition as SVG. Masks are drawn white, since they give a place and no colour."""
    inner = "#ffffff" if element["name"] == "mask" else color
    attributes = {
        key: color if isinstance(value, Mapping) else str(value) for key, value in element.get("attributes", {}).items()
    }
    text = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    children = "".join(_svg(child, inner) for child in element.get("children", []))
    return f"<{element['name']}{text}>{children}</{element['name']}>"
