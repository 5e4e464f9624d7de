from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.nn.functional import pixel_unshuffle

from condgen.conditioning import Encoded, FiLM
from condgen.networks import ConvDecoder, ConvEncoder, UNet
from condgen.networks.conv import Block
from condgen.networks.layout import Halving, maps, ordered

SHAPE = (3, 32, 32)
IMAGES = torch.rand(2, *SHAPE).contiguous(memory_format=torch.channels_last)
CONDITION = Encoded(torch.randn(2, 5), torch.randn(2, 1, 5))
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "encoder": (lambda: ConvEncoder(SHAPE, 4, mechanism=FiLM, condition_width=5, channels=8), IMAGES),
    "decoder": (lambda: ConvDecoder(4, SHAPE, mechanism=FiLM, condition_width=5, channels=8), torch.randn(2, 4)),
    "unet": (lambda: UNet(SHAPE, mechanism=FiLM, condition_width=5, channels=8), IMAGES),
}


def last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_and_their_gradients_keep_one_order_in_memory(name: str) -> None:
    made, x = NETWORKS[name]
    network, there, back = made().to(memory_format=torch.channels_last), [], []  # type: ignore[call-overload]

    def watch(_: nn.Module, inputs: tuple[Tensor, Encoded], output: Tensor) -> None:
        there.extend([last(inputs[0]), last(output)])
        output.register_hook(lambda gradient: back.append(last(gradient)))

    for block in (m for m in network.modules() if isinstance(m, Block)):
        nn.init.normal_(block.out.weight)
        block.register_forward_hook(watch)
    network(x, CONDITION).square().sum().backward()
    assert len(there) == 2 * len(back) > 0
    assert all(there)
    assert all(back)


def test_halving_is_a_dense_layer_of_folded_places() -> None:
    layer, x = Halving(6, 5), torch.randn(2, 6, 8, 4)
    folded = nn.Conv2d(24, 5, 1)
    folded.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), folded(pixel_unshuffle(x, 2)))


def test_ordered_maps_can_be_differentiated_twice_and_in_forward_mode() -> None:
    x, change = (torch.randn(2, 3, 2, 2, dtype=torch.float64).to(memory_format=torch.channels_last) for _ in range(2))
    x.requires_grad_()
    assert ordered(x).is_contiguous()
    assert gradcheck(lambda x: ordered(x).sin(), x)
    assert gradgradcheck(lambda x: ordered(x).sin(), x)
    with forward_ad.dual_level():
        moved = forward_ad.unpack_dual(ordered(forward_ad.make_dual(x, change)))
        assert torch.equal(moved.tangent, change)


def test_a_vector_becomes_maps_in_the_order_of_the_weights() -> None:
    vector, layer = torch.randn(2, 12), nn.Conv2d(3, 3, 3)
    assert maps(vector, (3, 2, 2), layer).is_contiguous()
    found = maps(vector, (3, 2, 2), layer.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    assert last(found)
    assert torch.equal(found.flatten(1), vector)
