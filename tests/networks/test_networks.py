import pytest
import torch
from torch import Tensor, nn

from condgen.conditioning import MECHANISMS, Encoded, Mechanism, Unconditioned
from condgen.networks import MLP, ConvDecoder, ConvEncoder, Transformer, UNet, unet

WIDTH = 5
CONDITIONAL = [name for name in MECHANISMS if name != "none"]
SIZES = [(s, s) for s in (4, 8, 12, 20, 28, 32, 64)] + [(16, 4), (8, 64), (28, 20)]


def encoded(n: int) -> Encoded:
    """Random conditions of three attributes; a single one would leave attention nothing to choose from."""
    return Encoded(torch.randn(n, WIDTH), torch.randn(n, 3, WIDTH))


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


# ---- from images to images

BACKBONES = {"unet": UNet, "transformer": Transformer}
either_backbone = pytest.mark.parametrize("backbone", BACKBONES)


def field(backbone: str, shape: tuple[int, int, int], name: str = "film", channels: int = 8) -> nn.Module:
    return BACKBONES[backbone](shape, mechanism=MECHANISMS[name], condition_width=WIDTH, channels=channels, depth=1)


@either_backbone
@pytest.mark.parametrize("size", [(4, 4), (8, 8), (28, 20), (16, 4), (8, 64), (64, 64)], ids=str)
def test_images_go_to_images_of_their_shape_and_all_start_at_zero(backbone: str, size: tuple[int, int]) -> None:
    shape = (3, *size)
    assert torch.equal(field(backbone, shape)(torch.randn(2, *shape), encoded(2)), torch.zeros(2, *shape))


@either_backbone
@pytest.mark.parametrize("name", CONDITIONAL)
def test_every_parameter_and_the_condition_matter_to_a_moved_field(backbone: str, name: str) -> None:
    net, x, a, b = randomised(field(backbone, (1, 32, 32), name)), torch.randn(4, 1, 32, 32), encoded(4), encoded(4)
    y = net(x, a)
    assert (y - net(x, b)).flatten(1).abs().amax(1).min() > 1e-3
    y.square().mean().backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    # a bias in front of a normalisation over a single channel group may vanish; nothing else may
    assert [n for n in without if not (name == "norm" and n.endswith("layer.bias"))] == []


@pytest.mark.parametrize(
    ("backbone", "size", "says"),
    [
        ("unet", (30, 32), "divisible by 4, not 30×32; resize"),
        ("unet", (7, 8), "divisible by 4, not 7×8; resize"),
        ("transformer", (32, 30), "divisible by 4, not 32×30; resize"),
        ("transformer", (8, 7), "divisible by 2, not 8×7; resize"),
    ],
)
def test_sides_that_do_not_fit_a_field_are_refused_in_a_sentence(
    backbone: str, size: tuple[int, int], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        field(backbone, (1, *size))


def test_a_transformers_channels_are_whole_heads_or_less_than_one() -> None:
    with pytest.raises(ValueError, match="multiple of 32, not 48"):
        field("transformer", (1, 8, 8), channels=48)
    for channels, heads in ((24, 1), (64, 2)):
        net = field("transformer", (1, 8, 8), channels=channels)
        assert [block.heads for block in net.blocks] == [heads]
        assert net(torch.randn(1, 1, 8, 8), encoded(1)).shape == (1, 1, 8, 8)


def test_a_unet_may_have_any_number_of_channels() -> None:
    shape = (1, 32, 32)
    assert field("unet", shape, channels=100)(torch.randn(1, *shape), encoded(1)).shape == (1, *shape)


def opposite_corner(net: nn.Module, size: int = 32) -> float:
    """How much one corner's pixels change the opposite corner's output."""
    x, c = torch.randn(1, 1, size, size), encoded(1)
    changed = x.clone()
    changed[..., :4, :4] += 3
    return (net(changed, c) - net(x, c))[..., -4:, -4:].abs().max().item()


def test_a_transformer_sees_all_of_the_image_everywhere() -> None:
    net = randomised(field("transformer", (1, 32, 32)))
    assert opposite_corner(net) > 1e-3
    nn.init.zeros_(net.blocks[0].attended.weight)
    assert opposite_corner(net) == 0


@pytest.mark.parametrize("part", [0, 1], ids=["attention", "dense"])
def test_a_unet_sees_all_of_the_image_everywhere_by_either_of_its_middle_blocks(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unet, "group_norm", lambda x, groups: x)  # statistics alone would carry some of it
    net = randomised(field("unet", (1, 32, 32)))
    net.middle = net.middle[part : part + 1]
    assert opposite_corner(net) > 1e-3
    net.middle = nn.ModuleList()
    assert opposite_corner(net) == 0  # what convolutions reach


@either_backbone
def test_a_field_knows_where_it_is(backbone: str) -> None:
    """A uniform image under one condition: whatever differs within the output, places were told."""
    net, x = randomised(field(backbone, (1, 64, 64))), torch.ones(1, 1, 64, 64)
    y = net(x, encoded(1))
    patch, other = y[..., 24:28, 24:28], y[..., 32:36, 32:36]
    assert (patch - other).abs().max() > 1e-3
