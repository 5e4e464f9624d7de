"""The kinds of attributes. To add one, write its class in a file of its own and enter it here."""

from typing import get_args

from condgen.schema.attributes import Attribute
from condgen.schema.categorical import Categorical
from condgen.schema.continuous import Continuous
from condgen.schema.discrete import Discrete
from condgen.schema.flag import Flag
from condgen.schema.vector import Vector

AnyAttribute = Vector | Flag | Continuous | Categorical  # in the order in which they are tried on a column

KINDS: tuple[type[Attribute], ...] = get_args(AnyAttribute)
NAMES = {kind.model_fields["kind"].default: kind for kind in KINDS}
MEASURED = {name for name, kind in NAMES.items() if not issubclass(kind, Discrete)}  # kinds without named values
