"""Portraits, assembled from the parts of an openly licensed avatar style (layers.py)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from condgen.data.synthetic.drawing import Draws, gathered, shades
from condgen.data.synthetic.layers import SIDE, layers
from condgen.data.synthetic.world import Link, World
from condgen.schema import Categorical, Condition, Flag, Schema

Picture = Float[Tensor, "n 3 16 16"]
Color = Float[Tensor, "n 3"]

_HAIR = {
    "black": (0.09, 0.08, 0.09),
    "brown": (0.38, 0.21, 0.10),
    "blond": (0.89, 0.74, 0.37),
    "red": (0.72, 0.20, 0.06),
    "gray": (0.53, 0.54, 0.56),
    "white": (0.95, 0.95, 0.96),
}
_SKIN = {"fair": (0.99, 0.87, 0.76), "tan": (0.86, 0.67, 0.47), "brown": (0.61, 0.41, 0.25), "dark": (0.37, 0.24, 0.16)}
_COLORFUL = torch.tensor([[0.85, 0.25, 0.25], [0.2, 0.45, 0.75], [0.2, 0.6, 0.4], [0.9, 0.7, 0.2], [0.5, 0.35, 0.65]])
_FIXED = {"mouth": (0.72, 0.16, 0.2), "eyes": (0.35, 0.45, 0.5), "glasses": (0.13, 0.13, 0.15)}

# Only parts that are recognisable, and hair that is visible under every hat.
_LONG = ("long01", "long02", "long03", "long04", "long07", "long08", "long09", "long12", "long13", "long17", "long20")
_SHORT = ("short01", "short11", "short13", "short14", "short15", "short17")
_SMILES = ("happy06", "happy07", "happy08", "happy09")
_SERIOUS = ("sad01", "sad04", "sad05", "sad06")
_HATS = tuple(f"variant0{k}" for k in (2, 3, 5, 6, 7, 8))
_BEARDS = tuple(f"variant0{k}" for k in (1, 3, 5, 6, 7, 8))
_GLASSES = tuple(f"{kind}0{k}" for kind in ("dark", "light") for k in (1, 2, 3, 5, 6, 7))


class Portraits(World):
    """A face from the front. The shape of every part, clothes, place and light vary freely.

    The parts are from the style "Pixel Art" by DiceBear, CC0 1.0. Needs the packages of condgen[worlds].
    """

    name = "portraits"
    step = SIDE
    schema = Schema(
        attributes=(
            Flag(name="glasses", synonyms=("eyeglasses",)),
            Categorical(name="hair", values=tuple(_HAIR), aliases={"grey": "gray", "blonde": "blond", "ginger": "red"}),
            Flag(name="long_hair"),
            Flag(name="beard", synonyms=("bearded",)),
            Flag(name="hat"),
            Flag(name="smiling", synonyms=("smile",)),
            Categorical(name="skin", values=tuple(_SKIN)),
        )
    )
    links = (
        Link("beard", "long_hair", {"yes": "no"}),
        Link("hair", "glasses", {"gray": "yes", "white": "yes"}),
    )

    def __init__(self, size: int = 64):
        super().__init__(size)

    def _draw(self, condition: Condition, draws: Draws) -> UInt8[Tensor, "n 3 height width"]:
        codes, n, paint = condition.values, len(condition), _Painter(draws)
        hair = shades(gathered(torch.tensor(list(_HAIR.values())), codes["hair"]), draws, hue=0.02)
        skin = shades(gathered(torch.tensor(list(_SKIN.values())), codes["skin"]), draws, hue=0.02, light=0.06)
        paper = shades(torch.full((n, 3), 0.82), draws, hue=0.13)
        x = paper[:, :, None, None].repeat(1, 1, SIDE, SIDE)
        x = paint.one(x, "skin", layers()["skin"].names, skin)
        x = paint.one(x, "clothes", layers()["clothes"].names, _colorful(draws))
        x = paint.one(x, "eyes", layers()["eyes"].names, _fixed_colour("eyes", n))
        x = _where(codes["glasses"], paint.one(x, "glasses", _GLASSES, _fixed_colour("glasses", n)), x)
        x = _where(codes["beard"], paint.one(x, "beard", _BEARDS, hair), x)
        x = paint.either(x, "mouth", codes["smiling"], _SMILES, _SERIOUS, _fixed_colour("mouth", n))
        x = paint.either(x, "hair", codes["long_hair"], _LONG, _SHORT, hair)
        x = _where(codes["hat"], paint.one(x, "hat", _HATS, _colorful(draws)), x)
        return (self._placed(x, draws) * 255).round().clamp(0, 255).to(torch.uint8)

    def _placed(self, x: Float[Tensor, "n 3 16 16"], draws: Draws) -> Float[Tensor, "n 3 size size"]:
        """The pictures enlarged, moved a little, every other one mirrored. Their edges are extended outwards."""
        zoom = self.size // SIDE
        line = torch.arange(self.size)

        def pixels() -> Tensor:
            moved = line - (draws.between(-1, 1) * zoom).round()[:, None]
            return moved.div(zoom, rounding_mode="floor").clamp(0, SIDE - 1).long()

        rows, columns = pixels(), pixels()
        columns = torch.where(draws.between(0, 1)[:, None] < 0.5, columns, SIDE - 1 - columns)
        batch = torch.arange(len(x))[:, None, None]
        return x.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


class _Painter:
    """Lays parts over pictures, with a random variant per image."""

    def __init__(self, draws: Draws):
        self.draws = draws

    def one(self, below: Picture, part: str, names: Sequence[str], color: Color) -> Picture:
        """A random variant of the part, out of those named."""
        return layers()[part].over(below, self._variant(part, names), color)

    def either(
        self,
        below: Picture,
        part: str,
        flag: Float[Tensor, " n"],
        yes: Sequence[str],
        no: Sequence[str],
        color: Color,
    ) -> Picture:
        """A variant from one list if the flag is set, else from the other."""
        variant = torch.where(flag > 0.5, self._variant(part, yes), self._variant(part, no))
        return layers()[part].over(below, variant, color)

    def _variant(self, part: str, names: Sequence[str]) -> Float[Tensor, " n"]:
        return gathered(layers()[part].of(*names), self.draws.among(len(names)))


def _where(flag: Float[Tensor, " n"], yes: Picture, no: Picture) -> Picture:
    return torch.where(flag[:, None, None, None] > 0.5, yes, no)


def _colorful(draws: Draws) -> Float[Tensor, "n 3"]:
    return shades(gathered(_COLORFUL, draws.among(len(_COLORFUL))), draws)


def _fixed_colour(part: str, n: int) -> Float[Tensor, "n 3"]:
    return torch.tensor(_FIXED[part]).expand(n, 3)
