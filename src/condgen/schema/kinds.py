"""The kinds of attributes. A new kind is a class in a file of its own, and its entry here."""

from typing import get_args

from condgen.schema.attributes import Attribute
from condgen.schema.categorical import Categorical
from condgen.schema.continuous import Continuous
from condgen.schema.discrete import Discrete
from condgen.schema.flag import Flag
from condgen.schema.vector import Vector

AnyAttribute = Vector | Flag | Continuous | Categorical  # in the order in which they are asked what a column holds

KINDS: tuple[type[Attribute], ...] = get_args(AnyAttribute)
NAMES = {kind.model_fields["kind"].default: kind for kind in KINDS}
MEASURED = {name for name, kind in NAMES.items() if not issubclass(kind, Discrete)}  # without named values
