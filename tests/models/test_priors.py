import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from condgen.conditioning import Encoded, PlainEncoder
from condgen.models.gaussian import DiagonalGaussian
from condgen.models.priors import PRIORS, FixedGaussian, LearnedGaussian, Prior, StandardNormal
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

LATENT, WIDTH = 4, 3


def encoded(n: int) -> Encoded:
    vector = torch.randn(n, WIDTH)
    return Encoded(vector, vector[:, None])


def moved(prior: Prior) -> Prior:
    """The prior after training moved its parameters somewhere."""
    with torch.no_grad():
        for p in prior.parameters():
            p.normal_(0, 0.4)
    return prior


@pytest.fixture(params=PRIORS)
def prior(request: pytest.FixtureRequest) -> Prior:
    return moved(PRIORS[request.param](LATENT, WIDTH))


def reference(prior: Prior, c: Encoded) -> Independent:
    """p(z|c), told only by where the prior sends noise: the map is affine."""
    zero, one = torch.zeros(len(c.vector), LATENT), torch.ones(len(c.vector), LATENT)
    mean = prior.from_noise(zero, c)
    return Independent(Normal(mean, prior.from_noise(one, c) - mean), 1)


def test_to_noise_undoes_from_noise(prior: Prior) -> None:
    noise, c = torch.randn(20, LATENT), encoded(20)
    torch.testing.assert_close(prior.to_noise(prior.from_noise(noise, c), c), noise, rtol=1e-4, atol=1e-5)


def test_log_prob_is_the_density_of_what_from_noise_draws(prior: Prior) -> None:
    z, c = torch.randn(20, LATENT), encoded(20)
    torch.testing.assert_close(prior.log_prob(z, c), reference(prior, c).log_prob(z), rtol=1e-3, atol=1e-3)


def test_kl_is_the_closed_form(prior: Prior) -> None:
    q, c = DiagonalGaussian(torch.randn(20, LATENT), torch.randn(20, LATENT)), encoded(20)
    expected = kl_divergence(Independent(Normal(q.mean, q.scale), 1), reference(prior, c))
    torch.testing.assert_close(prior.kl(q, q.mean, c), expected, rtol=1e-3, atol=1e-3)


def test_kl_is_what_its_one_sample_estimate_averages_to(prior: Prior) -> None:
    n = 20_000
    q = DiagonalGaussian(torch.randn(1, LATENT).expand(n, LATENT), -torch.rand(1, LATENT).expand(n, LATENT))
    c = Encoded(*(part.expand(n, *part.shape[1:]) for part in encoded(1)))
    z = q.at(torch.randn(n, LATENT))
    estimates = Prior.kl(prior, q, z, c)
    error = 5 * estimates.std().item() / n**0.5
    assert prior.kl(q, z, c)[0].item() == pytest.approx(estimates.mean().item(), abs=error)


def test_which_priors_depend_on_the_condition(prior: Prior) -> None:
    noise = torch.randn(20, LATENT)
    differs = not torch.allclose(prior.from_noise(noise, encoded(20)), prior.from_noise(noise, encoded(20)))
    assert differs == prior.conditional


def test_the_standard_normal_passes_noise_through() -> None:
    noise = torch.randn(20, LATENT)
    torch.testing.assert_close(StandardNormal(LATENT, WIDTH).from_noise(noise, encoded(20)), noise)


def test_the_learned_gaussian_starts_as_the_standard_normal() -> None:
    noise = torch.randn(20, LATENT)
    torch.testing.assert_close(LearnedGaussian(LATENT, WIDTH).from_noise(noise, encoded(20)), noise)


def test_the_learned_gaussian_learns_mean_and_variance_from_the_first_step() -> None:
    prior = LearnedGaussian(LATENT, WIDTH)
    prior.log_prob(torch.randn(20, LATENT), encoded(20)).sum().backward()
    gradient = prior.mean_and_log_variance.weight.grad
    assert gradient is not None
    assert (gradient.abs().sum(1) > 0).all()


@pytest.mark.parametrize("huge", [1e4, -1e4])
def test_a_runaway_variance_stays_finite(huge: float) -> None:
    # FIELD_DEFECTS 16
    prior, c = LearnedGaussian(LATENT, WIDTH), encoded(2)
    with torch.no_grad():
        prior.mean_and_log_variance.bias[LATENT:] = huge
    q = DiagonalGaussian(torch.zeros(2, LATENT), torch.zeros(2, LATENT))
    assert prior.kl(q, q.mean, c).max() < 1e4
    assert prior.from_noise(torch.randn(2, LATENT), c).isfinite().all()


def means(schema: Schema, rows: list[dict[str, object]], latent: int = 16, separation: float = 3.0) -> torch.Tensor:
    encoder = PlainEncoder(schema)
    c = encoder(Condition.of(schema, rows))
    return FixedGaussian(latent, encoder.width, separation).gaussian(c).mean


@pytest.mark.parametrize("categories", [2, 3, 10, 16])
@pytest.mark.parametrize("separation", [1.0, 3.0])
def test_fixed_means_of_two_categories_lie_separation_times_root_two_apart(categories: int, separation: float) -> None:
    values = tuple(f"v{i}" for i in range(categories))
    found = means(
        Schema(attributes=(Categorical(name="a", values=values),)),
        [{"a": v} for v in values],
        separation=separation,
    )
    apart = torch.cdist(found, found)[~torch.eye(categories, dtype=torch.bool)]
    torch.testing.assert_close(apart, torch.full_like(apart, separation * math.sqrt(2)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.norm(dim=1), torch.full((categories,), separation), rtol=1e-4, atol=1e-4)


def test_fixed_means_of_a_flag_lie_twice_the_separation_apart() -> None:
    yes, no = means(Schema(attributes=(Flag(name="a"),)), [{"a": "yes"}, {"a": "no"}])
    assert (yes - no).norm().item() == pytest.approx(6.0, rel=1e-4)


@pytest.mark.parametrize("flags", [1, 5, 40])
def test_fixed_means_lie_about_the_separation_from_the_origin_however_many_attributes(flags: int) -> None:
    attributes = [Flag(name=f"flag {i}") for i in range(flags)] + [Continuous(name="age", low=0, high=1)]
    schema = Schema(attributes=tuple(attributes))
    values = {a.name: torch.rand(500) if isinstance(a, Continuous) else torch.rand(500).round() for a in schema}
    encoder = PlainEncoder(schema)
    c = encoder(Condition(schema, values, torch.ones(500, flags + 1, dtype=torch.bool)))
    mean = FixedGaussian(16, encoder.width, 3.0).gaussian(c).mean
    assert mean.square().sum(1).mean().sqrt().item() == pytest.approx(3.0, rel=0.25)


def test_fixed_means_are_the_same_in_every_process_and_are_not_trained() -> None:
    torch.manual_seed(1)
    first = FixedGaussian(LATENT, WIDTH).means
    torch.manual_seed(2)
    torch.testing.assert_close(FixedGaussian(LATENT, WIDTH).means, first)
    assert not list(FixedGaussian(LATENT, WIDTH).parameters())
