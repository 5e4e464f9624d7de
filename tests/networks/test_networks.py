import pytest
import torch
from torch import Tensor, nn

from condgen.conditioning import MECHANISMS, Encoded, Mechanism, Unconditioned
from condgen.networks import MLP, ConvDecoder, ConvEncoder

WIDTH = 5
CONDITIONAL = [name for name in MECHANISMS if name != "none"]
SIZES = [(s, s) for s in (4, 8, 12, 20, 28, 32, 64)] + [(16, 4), (8, 64), (28, 20)]


def encoded(n: int) -> Encoded:
    vector = torch.randn(n, WIDTH)
    return Encoded(vector, vector[:, None])


def encoder(shape: tuple[int, int, int], mechanism: type[Mechanism] = Unconditioned, **size: int) -> ConvEncoder:
    return ConvEncoder(shape, 6, mechanism=mechanism, condition_width=WIDTH, channels=size.get("channels", 8), depth=1)


def decoder(shape: tuple[int, int, int], mechanism: type[Mechanism] = Unconditioned, **size: int) -> ConvDecoder:
    return ConvDecoder(3, shape, mechanism=mechanism, condition_width=WIDTH, channels=size.get("channels", 8), depth=1)


def randomised(network: nn.Module) -> nn.Module:
    """The network after training moved its parameters away from the identity."""
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return network


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_go_to_vectors_and_back(size: tuple[int, int], channels: int) -> None:
    shape, c = (channels, *size), encoded(2)
    assert encoder(shape)(torch.randn(2, *shape), c).shape == (2, 6)
    assert decoder(shape)(torch.randn(2, 3), c).shape == (2, *shape)


@pytest.mark.parametrize("size", [(30, 32), (32, 30), (7, 8), (28, 27)], ids=str)
@pytest.mark.parametrize("network", [encoder, decoder])
def test_sides_not_divisible_by_four_are_refused_in_a_sentence(network: type, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"divisible by 4, not {size[0]}×{size[1]}; resize or pad"):
        network((1, *size))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_no_convolution_runs_at_full_resolution(size: tuple[int, int]) -> None:
    shape, seen = (3, *size), []

    def note(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        seen.extend([inputs[0].shape[2:].numel(), output.shape[2:].numel()])

    networks = encoder(shape), decoder(shape)
    for module in (m for network in networks for m in network.modules() if isinstance(m, nn.Conv2d)):
        module.register_forward_hook(note)
    networks[0](torch.randn(1, *shape), encoded(1))
    networks[1](torch.randn(1, 3), encoded(1))
    pixels = size[0] * size[1]
    assert max(seen) == (pixels // 16 if min(size) >= 16 else pixels // 4)


@pytest.mark.parametrize("network", ["encoder", "decoder", "mlp"])
@pytest.mark.parametrize("name", CONDITIONAL)
def test_the_condition_reaches_the_output(name: str, network: str) -> None:
    mechanism = MECHANISMS[name]
    x = torch.randn(2, 1, 8, 8) if network == "encoder" else torch.randn(2, 3)
    net = {
        "encoder": lambda: encoder((1, 8, 8), mechanism),
        "decoder": lambda: decoder((1, 8, 8), mechanism),
        "mlp": lambda: MLP(3, [16, 16], 4, mechanism=mechanism, condition_width=WIDTH),
    }[network]()
    a, b = encoded(2), encoded(2)
    assert (randomised(net)(x, a) - net(x, b)).abs().amax() > 1e-3


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_parameter_of_a_moved_network_gets_gradient(name: str) -> None:
    nets = encoder((1, 32, 32), MECHANISMS[name]), decoder((1, 32, 32), MECHANISMS[name])
    for net, x in zip(nets, (torch.randn(4, 1, 32, 32), torch.randn(4, 3)), strict=True):
        randomised(net)(x, encoded(4)).square().mean().backward()
        without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        # a bias in front of a normalisation over a single channel group may vanish; nothing else may
        assert [n for n in without if not (name == "norm" and n.endswith("layer.bias"))] == []


@pytest.mark.parametrize("network", [encoder, decoder])
def test_residual_blocks_start_as_the_identity(network: type) -> None:
    net = network((1, 8, 8), MECHANISMS["film"])
    x = torch.randn(2, 8, 4, 4)
    for blocks in net.stages:
        for block in blocks:
            torch.testing.assert_close(block(x, encoded(2)), x + block.out.bias[None, :, None, None])


@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize("size", [8, 28, 64])
def test_activations_start_at_a_healthy_scale(name: str, size: int) -> None:
    shape = (1, size, size)
    features = encoder(shape, MECHANISMS[name], channels=32)(torch.randn(8, *shape), encoded(8))
    image = decoder(shape, MECHANISMS[name], channels=32)(torch.randn(8, 3), encoded(8))
    assert 0.01 < features.std() < 3
    assert 0.01 < image.std() < 3


def test_an_mlp_without_hidden_layers_is_linear() -> None:
    net = MLP(3, [], 4, mechanism=MECHANISMS["film"], condition_width=WIDTH)
    x = torch.randn(2, 3)
    torch.testing.assert_close(net(x, encoded(2)), net.out(x))


def test_an_mlp_wraps_every_hidden_layer() -> None:
    net = MLP(3, [16, 8], 4, mechanism=MECHANISMS["film"], condition_width=WIDTH)
    assert [(m.layer.in_features, m.layer.out_features) for m in net.hidden] == [(3, 16), (16, 8)]
    assert net(torch.randn(2, 3), encoded(2)).shape == (2, 4)
