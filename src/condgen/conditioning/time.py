"""The encoding of time, which a flow's network needs besides the attributes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning.encoder import Encoded

FREQUENCIES = 16


class TimeEncoder(nn.Module):
    """Adds times in [0, 1] to an encoded condition, so that any mechanism brings both into a layer.

    The vector is a small network's mixture of c.vector and Fourier features of the times. Both have a scale of one, so
    that neither drowns the other. The time is added to every token, and one extra token stands for the whole. With
    several times, all but the first start without influence.

    additive: the vector is a sum over attributes of functions of the time, so that no attribute changes the
        contribution of another (see `EmbeddingEncoder`). The extra token then depends on the time alone.
    """

    def __init__(self, condition_width: int, width: int, times: int = 1, additive: bool = False):
        super().__init__()
        self.additive = additive
        self.width = width
        layers = [nn.Linear(2 * FREQUENCIES + 1, width, bias=k == 0) for k in range(times)]
        self.times = nn.ModuleList(layers)
        self.condition = nn.Linear(condition_width + 2, width)
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        nn.init.normal_(self.condition.weight, std=(condition_width + 2) ** -0.5)
        for k, layer in enumerate(layers):
            nn.init.normal_(layer.weight, std=0.0 if k else FREQUENCIES**-0.5)

    def forward(self, c: Encoded, *times: Float[Tensor, " batch"]) -> Encoded:
        """The encoded condition with times: vector [batch, width], tokens [batch, 1 + attribute, width]."""
        embedded = torch.stack([layer(_fourier(t)) for layer, t in zip(self.times, times, strict=True)]).sum(0)
        vector, tokens = (self.condition(_normed(part)) for part in c)
        if self.additive:
            said = self.mix(torch.cat([embedded[:, None], embedded[:, None] + tokens], dim=1))
            return Encoded(said[:, 1:].sum(1) * tokens.shape[1] ** -0.5, said)
        whole = embedded + vector
        return Encoded(self.mix(whole), self.mix(torch.cat([whole[:, None], embedded[:, None] + tokens], dim=1)))


def _normed(part: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch more"]:
    """Layer norm with two known numbers appended, so that the mean and scale of the encoding are not lost."""
    known = part.new_tensor([1.0, -1.0]).expand(*part.shape[:-1], 2)
    both = torch.cat([part, known], dim=-1)
    return nn.functional.layer_norm(both, both.shape[-1:])


def _fourier(t: Float[Tensor, " batch"]) -> Float[Tensor, "batch feature"]:
    """The time itself, and sines and cosines of angles up to 8π t, where a flow still changes smoothly."""
    angles = t[:, None] * torch.linspace(0.5, 8, FREQUENCIES, device=t.device, dtype=t.dtype) * torch.pi
    return torch.cat([2 * t[:, None] - 1, angles.sin(), angles.cos()], dim=1)
