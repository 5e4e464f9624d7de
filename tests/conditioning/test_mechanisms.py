from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, layer_norm, scaled_dot_product_attention

from condgen.conditioning import (
    MECHANISMS,
    Concat,
    ConditionalNorm,
    CrossAttention,
    Encoded,
    FiLM,
    Mechanism,
    PlainEncoder,
    WeightModulation,
)
from condgen.errors import RequestError
from condgen.schema import Condition, Flag, Schema

WIDTH = 5
CONDITIONAL = [m for name, m in MECHANISMS.items() if name != "none"]
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense": (lambda: nn.Linear(6, 8), (4, 6)),
    "convolution": (lambda: nn.Conv2d(6, 8, 3, padding=1), (4, 6, 5, 7)),
}
GEOMETRIES = [  # kernel, stride, padding, dilation, image size
    (3, 1, 1, 1, (6, 6)),
    (3, 1, 1, 1, (1, 2)),
    (3, 1, 0, 1, (7, 5)),
    (1, 1, 0, 1, (4, 4)),
    (5, 1, 2, 1, (4, 9)),
    (5, 2, 4, 1, (7, 3)),
    (4, 2, 1, 1, (8, 9)),
    (3, 2, 1, 1, (7, 7)),
    (3, 3, 2, 2, (9, 8)),
    (3, 1, 4, 3, (5, 6)),
    ((1, 3), (2, 1), (0, 1), (1, 2), (5, 8)),
]


def encoded(vector: Tensor) -> Encoded:
    return Encoded(vector, vector[:, None])


def randomised(m: Mechanism) -> Mechanism:
    """The mechanism after training moved its parameters somewhere."""
    with torch.no_grad():
        for p in m.parameters():
            p.normal_(0, 0.3)
    return m


def repeated(vector: Tensor, x: Tensor) -> Tensor:
    return vector[:, :, None, None].expand(-1, -1, *x.shape[2:])


def test_concat_is_the_dense_layer_of_the_concatenation() -> None:
    m = Concat(nn.Linear(6, 8), WIDTH)
    x, v = torch.randn(4, 6), torch.randn(4, WIDTH)
    literal = nn.functional.linear(torch.cat([x, v], 1), torch.cat([m.layer.weight, m.weight], 1), m.layer.bias)
    torch.testing.assert_close(m(x, encoded(v)), literal)


@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "size"), GEOMETRIES)
@pytest.mark.parametrize("bias", [True, False])
def test_concat_is_the_convolution_of_the_concatenation_borders_and_gradients_included(
    kernel: object, stride: object, padding: object, dilation: object, size: tuple[int, int], bias: bool
) -> None:
    layer = nn.Conv2d(3, 4, kernel, stride, padding, dilation, bias=bias).double()
    m = Concat(layer, WIDTH).double()
    x, v = torch.randn(2, 3, *size).double(), torch.randn(2, WIDTH).double()
    inputs = [x.requires_grad_(), v.requires_grad_(), *m.parameters()]
    ours = m(x, encoded(v))
    weight = torch.cat([layer.weight, m.weight], 1)
    literal = conv2d(torch.cat([x, repeated(v, x)], 1), weight, layer.bias, stride, padding, dilation)
    torch.testing.assert_close(ours, literal)
    pull = torch.randn_like(ours)
    for a, b in zip(torch.autograd.grad(ours, inputs, pull), torch.autograd.grad(literal, inputs, pull), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("make", [lambda i: nn.Linear(i, 200), lambda i: nn.Conv2d(i, 200, 3)])
def test_concat_starts_at_the_scale_of_the_literal_layer(make: Callable[[int], nn.Module]) -> None:
    m, literal = Concat(make(6), 30), make(36)
    for ours in (m.layer.weight, m.weight, m.layer.bias):
        assert ours.std().item() == pytest.approx(literal.weight.std().item(), rel=0.15)
        assert ours.abs().max() <= literal.weight.abs().max() * 1.05


def test_concat_works_in_training_after_it_was_used_for_inference() -> None:
    m = Concat(nn.Conv2d(6, 8, 3, padding=1), WIDTH)
    x, v = torch.randn(4, 6, 11, 13), torch.randn(4, WIDTH)
    with torch.inference_mode():
        expected = m(x, encoded(v))
    y = m(x, encoded(v))
    y.sum().backward()
    torch.testing.assert_close(y.detach(), expected.clone())


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(4, 4, 3, padding="same"),
    ],
    ids=["groups", "circular", "same"],
)
def test_concat_refuses_what_it_cannot_compute_and_leaves_the_layer_alone(layer: nn.Conv2d) -> None:
    before = layer.weight.clone()
    with pytest.raises(ValueError, match="one group and zero padding"):
        Concat(layer, WIDTH)
    torch.testing.assert_close(layer.weight.detach(), before.detach())


