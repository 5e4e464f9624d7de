"""Backbones: networks made of mechanism-wrapped layers. They know nothing of losses."""

from condgen.networks.conv import ConvDecoder, ConvEncoder
from condgen.networks.mlp import MLP

__all__ = ["MLP", "ConvDecoder", "ConvEncoder"]
