"""The shortest possible training loop, for models of any number of players."""

import os

import torch
from torch import Tensor

from condgen.models import Model
from condgen.schema import Condition

BF16 = os.environ.get("CONDGEN_TEST_PRECISION") == "bf16"  # a variation of `make robust`
ADVERSARIAL = {"steps": 240, "lr": 4e-3, "momentum": 0.0}


def train(
    model: Model,
    x: Tensor,
    condition: Condition,
    *,
    steps: int = 120,
    batch: int = 64,
    lr: float = 1e-2,
    momentum: float = 0.9,
) -> list[float]:
    """Every player in turn on every batch, in the order of the data; the last player's losses."""
    optimisers = {
        name: torch.optim.AdamW(parameters, lr=lr, betas=(momentum, 0.99), weight_decay=0.0)
        for name, parameters in model.players().items()
    }
    losses = []
    for step in range(steps):
        index = torch.arange(step * batch, (step + 1) * batch) % len(x)
        for name, optimiser in optimisers.items():
            with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
                loss = model(x[index], condition[index], name)["loss"]
            optimiser.zero_grad()
            loss.backward(inputs=[p for group in optimiser.param_groups for p in group["params"]])
            for group in optimiser.param_groups:
                group["lr"] = lr * min(1.0, 2 - 2 * step / steps)
            optimiser.step()
        losses.append(loss.item())
    return losses