def test_weight_modulation_refuses_groups() -> None:
    with pytest.raises(ValueError, match="one group"):
        WeightModulation(nn.Conv2d(4, 4, 3, groups=2), WIDTH)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("wrap", [FiLM, WeightModulation, CrossAttention])
def test_it_starts_as_the_wrapped_layer(wrap: type[Mechanism], kind: str) -> None:
    make, shape = LAYERS[kind]
    m, x = wrap(make(), WIDTH), torch.randn(shape)
    torch.testing.assert_close(m(x, encoded(10 * torch.randn(4, WIDTH))), m.layer(x))


@pytest.mark.parametrize("kind", LAYERS)
def test_film_scales_and_shifts_each_channel(kind: str) -> None:
    make, shape = LAYERS[kind]
    m, x, v = randomised(FiLM(make(), WIDTH)), torch.randn(shape), torch.randn(4, WIDTH)
    gamma, beta = m.gamma_beta(v)[:, :8], m.gamma_beta(v)[:, 8:]
    rows = [torch.stack([(1 + gamma[b, o]) * m.layer(x)[b, o] + beta[b, o] for o in range(8)]) for b in range(4)]
    torch.testing.assert_close(m(x, encoded(v)), torch.stack(rows))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
def test_weight_modulation_is_the_literal_modulated_and_demodulated_convolution(bias: bool, padding_mode: str) -> None:
    # Karras et al. 2020, eq. 1-3, one convolution a sample, but demodulated to the length of the shared weights
    layer = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=bias, padding_mode=padding_mode)
    m = randomised(WeightModulation(layer, WIDTH))
    x, v = torch.randn(4, 6, 7, 9), 2 * torch.randn(4, WIDTH)
    rows = []
    for image, s, b in zip(x, 1 + m.style(v), m.bias(v), strict=True):
        w = layer.weight * s[None, :, None, None]
        length = layer.weight.square().sum((1, 2, 3), keepdim=True).sqrt()
        w = length * w * (w.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        rows.append(layer._conv_forward(image[None], w, b if layer.bias is None else b + layer.bias))
    torch.testing.assert_close(m(x, encoded(v)), torch.cat(rows), rtol=1e-4, atol=1e-5)


def test_weight_modulation_is_the_literal_modulated_dense_layer() -> None:
    m = randomised(WeightModulation(nn.Linear(6, 8), WIDTH))
    x, v = torch.randn(4, 6), 2 * torch.randn(4, WIDTH)
    w = m.layer.weight * (1 + m.style(v))[:, None]
    w = w / w.norm(dim=2, keepdim=True) * m.layer.weight.norm(dim=1)[:, None]
    torch.testing.assert_close(m(x, encoded(v)), torch.einsum("boi,bi->bo", w, x) + m.layer.bias + m.bias(v))


def test_weight_modulation_with_all_styles_zero_stays_finite() -> None:
    m = WeightModulation(nn.Conv2d(6, 8, 3), WIDTH)
    nn.init.constant_(m.style.bias, -1.0)
    y = m(torch.randn(4, 6, 5, 5), encoded(torch.randn(4, WIDTH)))
    y.sum().backward()
    assert y.isfinite().all()
    assert all(p.grad.isfinite().all() for p in m.parameters() if p.grad is not None)


def of_attributes(n: int, attributes: int = 3) -> Encoded:
    """Random conditions with a token of its own for each attribute."""
    return Encoded(torch.randn(n, WIDTH), torch.randn(n, attributes, WIDTH))


@pytest.mark.parametrize(("features", "heads"), [(8, 4), (6, 2), (7, 1)])
@pytest.mark.parametrize("kind", LAYERS)
def test_cross_attention_is_pytorchs_attention_over_tokens(kind: str, features: int, heads: int) -> None:
    layer = nn.Linear(6, features) if kind == "dense" else nn.Conv2d(6, features, 3, padding=1)
    m, x, c = randomised(CrossAttention(layer, WIDTH)), torch.randn(LAYERS[kind][1]), of_attributes(4)
    y = layer(x)
    places = y.reshape(4, features, -1).mT
    q = m.query(layer_norm(places, (features,))).reshape(4, -1, heads, features // heads).transpose(1, 2)
    k, v = (part.reshape(4, 3, heads, -1).transpose(1, 2) for part in m.key_value(c.tokens).split(features, 2))
    found = m.found(scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(4, -1, features))
    torch.testing.assert_close(m(x, c), y + found.mT.reshape(y.shape), rtol=1e-4, atol=1e-5)


def test_cross_attention_looks_at_tokens_in_no_order_and_every_query_learns() -> None:
    m, x, c = (
        randomised(CrossAttention(nn.Conv2d(6, 8, 3, padding=1), WIDTH)),
        torch.randn(4, 6, 5, 7),
        of_attributes(4),
    )
    y = m(x, c)
    torch.testing.assert_close(m(x, Encoded(c.vector, c.tokens.flip(1))), y)
    y.square().sum().backward()
    assert [n for n, p in m.named_parameters() if p.grad is None or not p.grad.abs().sum() > 1e-4] == []


def difference(f: Callable[[Tensor], Tensor], x: Tensor, u: Tensor) -> Tensor:
    return (f(x + 1e-5 * u) - f(x - 1e-5 * u)) / 2e-5


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("wrap", CONDITIONAL)
def test_it_can_be_differentiated_forwards(wrap: type[Mechanism], kind: str) -> None:
    make, shape = LAYERS[kind]
    m, c = randomised(wrap(make(), WIDTH)).double(), Encoded(*(part.double() for part in of_attributes(4)))
    x, u = torch.randn(2, *shape).double()
    _, derivative = torch.func.jvp(lambda x: m(x, c), (x,), (u,))
    torch.testing.assert_close(derivative, difference(lambda x: m(x, c), x, u), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("wrap", CONDITIONAL)
def test_it_can_be_differentiated_twice(wrap: type[Mechanism], kind: str) -> None:
    make, shape = LAYERS[kind]
    m, c = randomised(wrap(make(), WIDTH)).double(), Encoded(*(part.double() for part in of_attributes(4)))
    x, u = torch.randn(2, *shape).double()

    def slope(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(m(x, c).pow(3).sum(), x, create_graph=True)[0]

    x.requires_grad_()
    first = torch.autograd.grad(m(x, c).pow(3).sum(), x, create_graph=True)[0]
    (second,) = torch.autograd.grad((first * u).sum(), x)
    torch.testing.assert_close(second, difference(slope, x.detach(), u).detach(), rtol=1e-4, atol=1e-5)


def test_conditional_norm_of_vectors_is_layer_norm_whatever_the_input_scale() -> None:
    m = ConditionalNorm(nn.Linear(6, 8), WIDTH)
    y = m(1000 * torch.randn(4, 6) + 50, encoded(torch.randn(4, WIDTH)))
    torch.testing.assert_close(y.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, unbiased=False), torch.ones(4), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (8, 2), (32, 8), (33, 3), (64, 8), (7, 1)])
def test_conditional_norm_of_images_is_group_norm_with_at_least_four_channels_a_group(
    channels: int, groups: int
) -> None:
    m = ConditionalNorm(nn.Conv2d(3, channels, 3), WIDTH)
    y = m(100 * torch.randn(4, 3, 9, 9) + 5, encoded(torch.randn(4, WIDTH)))
    parts = y.view(4, groups, -1)
    torch.testing.assert_close(parts.mean(2), torch.zeros(4, groups), atol=1e-4, rtol=0)
    torch.testing.assert_close(parts.var(2, unbiased=False), torch.ones(4, groups), atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", LAYERS)
def test_conditional_norm_then_scales_and_shifts(kind: str) -> None:
    make, shape = LAYERS[kind]
    m, x, v = randomised(ConditionalNorm(make(), WIDTH)), torch.randn(shape), torch.randn(4, WIDTH)
    gamma, beta = (part.reshape(4, 8, *[1] * (x.dim() - 2)) for part in m.gamma_beta(v).chunk(2, 1))
    torch.testing.assert_close(m(x, encoded(v)), (1 + gamma) * m.norm(m.layer(x)) + beta)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("wrap", CONDITIONAL)
def test_the_condition_learns_from_the_first_step_and_gets_gradient_after_it(wrap: type[Mechanism], kind: str) -> None:
    make, shape = LAYERS[kind]
    m, x = wrap(make(), WIDTH), torch.randn(shape)
    v = torch.randn(4, WIDTH, requires_grad=True)
    m(x, encoded(v)).square().sum().backward()
    later = ("layer.", "query", "key_value") if wrap is CrossAttention else "layer."  # what is found starts at zero
    own = [p for name, p in m.named_parameters() if not name.startswith(later)]
    assert own
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in own)
    randomised(m)(x, encoded(v)).square().sum().backward()
    assert v.grad is not None
    assert (v.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("wrap", CONDITIONAL)
def test_each_sample_obeys_its_own_condition_only(wrap: type[Mechanism], kind: str) -> None:
    make, shape = LAYERS[kind]
    m, x, v = randomised(wrap(make(), WIDTH)), torch.randn(shape), torch.randn(4, WIDTH)
    other = v.clone()
    other[2] += 1
    moved = (m(x, encoded(v)) - m(x, encoded(other))).flatten(1).abs().amax(1)
    assert moved[2] > 1e-3
    assert moved[[0, 1, 3]].max() < 1e-5


def test_the_mechanism_none_is_the_wrapped_layer_and_does_not_see_the_condition() -> None:
    m, x = MECHANISMS["none"](nn.Linear(6, 8), WIDTH), torch.randn(4, 6)
    torch.testing.assert_close(m(x, encoded(torch.randn(4, WIDTH))), m.layer(x))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("name", MECHANISMS)
def test_it_can_be_exported(name: str, kind: str) -> None:
    # guards against weights modulated per sample, which cannot be exported
    make, shape = LAYERS[kind]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = randomised(MECHANISMS[name](make(), WIDTH))

        def forward(self, x: Tensor, vector: Tensor) -> Tensor:
            return self.layer(x, encoded(vector))

    network, batch = Network(), torch.export.Dim("batch")
    x, v = torch.randn(shape), torch.randn(4, WIDTH)
    exported = torch.export.export(network, (x, v), dynamic_shapes=({0: batch}, {0: batch})).module()
    x, v = torch.randn(9, *shape[1:]), torch.randn(9, WIDTH)
    torch.testing.assert_close(exported(x, v), network(x, v))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("wrap", CONDITIONAL)
def test_forty_flags_disturb_a_layer_no_more_than_one(wrap: type[Mechanism], kind: str) -> None:
    # guards against scaling that assumes one-hot labels
    shape = LAYERS[kind][1]
    make = {"dense": lambda: nn.Linear(6, 256), "convolution": lambda: nn.Conv2d(6, 256, 3, padding=1)}[kind]
    sizes = []
    for n in (1, 40):
        schema = Schema(attributes=tuple(Flag(name=f"flag {i}") for i in range(n)))
        yes = Condition.of(schema, [dict.fromkeys(schema.names, "yes")] * shape[0])
        y = wrap(make(), n)(torch.randn(shape), PlainEncoder(schema)(yes))
        sizes.append(y.square().mean().sqrt().item())
    assert 0.6 < sizes[1] / sizes[0] < 1.6


@pytest.mark.parametrize(("typed", "meant"), [("fiml", "film"), ("Concat", "concat"), ("modulation", "modulate")])
def test_an_unknown_name_gives_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(RequestError, match=f"Did you mean {meant}"):
        MECHANISMS[typed]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("wrap", CONDITIONAL)
def test_a_plain_tensor_is_a_condition(wrap: type[Mechanism], kind: str) -> None:
    make, shape = LAYERS[kind]
    m, x, v = randomised(wrap(make(), WIDTH)), torch.randn(shape), torch.randn(4, WIDTH)
    torch.testing.assert_close(m(x, v), m(x, encoded(v)))
    assert not torch.allclose(m(x, v), m(x, v + 1))


def test_tokens_of_ones_own_are_a_condition() -> None:
    tokens, x = torch.randn(4, 3, WIDTH), torch.randn(4, 6)
    attention, film = randomised(CrossAttention(nn.Linear(6, 8), WIDTH)), randomised(FiLM(nn.Linear(6, 8), WIDTH))
    torch.testing.assert_close(attention(x, tokens), attention(x, Encoded(torch.zeros(4, WIDTH), tokens)))
    torch.testing.assert_close(film(x, tokens), film(x, encoded(tokens.mean(1))))
    with pytest.raises(ValueError, match=r"not \[4, 5, 1, 1\]"):
        film(x, torch.zeros(4, WIDTH, 1, 1))
