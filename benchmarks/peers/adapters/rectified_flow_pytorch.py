"""rectified-flow-pytorch's README example, given the condition as a vector (`accept_cond`).

Changed: half the example's width, and one level less, since 28 pixels cannot be halved three times. Optimiser and batch
are its trainer's.
"""

import torch
from rectified_flow_pytorch import RectifiedFlow, Unet


def vectors(labels):
    return labels.float() if labels.ndim == 2 else torch.nn.functional.one_hot(labels, 10).float()


def train(images, labels, clock):
    width = vectors(labels[:1]).shape[1]
    model = Unet(dim=32, dim_mults=(1, 2, 4), channels=images.shape[1], accept_cond=True, dim_cond=width)
    flow = RectifiedFlow(model)
    optimizer = torch.optim.Adam(flow.parameters(), lr=3e-4)
    for x, y in clock.batches(images, labels, 16):
        loss = flow(x, cond=vectors(y))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 0.5)
        optimizer.step()
        optimizer.zero_grad()
    return flow


def sample(flow, labels):
    return flow.sample(batch_size=len(labels), cond=vectors(labels))
