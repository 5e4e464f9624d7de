"""torchcfm's `examples/images/conditional_mnist.ipynb`, the first of its models. Nothing is changed."""

import torch
import torchdiffeq
from torchcfm.conditional_flow_matching import ConditionalFlowMatcher
from torchcfm.models.unet import UNetModel


def train(images, labels, clock):
    shape = tuple(images.shape[1:])
    model = UNetModel(dim=shape, num_channels=32, num_res_blocks=1, num_classes=10, class_cond=True)
    optimizer = torch.optim.Adam(model.parameters())
    matcher = ConditionalFlowMatcher(sigma=0.0)
    for x, y in clock.batches(images, labels, 128):
        optimizer.zero_grad()
        x1 = x * 2 - 1
        t, xt, ut = matcher.sample_location_and_conditional_flow(torch.randn_like(x1), x1)
        loss = torch.mean((model(t, xt, y) - ut) ** 2)
        loss.backward()
        optimizer.step()
    return model


def sample(model, labels):
    path = torchdiffeq.odeint(
        lambda t, x: model(t, x, labels),
        torch.randn(len(labels), 1, 28, 28),
        torch.linspace(0, 1, 2),
        atol=1e-4,
        rtol=1e-4,
        method="dopri5",
    )
    return (path[-1] + 1) / 2
