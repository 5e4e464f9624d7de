"""Flips and translations of training images, for data whose attributes they do not change."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import together
from condgen.schema import Schema
from condgen.shifting import shifted


@dataclass(frozen=True)
class Augmentation:
    """Mirrors every second image and moves each by up to `shift` pixels. The border is repeated outwards.

    Random numbers are drawn on the CPU.
    """

    flip: bool
    shift: int

    def __call__(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
        """The images, each with its own random changes."""
        if self.flip:
            mirrored = (together.rand(len(x)) < 0.5).to(x.device)[:, None, None, None]
            x = torch.where(mirrored, x.flip(3), x)
        if self.shift:
            down, right = together.randint(-self.shift, self.shift + 1, (2, len(x)), along=1).to(x.device)
            x = shifted(x, down, right)
        return x


def augmentation(
    schema: Schema, shape: tuple[int, ...], *, flip: bool, shift: int
) -> Callable[[Tensor], Tensor] | None:
    """The augmentation, or None. Raises RequestError if an attribute declares it unsafe."""
    asked = [name for name, wanted in (("flip", flip), ("shift", shift > 0)) if wanted]
    for name in asked:
        if len(shape) != 3:
            raise RequestError(f"`{name}` applies to images only, and this data holds vectors. Leave {name} out.")
        if unsafe := [a.name for a in schema if name in a.unsafe]:
            raise RequestError(
                f"A {name} would change {', '.join(unsafe)}: the schema declares it unsafe. Leave {name} out, or train "
                "without these attributes (`attributes`)."
            )
    return Augmentation(flip, shift) if asked else None
