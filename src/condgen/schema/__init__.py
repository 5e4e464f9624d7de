"""Attributes, the schema that orders them, batches of requests, and how labels are distributed in data."""

from condgen.schema.attributes import Attribute, fold, same
from condgen.schema.categorical import Categorical
from condgen.schema.condition import Condition
from condgen.schema.constraints import Between, Constraint, OneOf
from condgen.schema.continuous import Continuous
from condgen.schema.distribution import LabelDistribution
from condgen.schema.flag import Flag
from condgen.schema.kinds import KINDS, AnyAttribute
from condgen.schema.schema import Schema
from condgen.schema.vector import Vector

__all__ = [
    "KINDS",
    "AnyAttribute",
    "Attribute",
    "Between",
    "Categorical",
    "Condition",
    "Constraint",
    "Continuous",
    "Flag",
    "LabelDistribution",
    "OneOf",
    "Schema",
    "Vector",
    "fold",
    "same",
]
