"""On the mixture, whose conditional densities are known, samples must follow them; cut the condition, they do not."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.conditioning import MECHANISMS
from condgen.data import Mixture
from condgen.data.synthetic.sets import mixture
from condgen.models import Model, build
from condgen.models.protocols import HasLikelihood
from condgen.rng import Rng
from condgen.schema import Condition
from tests.unchecked import unchecked

pytestmark = pytest.mark.statistical

WORLD = Mixture()
DENSE = {"channels": 64, "depth": 2, "latent": 2}


@cache
@unchecked()
def trained(mechanism: str) -> Model:
    torch.manual_seed(0)
    data = mixture().train
    model = build("cvae", data.schema, data.shape, mechanism=mechanism, **DENSE)
    steps = 1000
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _, (x, condition) in zip(range(steps), data.batches(seed=0, start=0, size=256), strict=False):
        loss = model(x, condition)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def near_a_mode(x: Tensor, condition: Condition) -> float:
    """The share of points within three standard deviations of one of the two modes of their condition."""
    distance = (x[:, None] - WORLD.modes(condition)).norm(dim=2).min(1).values
    return float((distance < 3 * WORLD.scale).float().mean())


def of(mechanism: str, *marks: pytest.MarkDecorator) -> Any:
    """The parameter of a test. Tests of one mechanism run in one process, which trains its model once."""
    return pytest.param(mechanism, marks=[pytest.mark.xdist_group(f"mixture-{mechanism}"), *marks])


@pytest.mark.parametrize(
    "mechanism", [of(m, *[pytest.mark.slow] * (m == "attention")) for m in MECHANISMS if m != "none"]
)
def test_samples_match_the_known_conditionals(mechanism: str) -> None:
    model, condition = trained(mechanism), WORLD.conditions(2000, seed=7)
    with torch.no_grad():
        x = model.sample(condition, Rng(range(2000)))
    assert near_a_mode(x, condition) > 0.75
    first_mode = (x[:, None] - WORLD.modes(condition)).norm(dim=2).argmin(1) == 0
    assert 0.4 < first_mode.float().mean() < 0.6
    cut = condition[torch.randperm(2000, generator=torch.Generator().manual_seed(0))]
    assert near_a_mode(x, cut) < 0.2


@pytest.mark.parametrize("mechanism", [of("film")])
def test_likelihood_bound_stays_below_and_near_the_truth(mechanism: str) -> None:
    model, condition = trained(mechanism), WORLD.conditions(1000, seed=8)
    x = WORLD.sample(condition, torch.Generator().manual_seed(9))
    truth = WORLD.log_prob(x, condition).mean()
    assert isinstance(model, HasLikelihood)
    with torch.no_grad():
        bound = model.log_likelihood(x, condition, 100, torch.Generator().manual_seed(0)).mean()
    assert truth - 0.6 < bound < truth + 0.05
