import math

import pytest
import torch
from torch import Tensor

from condgen.data import Mixture
from condgen.schema import Condition

ASKED = [
    {"side": "east", "far": "no", "angle": 0},
    {"side": "north", "far": "yes", "angle": 45},
    {"side": "south", "far": "no", "angle": -60},
]


def condition(row: dict[str, object], n: int = 1) -> Condition:
    return Condition.of(Mixture.schema, [row]).repeat(n)


def grid(low: float, high: float, steps: int) -> tuple[Tensor, float]:
    line = torch.linspace(low, high, steps)
    return torch.cartesian_prod(line, line), (line[1] - line[0]).item() ** 2


@pytest.mark.parametrize("row", ASKED)
def test_density_integrates_to_one(row: dict[str, object]) -> None:
    points, area = grid(-6, 6, 241)
    density = Mixture().log_prob(points, condition(row, len(points))).exp()
    assert density.sum().item() * area == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("row", ASKED)
def test_samples_follow_the_density(row: dict[str, object]) -> None:
    world = Mixture()
    points, area = grid(-6, 6, 241)
    log_p = world.log_prob(points, condition(row, len(points)))
    entropy = -(log_p.exp() * log_p).sum().item() * area
    asked = condition(row, 4000)
    x = world.sample(asked, torch.Generator().manual_seed(0))
    assert -world.log_prob(x, asked).mean().item() == pytest.approx(entropy, abs=0.06)
    one_mode = math.log(2 * math.pi * math.e * world.scale**2)
    assert entropy == pytest.approx(one_mode + math.log(2), abs=0.02), "the two modes hardly overlap"


def test_both_modes_are_sampled_evenly() -> None:
    asked = condition(ASKED[1], 2000)
    x = Mixture().sample(asked, torch.Generator().manual_seed(0))
    nearest = (x[:, None] - Mixture().modes(asked)).square().sum(2).argmin(1).float()
    assert nearest.mean().item() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("changed", [{"side": "west"}, {"far": "yes"}, {"angle": 50}])
def test_every_attribute_moves_the_modes(changed: dict[str, object]) -> None:
    before, after = (Mixture().modes(condition(row)) for row in (ASKED[0], ASKED[0] | changed))
    assert (before - after).norm(dim=2).min() > 0.3


@pytest.mark.parametrize(
    ("side", "direction"), [("east", (1, 0)), ("north", (0, 1)), ("west", (-1, 0)), ("south", (0, -1))]
)
@pytest.mark.parametrize(("far", "distance"), [("no", 2), ("yes", 4)])
def test_modes_lie_on_the_side_and_at_the_distance_asked_for(
    side: str, direction: tuple[int, int], far: str, distance: int
) -> None:
    modes = Mixture().modes(condition({"side": side, "far": far, "angle": 20}))
    expected = distance * torch.tensor(direction).float()
    assert torch.allclose(modes.mean(1)[0], expected, atol=1e-5)
    assert (modes[0, 0] - modes[0, 1]).norm().item() == pytest.approx(1.2, abs=1e-5)


def test_conditions_are_uniform_repeatable_and_complete() -> None:
    drawn = Mixture().conditions(4000, seed=3)
    assert drawn.complete
    assert drawn.rows() == Mixture().conditions(4000, seed=3).rows()
    assert torch.bincount(drawn.values["side"].long()).tolist() == pytest.approx([1000] * 4, abs=110)
    assert drawn.values["far"].mean().item() == pytest.approx(0.5, abs=0.03)
    assert drawn.values["angle"].abs().max() <= 60
    assert drawn.values["angle"].mean().item() == pytest.approx(0, abs=2)
