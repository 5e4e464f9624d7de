"""The kinds of attributes. A new kind is a class in a file of its own, and its entry here."""

from typing import get_args

from condgen.schema.attributes import Attribute
from condgen.schema.categorical import Categorical
from condgen.schema.continuous import Continuous
from condgen.schema.flag import Flag
from condgen.schema.vector import Vector

AnyAttribute = Vector | Flag | Continuous | Categorical  # in the order in which they are asked what a column holds

KINDS: tuple[type[Attribute], ...] = get_args(AnyAttribute)
