"""Backbones: networks of mechanism-wrapped layers. They know nothing of losses."""

from condgen.networks.conv import ConvDecoder, ConvEncoder
from condgen.networks.mlp import MLP
from condgen.networks.transformer import Transformer
from condgen.networks.unet import UNet

__all__ = ["MLP", "ConvDecoder", "ConvEncoder", "Transformer", "UNet"]
