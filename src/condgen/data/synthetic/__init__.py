"""Rendered worlds: unlimited images with exactly known attributes, without a download."""

from condgen.data.synthetic.cars import Cars
from condgen.data.synthetic.digits import ColoredDigits
from condgen.data.synthetic.portraits import Portraits
from condgen.data.synthetic.shapes import Shapes
from condgen.data.synthetic.world import IMAGES, Link, World

__all__ = ["IMAGES", "Cars", "ColoredDigits", "Link", "Portraits", "Shapes", "World"]
