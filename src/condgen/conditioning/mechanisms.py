"""Mechanisms: ways in which a condition enters a dense or convolutional layer. The result is called `layer(x, c)`.

    mechanism               computes                                    source
    none                    f(x)
    concat                  f([x, c]), c repeated as channels           Mirza & Osindero 2014
    film                    (1 + γ(c)) · f(x) + β(c)                     Perez et al. 2018, eq. 2
    norm                    (1 + γ(c)) · normalise(f(x)) + β(c)          Dumoulin et al. 2017, eq. 5
    modulate                f's weights scaled by s(c), bias moved       Karras et al. 2020, eq. 1–3
    attention               f(x) + attention of f(x) over c's tokens     Rombach et al. 2022, §3.3

All but `concat` and `norm` start as the wrapped layer itself. `norm` starts as the layer followed by a normalisation.
"""

from copy import deepcopy
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning.encoder import Encoded
from condgen.registry import NameIn, Registry

Layer = nn.Linear | nn.Conv2d


class Mechanism(nn.Module):
    """A layer with a condition: [batch, in, ...] to [batch, out, ...]. `width` is the width of c.vector.

    Called `layer(x, c)`. c is an encoded condition, or a plain tensor: [batch, width], or tokens [batch, token, width].
    """

    def __init__(self, layer: Layer, width: int):
        super().__init__()
        self.layer = layer
        self.width = width

    @property
    def outputs(self) -> int:
        """Output features or channels of the wrapped layer."""
        return self.layer.weight.shape[0]

    def __call__(self, x: Float[Tensor, "batch ..."], c: Encoded | Tensor) -> Tensor:
        """The layer's output for x under condition c. `forward` always gets an encoded condition."""
        output: Tensor = super().__call__(x, Encoded.of(c) if isinstance(c, Tensor) else c)
        return output

    def forward(self, x: Float[Tensor, "batch ..."], c: Encoded) -> Float[Tensor, "batch ..."]:
        """The layer's output for x under condition c."""
        raise NotImplementedError(f"{type(self).__name__} has no `forward`, which returns its output for x and c")

    def folded(self, c: Encoded, x: Float[Tensor, "1 ..."]) -> nn.Module:
        """An ordinary layer with the same outputs under one fixed condition, c of batch 1, for inputs of x's size.

        Here the mechanism itself, bound to the condition. Mechanisms override it with a layer that costs less.
        """
        return Bound(self, c)


class Bound(nn.Module):
    """A mechanism bound to one condition."""

    vector: Tensor
    tokens: Tensor

    def __init__(self, mechanism: Mechanism, c: Encoded):
        super().__init__()
        self.mechanism = mechanism
        self.register_buffer("vector", c.vector.clone())
        self.register_buffer("tokens", c.tokens.clone())

    def forward(self, x: Float[Tensor, "batch ..."]) -> Tensor:
        """The mechanism's output for x."""
        c = (part.expand(x.shape[0], *part.shape[1:]) for part in (self.vector, self.tokens))
        return self.mechanism(x, Encoded(*c))


class Unconditioned(Mechanism):
    """The wrapped layer alone, without a condition. For unconditional models and for ablations."""

    def forward(self, x: Float[Tensor, "batch ..."], c: Encoded) -> Float[Tensor, "batch ..."]:
        """The wrapped layer's output. c is ignored."""
        return self.layer(x)

    def folded(self, c: Encoded, x: Float[Tensor, "1 ..."]) -> nn.Module:
        """The wrapped layer."""
        return self.layer


