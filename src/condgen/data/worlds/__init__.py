"""Rendered worlds: images of exactly known attributes, in unlimited supply, without a download."""

from condgen.data.worlds.cars import Cars
from condgen.data.worlds.shapes import Shapes
from condgen.data.worlds.world import Link, World

__all__ = ["Cars", "Link", "Shapes", "World"]
