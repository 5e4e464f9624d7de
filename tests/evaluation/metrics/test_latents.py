import math

import pytest
import torch
from torch import Tensor

from condgen import models
from condgen.data import Dataset, Splits
from condgen.errors import RequestError
from condgen.evaluation import EvaluationConfig, Judge
from condgen.evaluation.metrics.latents import (
    LATENTS,
    active_units,
    class_overlap,
    kl_per_dimension,
    latent_report,
    latent_summary,
    linear_probe,
    posterior,
    without_prior,
)
from condgen.evaluation.metrics.metric import Measurement
from condgen.evaluation.subject import EvaluatedRun
from condgen.gaussian import DiagonalGaussian
from condgen.models import VAE, Autoencoder
from condgen.schema import Categorical, Condition, Flag, Schema
from tests.evaluation import liars

LETTERS = Schema(attributes=(Categorical(name="letter", values=tuple("abcd")),))


def blobs(n: int, apart: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four unit Gaussians along one axis of six, and their codes."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(4, (n,), generator=generator)
    z = torch.randn(n, 6, generator=generator)
    z[:, 2] += apart * codes
    return z, codes.float()


def letters(n: int, seed: int = 0) -> Dataset:
    x, codes = blobs(n, apart=1.0, seed=seed)
    return Dataset(x, Condition(LETTERS, {"letter": codes}, torch.ones(n, 1, dtype=torch.bool)))


def built(name: str, **arguments: object) -> VAE | Autoencoder:
    model = models.build(name, LETTERS, (6,), latent=3, channels=8, **arguments).eval()
    assert isinstance(model, VAE | Autoencoder)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)  # so that nothing is zero by initialisation
    return model


def test_separate_classes_are_read_perfectly_and_do_not_overlap() -> None:
    z, codes = blobs(400, apart=40)
    assert linear_probe(z, codes, *blobs(400, apart=40, seed=1)) == 1
    assert class_overlap(z, codes) == 0


def test_labels_that_mean_nothing_are_read_by_chance_and_overlap_fully() -> None:
    z, codes = blobs(4000, apart=0)
    assert linear_probe(z, codes, *blobs(4000, apart=0, seed=1)) == pytest.approx(1 / 4, abs=0.03)
    assert class_overlap(z, codes) == pytest.approx(1, abs=0.02)


def test_rare_classes_do_not_bias_the_overlap() -> None:
    z, codes = blobs(4000, apart=0)
    assert class_overlap(z, (codes == 3).float() * (z[:, 0] > 0)) < 0.97  # depends on z
    assert class_overlap(z, (torch.rand(4000) < 0.05).float()) == pytest.approx(1, abs=0.05)


def test_the_probe_reaches_what_bayes_rule_allows() -> None:
    """Four unit Gaussians in a row: neighbours are told apart by the nearest mean, ends err on one side only."""
    apart = 2.0
    error = 0.5 * math.erfc(apart / 2 / math.sqrt(2))
    best = 1 - (2 * error + 2 * 2 * error) / 4
    assert linear_probe(*blobs(5000, apart), *blobs(5000, apart, seed=1)) == pytest.approx(best, abs=0.015)


def test_neither_number_depends_on_the_unit_of_the_latents() -> None:
    z, codes = blobs(500, apart=1.5)
    z_test, codes_test = blobs(500, apart=1.5, seed=1)
    assert class_overlap(1e3 * z - 7, codes) == pytest.approx(class_overlap(z, codes))
    probed = linear_probe(1e3 * z - 7, codes, 1e3 * z_test - 7, codes_test)
    assert probed == pytest.approx(linear_probe(z, codes, z_test, codes_test), abs=0.005)


def test_units_are_active_when_their_variance_exceeds_the_threshold() -> None:
    z = torch.randn(10_000, 4) * torch.tensor([0.09, 0.11, 1.0, 0.0]) + 5
    assert active_units(z) == 2
    assert active_units(z, threshold=0.005) == 3


