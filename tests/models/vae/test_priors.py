import math
from functools import cache

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from condgen.conditioning import Encoded, PlainEncoder
from condgen.gaussian import DiagonalGaussian
from condgen.models.vae.priors import (
    EXACT,
    PRIORS,
    ConditionalFlow,
    FixedGaussian,
    GaussianPrior,
    LearnedGaussian,
    Prior,
    StandardNormal,
)
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema
from tests.unchecked import unchecked

LATENT, WIDTH = 4, 3
GAUSSIAN = [name for name, prior in PRIORS.items() if issubclass(prior, GaussianPrior)]


def encoded(n: int) -> Encoded:
    vector = torch.randn(n, WIDTH)
    return Encoded(vector, vector[:, None])


def moved(prior: Prior, scale: float = 0.4) -> Prior:
    """The prior after training moved its parameters somewhere."""
    with torch.no_grad():
        for p in prior.parameters():
            p.normal_(0, scale)
    return prior


@pytest.fixture(params=GAUSSIAN)
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


def test_a_gaussian_prior_is_not_fitted_besides_the_kl_term(prior: Prior) -> None:
    assert prior.extra_loss(torch.randn(20, LATENT), encoded(20)) == {}


@pytest.mark.parametrize("name", PRIORS)
def test_which_priors_depend_on_the_condition(name: str) -> None:
    prior = PRIORS[name](LATENT, WIDTH)
    with torch.no_grad():
        for p in prior.parameters():
            p.add_(0.05 * torch.randn_like(p))
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
    # guards against an unbounded log-variance
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


# ---- the flow

KINDS = torch.eye(WIDTH)[:2]  # two conditions
CENTRES, SPREAD = torch.tensor([[2.0, 0.0], [-1.0, 1.0]]), torch.tensor([0.5, 1.0])


def of_kinds(n: int) -> tuple[Encoded, Independent]:
    """Alternating conditions, and what the latents are drawn from under them."""
    kind = torch.arange(n) % 2
    return Encoded(KINDS[kind], KINDS[kind][:, None]), Independent(Normal(CENTRES[kind], SPREAD.expand(n, 2)), 1)


@cache
@unchecked()
@torch.enable_grad()
def fitted() -> ConditionalFlow:
    """A flow after nothing but `fitting` on latents of two conditions, a Gaussian each."""
    torch.manual_seed(0)
    prior = ConditionalFlow(2, WIDTH, hidden=64, depth=2)
    optimiser = torch.optim.Adam(prior.parameters(), lr=5e-3)
    c, truth = of_kinds(256)
    for step in range(500):
        optimiser.param_groups[0]["lr"] = 5e-3 * min(1.0, 2 - step / 250)
        optimiser.zero_grad()
        prior.extra_loss(truth.sample(), c)["matching"].backward()
        optimiser.step()
    return prior.eval().requires_grad_(False)


def test_the_flow_undoes_itself_as_far_as_its_steps_are_exact() -> None:
    noise, (c, _) = torch.randn(200, 2), of_kinds(200)
    z = fitted().from_noise(noise, c)
    torch.testing.assert_close(fitted().to_noise(z, c), noise, atol=0.02, rtol=0)
    assert (z - noise).abs().mean() > 0.3  # the way was not nothing


def test_the_fitted_flow_draws_what_it_was_fitted_to() -> None:
    n = 4000
    c, _ = of_kinds(n)
    z = fitted().from_noise(torch.randn(n, 2), c)
    for kind in (0, 1):
        torch.testing.assert_close(z[kind::2].mean(0), CENTRES[kind], atol=0.15, rtol=0)
        torch.testing.assert_close(z[kind::2].std(0), SPREAD, atol=0.15, rtol=0)


@pytest.mark.statistical
@pytest.mark.parametrize(("latent", "exact"), [(EXACT, True), (EXACT + 1, False)])
def test_a_flows_log_prob_is_exact_in_as_many_dimensions_as_it_says(latent: int, exact: bool) -> None:
    prior = moved(ConditionalFlow(latent, WIDTH, hidden=16, depth=1, steps=3), 0.1)
    z, c = torch.randn(6, latent), encoded(6)
    one, other = (prior.log_prob(z, c, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert torch.equal(one, other) == exact


def test_samples_of_a_bound_share_the_direction_of_the_estimate() -> None:
    prior = moved(ConditionalFlow(EXACT + 1, WIDTH, hidden=16, depth=1, steps=3), 0.1)
    z, c, generator = torch.randn(6, EXACT + 1), encoded(6), torch.Generator().manual_seed(7)
    first = prior.log_prob(z, c, generator)
    torch.randn(100, generator=generator)  # the noise of samples
    assert torch.equal(prior.log_prob(z, c, generator), first)


def test_the_fitted_flows_log_prob_is_the_density_of_what_it_was_fitted_to() -> None:
    c, truth = of_kinds(1000)
    z = truth.sample()
    found, wanted = fitted().log_prob(z, c), truth.log_prob(z)
    assert found.mean().item() == pytest.approx(wanted.mean().item(), abs=0.1)
    assert (found - wanted).abs().mean() < 0.25
    swapped = Encoded(*(part.roll(1, 0) for part in c))
    assert fitted().log_prob(z, swapped).mean() < found.mean() - 1


def test_the_flows_kl_is_that_to_the_standard_normal_whatever_it_has_learned() -> None:
    q, (c, _) = DiagonalGaussian(torch.randn(20, 2), torch.randn(20, 2)), of_kinds(20)
    standard = Independent(Normal(torch.zeros(20, 2), torch.ones(20, 2)), 1)
    expected = kl_divergence(Independent(Normal(q.mean, q.scale), 1), standard)
    torch.testing.assert_close(fitted().kl(q, q.mean, c), expected)


def test_the_flow_learns_the_latents_scale_while_training_only() -> None:
    prior, (c, truth) = ConditionalFlow(2, WIDTH, hidden=8), of_kinds(400)
    z = truth.sample()
    prior.eval().extra_loss(z, c)
    assert torch.equal(prior.transport.standardise.mean, torch.zeros(2))
    prior.train().extra_loss(z, c)
    torch.testing.assert_close(prior.transport.standardise.mean, z.mean(0))


def test_fitting_reaches_every_parameter_of_the_flow() -> None:
    prior, (c, truth) = ConditionalFlow(2, WIDTH, hidden=8), of_kinds(40)
    moved(prior)
    prior.extra_loss(truth.sample(), c)["matching"].backward()
    assert [n for n, p in prior.named_parameters() if p.grad is None or not p.grad.any()] == []
