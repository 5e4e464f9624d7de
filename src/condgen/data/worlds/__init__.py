"""Rendered worlds: images of exactly known attributes, in unlimited supply, without a download."""

from condgen.data.worlds.cars import Cars
from condgen.data.worlds.digits import ColoredDigits
from condgen.data.worlds.portraits import Portraits
from condgen.data.worlds.shapes import Shapes
from condgen.data.worlds.world import IMAGES, Link, World

__all__ = ["IMAGES", "Cars", "ColoredDigits", "Link", "Portraits", "Shapes", "World"]