class Concat(Mechanism):
    """Concatenation: a dense layer of [x, c], or a convolution of x with c repeated as extra channels.

    The constant maps are never built. By linearity f([x, c]) = f(x) + g(c), where g convolves a constant map. Its
    output depends on the position only through the kernel taps that fall inside the image, separately for rows and
    columns. So g contracts c with the kernel once per sample, not once per position.
    """

    def __init__(self, layer: Layer, width: int):
        plain = not isinstance(layer, nn.Conv2d) or (layer.groups == 1 and layer.padding_mode == "zeros")
        if not plain or (isinstance(layer, nn.Conv2d) and isinstance(layer.padding, str)):
            raise ValueError("Concat wraps convolutions with one group and zero padding given as a number")
        super().__init__(layer, width)
        taps = layer.weight[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1
        inputs = layer.weight.shape[1] * taps
        bound = (inputs + width * taps) ** -0.5  # PyTorch's initialisation of the literal layer with its extra inputs
        kernel = layer.weight.shape[2:]
        self.weight = nn.Parameter(torch.empty(self.outputs, width, *kernel).uniform_(-bound, bound))
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.mul_(bound * inputs**0.5)

    def forward(self, x: Float[Tensor, "batch ..."], c: Encoded) -> Float[Tensor, "batch ..."]:
        """The layer applied to the concatenation of x and c."""
        return self.layer(x) + self._constant(x, c)

    def folded(self, c: Encoded, x: Float[Tensor, "1 ..."]) -> nn.Module:
        """The layer with another bias, or with a bias of each place if padding makes places differ."""
        constant = self._constant(x, c)[0]
        per_channel = constant.flatten(1)[:, 0] if constant.dim() > 1 else constant
        if not (constant == _per_output(per_channel, constant)).all():
            return WithMap(self.layer, constant)
        return _with(self.layer, bias=per_channel if self.layer.bias is None else self.layer.bias + per_channel)

    def _constant(self, x: Float[Tensor, "batch ..."], c: Encoded) -> Float[Tensor, "batch out ..."]:
        """g(c): what the condition adds to the layer's output."""
        if isinstance(self.layer, nn.Linear):
            return c.vector @ self.weight.T
        rows, columns = self._taps_inside(0, x), self._taps_inside(1, x)
        return torch.einsum("bw,owij,yi,xj->byxo", c.vector, self.weight, rows, columns).permute(0, 3, 1, 2)

    def _taps_inside(self, axis: int, x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "position tap"]:
        """For each output position along one axis: 1 where a kernel tap falls inside the image, 0 in the padding."""
        geometry = (getattr(self.layer, name)[axis] for name in ("kernel_size", "stride", "padding", "dilation"))
        taps, stride, padding, dilation = geometry
        size = x.shape[2 + axis]
        positions = (size + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
        first = torch.arange(positions, device=x.device) * stride - padding
        index = first[:, None] + torch.arange(taps, device=x.device) * dilation
        return ((index >= 0) & (index < size)).to(x.dtype)


class FiLM(Mechanism):
    """Feature-wise linear modulation: a scale and a shift per channel, from the condition."""

    def __init__(self, layer: Layer, width: int):
        super().__init__(layer, width)
        self.gamma_beta = nn.Linear(width, 2 * self.outputs)
        _zero(self.gamma_beta)

    def forward(self, x: Float[Tensor, "batch ..."], c: Encoded) -> Float[Tensor, "batch ..."]:
        """(1 + γ) f(x) + β."""
        y = self.layer(x)
        gamma, beta = _per_channel(self.gamma_beta(c.vector), y).chunk(2, dim=1)
        return torch.addcmul(beta, 1 + gamma, y)

    def folded(self, c: Encoded, x: Float[Tensor, "1 ..."]) -> nn.Module:
        """The layer with its weights and bias scaled, and its bias moved."""
        gamma, beta = self.gamma_beta(c.vector)[0].chunk(2)
        bias = beta if self.layer.bias is None else (1 + gamma) * self.layer.bias + beta
        return _with(self.layer, _per_output(1 + gamma, self.layer.weight) * self.layer.weight, bias)


class ConditionalNorm(FiLM):
    """Conditional normalisation: FiLM behind a normalisation (layer norm of vectors, group norm of images)."""

    def __init__(self, layer: Layer, width: int):
        super().__init__(layer, width)
        groups = 1 if isinstance(layer, nn.Linear) else norm_groups(self.outputs)
        self.norm = nn.GroupNorm(groups, self.outputs, affine=False)

    def forward(self, x: Float[Tensor, "batch ..."], c: Encoded) -> Float[Tensor, "batch ..."]:
        """(1 + γ) normalise(f(x)) + β."""
        y = self.norm(self.layer(x).contiguous())  # contiguous, because the forward-mode derivative requires it
        gamma, beta = _per_channel(self.gamma_beta(c.vector), y).chunk(2, dim=1)
        return torch.addcmul(beta, 1 + gamma, y)

    def folded(self, c: Encoded, x: Float[Tensor, "1 ..."]) -> nn.Module:
        """The layer and an ordinary normalisation with scales and shifts."""
        gamma, beta = self.gamma_beta(c.vector)[0].chunk(2)
        norm = nn.GroupNorm(self.norm.num_groups, self.outputs, self.norm.eps)
        norm.weight, norm.bias = nn.Parameter(1 + gamma), nn.Parameter(beta.clone())
        return nn.Sequential(self.layer, norm)


class WeightModulation(Mechanism):
    """The condition scales the layer's weights per input channel. Each output channel keeps the length of its weights.

    Scaling the weights of input i by s_i equals scaling the input, and dividing output o's weights by their change of
    length equals scaling the output. Written this way it is one ordinary layer with shared weights, which is fast and
    can be exported. The bias is a parameter of the layer too, so the condition moves it as well.
    """

    def __init__(self, layer: Layer, width: int):
        if isinstance(layer, nn.Conv2d) and layer.groups != 1:
            raise ValueError("WeightModulation wraps convolutions with one group")
        super().__init__(layer, width)
        self.style = nn.Linear(width, layer.weight.shape[1])
        self.bias = nn.Linear(width, self.outputs)
        _zero(self.style)
        _zero(self.bias)

    def forward(self, x: Float[Tensor, "batch ..."], c: Encoded) -> Float[Tensor, "batch ..."]:
        """f with weights w·s / (|w·s| / |w|), and f's own bias plus b(c)."""
        s, demodulate, bias = self._scales(c)
        y = self._without_bias(x * _per_channel(s, x)) * _per_channel(demodulate, x)
        return y + _per_channel(bias, y)

    def folded(self, c: Encoded, x: Float[Tensor, "1 ..."]) -> nn.Module:
        """The layer with its weights scaled per input and output, and its bias moved."""
        s, demodulate, bias = (part[0] for part in self._scales(c))
        weight = self.layer.weight * s.view(1, -1, *[1] * (self.layer.weight.dim() - 2))
        return _with(self.layer, _per_output(demodulate, weight) * weight, bias)

    def _scales(self, c: Encoded) -> tuple[Tensor, Tensor, Tensor]:
        """The scales of inputs [batch, in] and of outputs [batch, out], and the bias [batch, out]."""
        s = 1 + self.style(c.vector)
        energy = (
            self.layer.weight.flatten(2).square().sum(2) if self.layer.weight.dim() > 2 else self.layer.weight.square()
        )
        demodulate = ((energy.sum(1) + 1e-8) / (s.square() @ energy.T + 1e-8)).sqrt()
        bias = self.bias(c.vector) if self.layer.bias is None else self.bias(c.vector) + self.layer.bias
        return s, demodulate, bias

    def _without_bias(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        if isinstance(self.layer, nn.Linear):
            return nn.functional.linear(x, self.layer.weight)
        return self.layer._conv_forward(x, self.layer.weight, None)


class CrossAttention(Mechanism):
    """Every position of the layer's output attends to the condition's tokens, one per attribute.

    The result is added, through a layer that starts at zero. Queries see a normalised output, so that its scale does
    not decide how sharply they attend. Attention is written out, so that it can be differentiated twice and in forward
    mode.
    """

    def __init__(self, layer: Layer, width: int):
        super().__init__(layer, width)
        self.heads = max(h for h in (1, 2, 4) if self.outputs % h == 0)
        self.query = nn.Linear(self.outputs, self.outputs)
        self.key_value = nn.Linear(width, 2 * self.outputs)
        self.found = nn.Linear(self.outputs, self.outputs)
        _zero(self.found)

    def forward(self, x: Float[Tensor, "batch ..."], c: Encoded) -> Float[Tensor, "batch ..."]:
        """f(x) + W softmax(q(f(x)) kᵀ/√d) v, with keys and values from c.tokens."""
        y = self.layer(x)
        places = y.flatten(2).transpose(1, 2) if y.dim() > 2 else y[:, None]
        query = self._split(self.query(nn.functional.layer_norm(places, (self.outputs,))))
        key, value = map(self._split, self.key_value(c.tokens).chunk(2, dim=2))
        weights = (query @ key.transpose(2, 3) * query.shape[3] ** -0.5).softmax(3)
        found = self.found((weights @ value).transpose(1, 2).flatten(2)).transpose(1, 2)
        return y + found.reshape(y.shape)

    def folded(self, c: Encoded, x: Float[Tensor, "1 ..."]) -> nn.Module:
        """The layer, and attention to fixed tokens: q(y) kᵀ is one linear map of y, and W v one matrix per head."""
        key, value = map(self._split, self.key_value(c.tokens).chunk(2, dim=2))
        scale = key.shape[3] ** -0.5
        query, bias = (part.unflatten(0, (self.heads, -1)) for part in (self.query.weight, self.query.bias))
        score = nn.Linear(self.outputs, self.heads * key.shape[2])
        score.weight = nn.Parameter(scale * torch.einsum("htd,hdi->hti", key[0], query).flatten(0, 1))
        score.bias = nn.Parameter(scale * torch.einsum("htd,hd->ht", key[0], bias).flatten())
        found = nn.Linear(self.heads * key.shape[2], self.outputs)
        out = self.found.weight.unflatten(1, (self.heads, -1))
        found.weight = nn.Parameter(torch.einsum("htd,ohd->oht", value[0], out).flatten(1))
        found.bias = self.found.bias
        return FixedAttention(self.layer, score, found, self.heads)

    def _split(self, x: Float[Tensor, "batch place channel"]) -> Float[Tensor, "batch head place part"]:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class FixedAttention(nn.Module):
    """A layer whose outputs attend to tokens that do not change."""

    def __init__(self, layer: Layer, score: nn.Linear, found: nn.Linear, heads: int):
        super().__init__()
        self.layer = layer
        self.score = score
        self.found = found
        self.heads = heads

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """f(x) + W softmax(S f(x))."""
        y = self.layer(x)
        places = y.flatten(2).transpose(1, 2) if y.dim() > 2 else y[:, None]
        scores = self.score(nn.functional.layer_norm(places, places.shape[2:])).unflatten(2, (self.heads, -1))
        return y + self.found(scores.softmax(3).flatten(2)).transpose(1, 2).reshape(y.shape)


class WithMap(nn.Module):
    """A layer whose bias differs from place to place."""

    def __init__(self, layer: Layer, constant: Float[Tensor, "out height width"]):
        super().__init__()
        self.layer = _with(layer, bias=torch.zeros_like(constant[:, 0, 0]))
        bias = 0 if layer.bias is None else layer.bias[:, None, None]
        self.register_buffer("map", (constant + bias).contiguous())

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out row column"]:
        """f(x) plus the map."""
        return self.layer(x) + self.map


def _with(layer: Layer, weight: Tensor | None = None, bias: Tensor | None = None) -> Layer:
    """A copy of a layer with another weight or bias."""
    twin = deepcopy(layer)
    if weight is not None:
        twin.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        twin.bias = nn.Parameter(bias.detach().clone())
    return twin


def _per_output(v: Float[Tensor, " out"], weight: Tensor) -> Tensor:
    """v reshaped so that [out] broadcasts over a weight [out, in, ...]."""
    return v.view(-1, *[1] * (weight.dim() - 1))


def _per_channel(v: Float[Tensor, "batch channel"], like: Tensor) -> Tensor:
    """v reshaped so that [batch, channel] broadcasts over the positions of `like`."""
    return v.reshape(*v.shape, *[1] * (like.dim() - 2))


def norm_groups(channels: int) -> int:
    """The largest number of groups up to 8 that divides the channels and leaves at least 4 in each."""
    return max(g for g in range(1, 9) if channels % g == 0 and (channels // g >= 4 or g == 1))


def _zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


MECHANISMS: Registry[type[Mechanism]] = Registry(
    "mechanism",
    "condgen.mechanisms",
    {
        "none": Unconditioned,
        "concat": Concat,
        "film": FiLM,
        "norm": ConditionalNorm,
        "modulate": WeightModulation,
        "attention": CrossAttention,
    },
    accepts=lambda entry: isinstance(entry, type) and issubclass(entry, Mechanism),
    wanted="subclass of condgen.conditioning.Mechanism",
)
MechanismName = Annotated[str, NameIn(MECHANISMS)]
