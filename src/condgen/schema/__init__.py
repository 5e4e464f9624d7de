"""Attributes, the schema that orders them, batches of requests, and how labels are distributed in data."""

from condgen.schema.attributes import Attribute, Categorical, Continuous, Flag, fold
from condgen.schema.condition import Condition
from condgen.schema.distribution import Between, Constraint, LabelDistribution, OneOf
from condgen.schema.schema import Schema

__all__ = [
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
    "fold",
]