@pytest.mark.parametrize("prior", ["standard", "gaussian", "gaussian-fixed"])
def test_kl_agrees_with_an_independent_formula_and_with_the_loss(prior: str) -> None:
    model, data = built("cvae", prior=prior), letters(700)
    assert isinstance(model, VAE)
    c = model.condition_encoder(data.condition)
    q, p = model.posterior(data.x, c), model.prior.gaussian(c)  # type: ignore[operator]
    normals = [torch.distributions.Normal(g.mean, g.scale) for g in (q, p)]
    expected = torch.distributions.kl_divergence(*normals).mean(0)
    kl = kl_per_dimension(model, data)
    torch.testing.assert_close(kl, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(kl.sum(), model(data.x, data.condition)["kl"], rtol=1e-4, atol=1e-4)


def test_without_its_prior_a_latent_that_the_prior_drew_is_the_noise_it_came_from() -> None:
    model, data = built("cvae", prior="gaussian"), letters(50)
    assert isinstance(model, VAE)
    noise = torch.randn(50, 3)
    z = model.prior.from_noise(noise, model.condition_encoder(data.condition)).detach()
    torch.testing.assert_close(without_prior(model, z, data.condition), noise, rtol=1e-4, atol=1e-5)
    for plain in (built("autoencoder"), built("vae"), built("cvae")):
        torch.testing.assert_close(without_prior(plain, z, data.condition), z)


def test_the_posterior_does_not_depend_on_the_batch_and_sees_the_condition() -> None:
    model, data = built("cvae"), letters(60)
    whole, parts = posterior(model, data), posterior(model, data, batch=7)
    torch.testing.assert_close(whole.mean, parts.mean)
    torch.testing.assert_close(whole.log_variance, parts.log_variance)
    other = Dataset(data.x, data.condition.with_codes("letter", (data.condition.values["letter"] + 1) % 4))
    assert not torch.allclose(posterior(model, other).mean, whole.mean)


def test_a_prior_per_class_separates_classes_and_what_is_left_does_not() -> None:
    """A posterior that is its prior but for a trace of x: the latents tell the class, the noise does not."""
    model = built("cvae", prior="gaussian-fixed")
    assert isinstance(model, VAE)

    def encode(x: Tensor, condition: Condition) -> DiagonalGaussian:
        prior = model.prior.gaussian(model.condition_encoder(condition))  # type: ignore[operator]
        return DiagonalGaussian(prior.mean + 0.05 * x[:, 3:], prior.log_variance)

    model.encode = encode  # type: ignore[method-assign]
    model.prior.means.copy_(10 * torch.eye(4, 3))
    report = latent_report(model, letters(600), letters(300, seed=1), "letter")
    assert report.z.shape == report.noise.shape == (300, 3)
    assert (report.probe, report.overlap) == (1, 0)
    assert report.drawn_probe > 0.99
    assert report.noise_probe == pytest.approx(1 / 4, abs=0.1)
    assert report.noise_overlap == pytest.approx(1, abs=0.1)
    assert report.kl is not None
    torch.testing.assert_close(report.kl, torch.full((3,), 0.5 * 0.05**2), rtol=0.2, atol=0)
    assert report.active == 0  # the means move with the class, but hardly with x


def test_a_probe_of_latents_that_are_all_alike_guesses() -> None:
    z, codes = torch.full((200, 3), 2.0), blobs(200, apart=0)[1]
    assert linear_probe(z, codes, z, codes) == pytest.approx(1 / 4, abs=0.1)


def test_what_the_posterior_drowns_in_noise_is_read_off_its_means_only() -> None:
    model, data = built("cvae"), letters(600)
    model.encode = lambda x, c: DiagonalGaussian(x[:, 2:5] / 1e3, torch.zeros(len(x), 3))  # type: ignore[method-assign]
    report = latent_report(model, data, letters(300, seed=1), "letter")
    assert report.probe > 0.45
    assert report.drawn_probe == pytest.approx(1 / 4, abs=0.08)


def test_observations_without_the_label_are_left_out() -> None:
    model, train, test = built("vae"), letters(300), letters(100, seed=1)
    some = torch.arange(100) % 3 == 0
    wrong = test.condition.with_codes("letter", torch.where(some, 0.0, test.condition.values["letter"]))
    partly = Dataset(test.x, wrong.drop(some[:, None]))
    report = latent_report(model, train, partly, "letter")
    expected = latent_report(model, train, test[(~some).nonzero()[:, 0]], "letter")
    torch.testing.assert_close(report.z, expected.z)
    assert (report.probe, report.overlap) == (expected.probe, expected.overlap)


def test_probabilities_are_read_as_the_most_likely_labels() -> None:
    sure, (x, codes) = Schema(attributes=(Flag(name="far"),)), blobs(400, apart=4.0)
    model = models.build("cvae", sure, (6,), latent=3, channels=8)
    far, present = (codes > 1).float(), torch.ones(400, 1, dtype=torch.bool)
    soft = torch.where(torch.arange(400) % 2 == 0, 0.2 + 0.6 * far, far)
    hard, doubted = (Dataset(x, Condition(sure, {"far": each}, present)) for each in (far, soft))
    expected, found = (latent_summary(model, data[:300], data[300:], "far") for data in (hard, doubted))
    assert found == expected


def measured_on(held_out: int, differing: bool = True) -> Measurement:
    """A model of two flags, of which the first has one value in training data."""
    flags = Schema(attributes=(Flag(name="rare"), Flag(name="far")))

    def part(n: int, rare: int) -> Dataset:
        x, codes = blobs(n, apart=4.0)
        values = {"rare": (torch.arange(n) < rare).float(), "far": (codes > 1).float() * differing}
        return Dataset(x, Condition(flags, values, torch.ones(n, 2, dtype=torch.bool)))

    data = Splits(part(100, 0), part(20, 0), part(held_out, 2))
    model = models.build("cvae", flags, (6,), latent=3, channels=8)
    subject = EvaluatedRun(liars.run_of(model, data), data)
    return Measurement(subject, Judge(flags, (6,)), data.test, EvaluationConfig())


def test_the_first_attribute_that_differs_in_both_parts_is_probed() -> None:
    case = measured_on(held_out=30)
    assert LATENTS.skipped(case) == ""
    assert LATENTS.measure(case).attribute == "far"


def test_latents_are_left_out_where_no_attribute_can_be_probed() -> None:
    for case in (measured_on(held_out=30, differing=False), measured_on(held_out=10), measured_on(held_out=0)):
        assert "no attribute has two values" in LATENTS.skipped(case)


def test_a_continuous_attribute_has_no_classes(people: Schema) -> None:
    data = Dataset(torch.randn(20, 6), Condition.of(people, [{"age": 3}] * 20))
    with pytest.raises(RequestError, match="'age' is continuous"):
        latent_report(built("vae"), data, data, "age")


def test_a_model_that_cannot_encode_is_refused() -> None:
    model = models.Model(LETTERS, (6,))
    with pytest.raises(RequestError, match="cannot encode"):
        posterior(model, letters(10))


def test_an_autoencoder_has_no_kl() -> None:
    report = latent_report(built("autoencoder"), letters(200), letters(100, seed=1), "letter")
    assert report.kl is None
    assert report.probe == report.drawn_probe
    assert (report.probe, report.overlap) == (report.noise_probe, report.noise_overlap)
    assert report.scale == pytest.approx(float(report.z.var(0).mean().sqrt()))
