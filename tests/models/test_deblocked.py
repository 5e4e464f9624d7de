"""Samples without the pattern of patches: what training sees, and what is shown."""

from typing import Any

import pytest
import torch

from condgen.models import build
from condgen.models.latents.codec import SpatialCodec
from condgen.networks.patches import deblocked
from condgen.rng import Rng
from condgen.schema import Schema
from condgen.testing import ATTRIBUTES
from condgen.testing.worlds import conditions

SCHEMA, IMAGE = Schema(attributes=ATTRIBUTES["all"]), (3, 32, 32)
SMALL: dict[str, Any] = {"channels": 8, "depth": 1}
PERIOD = 4  # px, of patches that are the only step to pixels


def twins(family: str, **settings: Any) -> tuple[Any, Any]:
    """The same network with plain pixels and with deblocked ones, outside training."""
    plain, better = (build(family, SCHEMA, IMAGE, outputs=o, **SMALL, **settings) for o in ("pixels", "deblocked"))
    better.load_state_dict(plain.state_dict())
    return plain.eval(), better.eval()


@pytest.mark.parametrize(
    ("family", "settings"),
    [("projection", {}), ("gan", {}), ("cvae", {"likelihood": "laplace"}), ("cvae", {}), ("autoencoder", {})],
)
@torch.no_grad()
def test_samples_are_those_of_the_plain_network_without_the_pattern(family: str, settings: dict[str, Any]) -> None:
    plain, better = twins(family, **settings)
    of_plain, of_better = (model.sample(conditions("all", 6), Rng(range(6))) for model in (plain, better))
    torch.testing.assert_close(of_better, deblocked(of_plain, PERIOD).clamp(0, 1))
    assert (of_better - of_plain).abs().max() > 1e-4


@pytest.mark.parametrize("training", [True, False])  # losses on validation data are of the same images
@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("projection", {"onlooker": 1.0, "onlooker_features": "random"}),
        ("cvae", {"perceptual": 1.0, "adversarial": 0.5}),
    ],
)
def test_losses_see_the_pattern(family: str, settings: dict[str, Any], training: bool) -> None:
    plain, better = (model.train(training) for model in twins(family, **settings))
    x, condition = torch.rand(4, *IMAGE), conditions("all", 4)
    for player in plain.players():
        torch.manual_seed(0)
        wanted = plain(x, condition, player)
        torch.manual_seed(0)
        torch.testing.assert_close(better(x, condition, player), wanted)


@torch.no_grad()
def test_likelihoods_are_those_of_the_plain_network() -> None:
    plain, better = twins("cvae")
    x = torch.rand(4, *IMAGE)
    raw = torch.randn(4, *IMAGE)
    assert torch.equal(plain.likelihood.log_prob(x, raw), better.likelihood.log_prob(x, raw))


@torch.no_grad()
def test_a_codec_decodes_without_the_pattern_and_learns_with_it() -> None:
    plain, better = (SpatialCodec(3, factor=4, latent=4, outputs=o, **SMALL).eval() for o in ("pixels", "deblocked"))
    better.load_state_dict(plain.state_dict())
    z = torch.rand(2, 4, 8, 8)
    assert torch.equal(plain.raw(z), better.raw(z))
    torch.testing.assert_close(better.decode(z), deblocked(plain.raw(z).clamp(0, 1), PERIOD).clamp(0, 1))
