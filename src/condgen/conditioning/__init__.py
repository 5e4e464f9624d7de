"""How a condition is encoded and how it enters a layer."""

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
    FiLM,
    Mechanism,
    Unconditioned,
    WeightModulation,
    mechanism,
)

__all__ = [
    "MECHANISMS",
    "AttributeEmbedding",
    "Concat",
    "ConditionEncoder",
    "ConditionalNorm",
    "EmbeddingEncoder",
    "EmptyEncoder",
    "Encoded",
    "FiLM",
    "Mechanism",
    "PlainEncoder",
    "Unconditioned",
    "WeightModulation",
    "mechanism",
]
