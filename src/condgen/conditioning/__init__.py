"""The encoding of conditions, and the mechanisms that bring them into layers."""

from condgen.conditioning.encoder import (
    AttributeEmbedding,
    ConditionEncoder,
    EmbeddingEncoder,
    EmptyEncoder,
    Encoded,
    PlainEncoder,
)
from condgen.conditioning.mechanisms import (
    MECHANISMS,
    Concat,
    ConditionalNorm,
    CrossAttention,
    FiLM,
    Mechanism,
    MechanismName,
    Unconditioned,
    WeightModulation,
    norm_groups,
)
from condgen.conditioning.time import TimeEncoder

__all__ = [
    "MECHANISMS",
    "AttributeEmbedding",
    "Concat",
    "ConditionEncoder",
    "ConditionalNorm",
    "CrossAttention",
    "EmbeddingEncoder",
    "EmptyEncoder",
    "Encoded",
    "FiLM",
    "Mechanism",
    "MechanismName",
    "PlainEncoder",
    "TimeEncoder",
    "Unconditioned",
    "WeightModulation",
    "norm_groups",
]
