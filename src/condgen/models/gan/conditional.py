"""Edits by a generator that cannot encode: latents of an observation, found by descent.

Zhu et al. 2016, section 3.1, look for the latent whose image is nearest to a given one. A generator has many that are
about as near, and each differs from the observation in its own way. So several are found, from different starts. The
condition changes the image of each, and an edit makes the change upon which they agree.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from condgen.conditioning import Encoded
from condgen.models.base import Batch
from condgen.models.gan.gan import GAN
from condgen.models.through_noise import ThroughNoise
from condgen.schema import Condition

STARTS = 8  # latents of each observation
STEPS = 30
RATE = 0.1  # of Adam, at first
SPREAD = 0.7  # standard deviation of the starts
PRIOR = 0.02  # weight of the latents' mean square
DOUBT = 3.0  # multiple of the expected disagreement that is taken off a change
COARSE = (16, 8)  # parts of a side over which images are compared: an edit keeps their details anyway
AT_ONCE = 32  # observations

Latents = Float[Tensor, "batch number"]


class ConditionalGAN(ThroughNoise, GAN):
    """A GAN whose generator takes the condition, so that an observation can be shown under another one.

    The noise of an observation is several latents in a row, [batch, start · latent]. Their mean image shows it.
    """

    lossless = False
    in_one_pass = False
    _found: tuple[Tensor, ...] | None = None  # the last observations with their encoded condition, and their noise

    def train(self, mode: bool = True) -> "ConditionalGAN":
        """Begin or end training. Latents that were found are those of the weights before."""
        self._found = None
        return super().train(mode)

    def to_noise(self, x: Batch, c: Encoded) -> Latents:
        """Latents whose images under the condition resemble the observations. The same every time."""
        asked = (x, *c)
        if self._found is None or not all(map(_same, self._found, asked)):
            self._found = (*asked, _in_parts(self._descended, *asked))
        return self._found[-1]

    def from_noise(self, noise: Latents, c: Encoded) -> Batch:
        """The mean of the latents' images under a condition."""
        return _in_parts(self._mean, noise, *c)

    def edit(self, x: Batch, source: Condition, target: Condition) -> Batch:
        """x, which has condition `source`, as its latents show it, with the change to `target` on which they agree."""
        c, changed = self.condition_encoder(source), self.condition_encoder(target)
        return _in_parts(self._edited, self.to_noise(x, c), *c, *changed)

    def _edited(self, noise: Latents, *conditions: Tensor) -> Batch:
        before, after = (self._drawn(noise, *c) for c in (conditions[:2], conditions[2:]))
        return before.mean(1) + agreed(after - before)

    def _mean(self, noise: Latents, *c: Tensor) -> Batch:
        return self._drawn(noise, *c).mean(1)

    def _drawn(self, noise: Latents, *c: Tensor) -> Float[Tensor, "batch start ..."]:
        """The image of every latent."""
        z = noise.unflatten(1, (STARTS, -1)).flatten(0, 1)
        return self.generator.shown(z, _repeated(*c)).unflatten(0, (-1, STARTS))

    def _descended(self, x: Batch, *c: Tensor) -> Latents:
        """The latents of a few observations. All begin at the same starts."""
        with torch.inference_mode(False), torch.enable_grad():
            wanted, encoded = x.clone().repeat_interleave(STARTS, 0), _repeated(*(each.clone() for each in c))
            z = _starts(self.generator.latent).to(x.device).repeat(len(x), 1).requires_grad_()
            optimiser = torch.optim.Adam([z], RATE, betas=(0.9, 0.99))
            for step in range(STEPS):
                optimiser.param_groups[0]["lr"] = RATE * min(1, 2 - 2 * step / STEPS)
                apart = _apart(self.generator.drawn(z, encoded), wanted) + PRIOR * z.square().mean(1)
                (z.grad,) = torch.autograd.grad(apart.sum(), z)
                optimiser.step()
        return z.detach().view(len(x), -1)


def agreed(changes: Float[Tensor, "batch start ..."]) -> Batch:
    """The mean of changes, smaller where it could be chance: by the share that the variance of a mean has in its power.

    Of images both are averaged over colours and surroundings. A form of Wiener's filter.
    """
    mean = changes.mean(1)
    power, chance = mean.square(), changes.var(1) / changes.shape[1]
    if mean.dim() == 4:
        power, chance = _around(power), _around(chance)
    return mean * (1 - DOUBT * chance / power.clamp(min=1e-12)).clamp(min=0)


def _around(x: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch 1 height width"]:
    """The mean over channels and over an eighth of the side."""
    size = min(x.shape[2:]) // 8 // 2 * 2 + 1
    return avg_pool2d(x.mean(1, keepdim=True), size, 1, size // 2, count_include_pad=False)


def _starts(latent: int) -> Float[Tensor, "start latent"]:
    return SPREAD * torch.randn(STARTS, latent, generator=torch.Generator().manual_seed(0))


def _apart(one: Batch, other: Batch) -> Float[Tensor, " batch"]:
    """The mean square difference of each pair. Of images coarsely, at two sizes."""
    if one.dim() == 2:
        return (one - other).square().mean(1)
    sizes = [max(min(one.shape[2:]) // parts, 1) for parts in COARSE]
    return torch.stack([avg_pool2d(one - other, size).square().mean((1, 2, 3)) for size in sizes]).sum(0)


def _repeated(*c: Tensor) -> Encoded:
    return Encoded(*(each.repeat_interleave(STARTS, 0) for each in c))


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.device == other.device and bool((one == other).all())


def _in_parts(make: Callable[..., Any], *tensors: Tensor) -> Tensor:
    """The results for a few observations at a time, since each takes the memory of several."""
    return torch.cat([make(*part) for part in zip(*(t.split(AT_ONCE) for t in tensors), strict=True)])
