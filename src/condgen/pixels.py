"""Pixels as levels of 8 bits, as data holds them, and as numbers in [0, 1], as models take them."""

from condgen.arrays import Array, Float, Shaped, namespace


def as_float(x: Shaped[Array, "batch ..."]) -> Float[Array, "batch ..."]:
    """Observations in the form for models: uint8 images as numbers in [0, 1], vectors unchanged."""
    xp = namespace(x)
    numbers = xp.astype(x, xp.float32, copy=False)
    return numbers / 255 if x.dtype == xp.uint8 else numbers


def as_uint8(x: Float[Array, "batch ..."]) -> Shaped[Array, "batch ..."]:
    """Images in [0, 1] as uint8, rounded to the nearest level. Pixels that are no number, as absurd settings of a
    sampler give them, are black.
    """
    xp = namespace(x)
    levels = xp.clip(xp.round(x * 255), 0, 255)
    return xp.astype(xp.where(xp.isnan(levels), 0.0, levels), xp.uint8)
