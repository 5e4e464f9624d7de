"""The steps of a decoder to a finer resolution: to twice as many places, and at last to the pixels of each patch.

A layer with one output per finer place, or per pixel, makes errors of the same size at each of them, and at every pixel
of a patch in every colour. Where its input changes slowly, the error is the same in each patch: a grid. Photographs
have next to no power there. In 64×64 faces, the finest detail of a 4×4 patch has 0.02 times the amplitude of the
patch's mean, and in colour 0.001 times.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pixel_shuffle

COLOURS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))  # opponent colours: lightness, red to blue, green
COLOUR = 0.25  # amplitude of colour relative to lightness

AROUND = (1, 4, 6, 4, 1)  # weights of the patches around one, along a line
SMOOTH = (1, 8, 28, 56, 70, 56, 28, 8, 1)  # and of the pixels whose mean has no details

Outputs = Float[Tensor, "batch output row column"]
Maps = Float[Tensor, "batch channel finer_row finer_column"]
Images = Float[Tensor, "batch channel height width"]


class Pixels(nn.Module):
    """Outputs are the finer places and the pixels of patches themselves (Shi et al. 2016)."""

    finer = 4  # outputs of a layer, per channel, from which `enlarged` makes twice as many rows and columns

    def __init__(self, channels: int, patch: int):
        super().__init__()
        self.channels = channels
        self.patch = patch

    def begin(self, layer: nn.Conv2d) -> None:
        """Leave the layer before this step as it was initialised."""

    def enlarged(self, y: Outputs) -> Maps:
        """Feature maps of twice as many rows and columns."""
        return pixel_shuffle(y, 2)

    def forward(self, y: Outputs) -> Images:
        """The images of these outputs."""
        return pixel_shuffle(y, self.patch)


class Spectrum(Pixels):
    """Outputs are the spectrum of patches: each patch's mean, by colour, and its details, by colour and frequency.

    Feature maps and means are interpolated. Details are waves on a patch (DCT-II without its constant, Ahmed et al.
    1974), in the amplitude that they have in photographs. The part of a detail that neighbouring patches share is taken
    out, because it would be the same pattern in each: a grid. Colours are opponent ones if channels come in threes.
    """

    finer = 1

    def __init__(self, channels: int, patch: int):
        super().__init__(channels, patch)
        colours = _colours(channels)
        self.register_buffer("colours", colours[..., None, None])
        self.register_buffer("waves", torch.kron(colours, _waves(patch))[..., None, None])
        self.colours: Tensor
        self.waves: Tensor

    @torch.no_grad()
    def begin(self, layer: nn.Conv2d) -> None:
        """Let the layer before this step start without details."""
        assert layer.bias is not None
        for tensor in (layer.weight, layer.bias):
            tensor[self.channels :] = 0

    def enlarged(self, y: Outputs) -> Maps:
        """Feature maps of twice as many rows and columns, interpolated."""
        return interpolate(y, scale_factor=2, mode="bilinear")

    def forward(self, y: Outputs) -> Images:
        """The images of these outputs."""
        means, details = y.tensor_split([self.channels], 1)
        details = details - avg_pool2d(details, 3, stride=1, padding=1, count_include_pad=False)
        even = interpolate(conv2d(means, self.colours), scale_factor=self.patch, mode="bilinear")
        return even + pixel_shuffle(conv2d(details, self.waves), self.patch)


class Deblocking(nn.Module):
    """Images without the pattern that neighbouring patches have in common. No loss sees them so.

    period: the side in pixels of the patches that the pattern repeats in.
    """

    def __init__(self, period: int):
        super().__init__()
        self.period = period

    def forward(self, x: Images) -> Images:
        """Images in [0, 1] of the same shape."""
        return deblocked(x, self.period).clamp(0, 1)


def deblocked(x: Images, patch: int) -> Images:
    """Images without the pattern that neighbouring patches of this side have in common.

    Of each pixel of a patch, the detail is averaged over the patches around. Photographs repeat next to nothing from
    patch to patch, so the mean is an artefact unless it is chance. It is taken out by the share of its power, over the
    pixels of a patch, that is above the variance of a mean: a form of Wiener's filter. If all of it were taken out,
    this would be a linear filter with notches at the frequencies of patches.
    """
    x = x.contiguous()  # as products of rows leave it
    details = x - _smoothed(x, SMOOTH)
    common = _smoothed(details, AROUND, patch)
    power = avg_pool2d(common.square(), patch)
    variance = _smoothed(avg_pool2d(details.square(), patch), AROUND) - power
    taken = (1 - _share(AROUND) ** 2 * variance / power.clamp(min=1e-12)).clamp(min=0)
    return x - common * taken.repeat_interleave(patch, 3).repeat_interleave(patch, 2)


def _smoothed(x: Images, weights: tuple[int, ...], step: int = 1) -> Images:
    """The weighted mean of each place and those around it, as far as there are any; step: from one to the next."""
    down, across = (_averaging(side, weights, step).to(x) for side in x.shape[2:])
    return (down @ (x.flatten(0, 1) @ across.T)).view_as(x)  # products of three dimensions: those of four copy


def _averaging(places: int, weights: tuple[int, ...], step: int) -> Float[Tensor, "place place"]:
    """The matrix that takes the weighted mean around each place of a line."""
    place, reach = torch.arange(places), len(weights) // 2
    away = place - place[:, None] + reach * step
    inside = (away % step == 0) & (away >= 0) & (away < len(weights) * step)
    band = torch.tensor(weights, dtype=torch.float32)[away.clamp(0, len(weights) * step - 1) // step] * inside
    return band / band.sum(1, keepdim=True)


def _share(weights: tuple[int, ...]) -> float:
    """The variance of a weighted mean along a line, as a share of that of one place."""
    return sum(w**2 for w in weights) / sum(weights) ** 2


def _colours(channels: int) -> Float[Tensor, "channel colour"]:
    """Colours of length 1, those without lightness shorter. The channels themselves unless they come in threes."""
    if channels % 3:
        return torch.eye(channels)
    colours = torch.tensor(COLOURS)
    lengths = torch.tensor([[1.0], [COLOUR], [COLOUR]])
    scaled = colours / colours.norm(dim=1, keepdim=True) * lengths
    return torch.kron(torch.eye(channels // 3), scaled.T.contiguous())


def _waves(patch: int) -> Float[Tensor, "pixel wave"]:
    """Waves on a patch, without the constant one, whose amplitude would be 1 per pixel.

    Amplitudes are 1/(1 + 4 f^1.5), with the frequency f in half waves per 4 pixels.
    """
    k = torch.arange(patch, dtype=torch.float32)
    wave = (math.pi / patch * (k[:, None] + 0.5) * k).cos()  # [place, frequency]
    wave = wave / wave.norm(dim=0) * patch**0.5
    frequency = (k[:, None].square() + k.square()).sqrt().flatten() * 4 / patch
    return (torch.kron(wave, wave) / (1 + 4 * frequency**1.5))[:, 1:]
