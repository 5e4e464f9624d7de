"""Adversarial losses and gradient penalties.

r and f are the critic's scores of real and generated observations. Higher means more real.

    loss             the critic minimises                  the generator minimises       source
    nonsaturating    softplus(−r) + softplus(f)            softplus(−f)                  Goodfellow et al. 2014
    hinge            max(0, 1 − r) + max(0, 1 + f)         −f                            Lim & Ye 2017
    wasserstein      f − r                                 −f                            Arjovsky et al. 2017
    relativistic     softplus(f − r)                       softplus(r − f)               Jolicoeur-Martineau 2019

The relativistic loss compares pairs. Here both members of a pair have the same condition, so that the condition cannot
decide which of them wins.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from condgen.models import together

Scores = Float[Tensor, " batch"]


@dataclass(frozen=True)
class AdversarialLoss:
    """The critic's and the generator's loss [batch], as functions of the scores of real and generated observations."""

    critic: Callable[[Scores, Scores], Scores]
    generator: Callable[[Scores, Scores], Scores]


LOSSES: dict[str, AdversarialLoss] = {
    "nonsaturating": AdversarialLoss(lambda r, f: softplus(-r) + softplus(f), lambda r, f: softplus(-f)),
    "hinge": AdversarialLoss(lambda r, f: (1 - r).relu() + (1 + f).relu(), lambda r, f: -f),
    "wasserstein": AdversarialLoss(lambda r, f: f - r, lambda r, f: -f),
    "relativistic": AdversarialLoss(lambda r, f: softplus(f - r), lambda r, f: softplus(r - f)),
}


def gradient_penalty(score: Callable[[Tensor], Scores], x: Float[Tensor, "batch ..."]) -> Scores:
    """‖∇ₓ score(x)‖² of each observation: R1 if x is real, R2 if it is generated (Mescheder et al. 2018, eq. 9).

    Always computed in full precision, because squares of gradients leave the range of half precision.
    """
    with torch.enable_grad(), torch.autocast(x.device.type, enabled=False):
        x = x.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(score(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def relative_length(gradient: Float[Tensor, "batch ..."], other: Float[Tensor, "batch ..."]) -> Float[Tensor, ""]:
    """The length of a gradient relative to that of another one, over the whole batch (Esser et al. 2021, eq. 7)."""
    squares = torch.stack([g.float().norm().square() for g in (gradient, other)])
    one, length = together.averaged(squares).sqrt()
    return (one / (length + 1e-8)).detach()
