"""torchebm's README: equilibrium matching with the library's transformer for images, conditioned as it is there.

The library publishes no recipe for images. Chosen here: the size of smalldiffusion's transformer in patches of 4, and
batches of 128. Loss, optimiser and sampler are the README's for points in the plane.
"""

import torch
from torch import nn
from torchebm.losses import EquilibriumMatchingLoss
from torchebm.models import ConditionalTransformer2D
from torchebm.samplers import FlowSampler


class Field(nn.Module):
    """A field that does not change with time, given the condition as a vector."""

    def __init__(self, channels, side, width):
        super().__init__()
        self.shape = (channels, side, side)
        self.net = ConditionalTransformer2D(
            in_channels=channels,
            out_channels=channels,
            input_size=side,
            patch_size=4,
            embed_dim=192,
            depth=6,
            num_heads=6,
            cond_dim=width,
        )

    def forward(self, x, t, y):
        return self.net(x, cond=y)


def vectors(labels):
    return labels.float() if labels.ndim == 2 else nn.functional.one_hot(labels, 10).float()


def train(images, labels, clock):
    field = Field(images.shape[1], images.shape[2], vectors(labels[:1]).shape[1])
    loss_fn = EquilibriumMatchingLoss(model=field, interpolant="linear", energy_type="none")
    optimizer = torch.optim.Adam(field.parameters(), lr=1e-3)
    for x, y in clock.batches(images, labels, 128):
        loss = loss_fn(x * 2 - 1, model_kwargs={"y": vectors(y)})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return field


def sample(field, labels):
    sampler = FlowSampler(model=field, interpolant="linear", negate_velocity=True, integrator="euler")
    noise = torch.randn(len(labels), *field.shape)
    return (sampler.sample(x=noise, n_steps=100, model_kwargs={"y": vectors(labels)}) + 1) / 2
