import inspect
import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from condgen.conditioning import MECHANISMS, Encoded, PlainEncoder
from condgen.errors import RequestError
from condgen.models import FAMILIES, VAE, Autoencoder, Model, build
from condgen.models.abilities import Edits, Guided
from condgen.models.flow.guidance import Guidance
from condgen.models.protocols import Encodes, HasLikelihood
from condgen.models.vae.likelihoods import LIKELIHOODS, Gaussian
from condgen.models.vae.priors import EXACT, PRIORS, LearnedGaussian
from condgen.parameters import described, keyword_arguments
from condgen.rng import Rng
from condgen.schema import Condition, Flag, Schema

IMAGE, VECTOR = (1, 8, 8), (2,)
SMALL: dict[str, Any] = {"latent": 3, "channels": 8, "depth": 1}
VARIANTS = [
    *[("cvae", {"mechanism": m, "prior": "gaussian" if m == "none" else "standard"}) for m in MECHANISMS],
    *[("cvae", {"prior": p}) for p in PRIORS],
    ("cvae", {"embedding": 16}),
    ("cvae", {"encoder_mechanism": "none", "mechanism": "concat"}),
    ("vae", {}),
    ("autoencoder", {}),
]
every_variant = pytest.mark.parametrize(("name", "arguments"), VARIANTS, ids=str)
either_shape = pytest.mark.parametrize("shape", [IMAGE, VECTOR], ids=["image", "vector"])


def moved(model: Model) -> Model:
    """The model after training moved its parameters away from the identity; a flow's less, lest it explode."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.add_((0.02 if "transport" in name else 0.2) * torch.randn_like(p))
    return model.eval()


def small(name: str, schema: Schema, shape: tuple[int, ...] = IMAGE, **arguments: Any) -> Model:
    return moved(build(name, schema, shape, **(SMALL | arguments)))


def exactness(prior: str) -> float:
    """How exactly a prior undoes itself: a flow, as far as its steps are."""
    return 0.02 if prior == "flow" else 1e-4


def observations(n: int, shape: tuple[int, ...]) -> Tensor:
    return torch.rand(n, *shape)


def requests(schema: Schema, n: int) -> Condition:
    rows = [{"color": ["red", "green", "blue"][i % 3], "glasses": i % 2, "age": 10 * i % 80} for i in range(n)]
    return Condition.of(schema, rows)


@every_variant
@either_shape
def test_everything_a_model_declares_works(
    people: Schema, name: str, arguments: dict[str, Any], shape: tuple[int, ...]
) -> None:
    model = small(name, people, shape, **arguments)
    x, c = observations(4, shape), requests(people, 4)
    terms = model.train()(x, c)
    terms["loss"].backward()
    assert all(term.isfinite() for term in terms.values())
    assert model.sample(c, Rng(range(4))).shape == x.shape
    if isinstance(model, Encodes):
        assert model.encode(x, c).mean.shape == (4, 3)
        assert model.decode(torch.randn(4, 3), c).shape == x.shape
        assert model.reconstruct(x, c).shape == x.shape
    if isinstance(model, HasLikelihood):
        assert model.log_likelihood(x, c, samples=2).shape == (4,)
    assert isinstance(model, Edits) == model.conditional
    if isinstance(model, Edits):
        assert model.edit(x, c, c).shape == x.shape
        assert model.interpolate(x, c, x, c, steps=5).shape == (4, 5, *shape)
    if model.handles_missing:
        assert model.sample(Condition.free(people, 4), Rng(range(4))).shape == x.shape


@every_variant
def test_conditional_models_and_only_they_obey_the_condition(
    people: Schema, name: str, arguments: dict[str, Any]
) -> None:
    model, seeds = small(name, people, **arguments), range(4)
    red, blue = (Condition.of(people, [{"color": v, "glasses": 1, "age": 5}] * 4) for v in ("red", "blue"))
    obeys = not torch.allclose(model.sample(red, Rng(seeds)), model.sample(blue, Rng(seeds)), atol=1e-4)
    assert obeys == model.conditional == (name == "cvae")


@every_variant
def test_every_parameter_is_trained(people: Schema, name: str, arguments: dict[str, Any]) -> None:
    model = small(name, people, (1, 32, 32), **arguments).train()
    condition = Condition.cat([requests(people, 8), *[Condition.free(people, 8)] * bool(arguments.get("embedding"))])
    model(observations(len(condition), (1, 32, 32)), condition)["loss"].backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert [id(p) for p in model.players()["model"]] == [id(p) for p in model.parameters()]


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
@either_shape
def test_the_loss_is_reconstruction_plus_beta_times_kl_per_value(
    people: Schema, shape: tuple[int, ...], beta: float
) -> None:
    # guards against a KL with the wrong sign, or beside a reconstruction error on another scale
    model = small("cvae", people, shape, beta=beta, prior="gaussian")
    assert isinstance(model, VAE)
    x, condition = observations(6, shape), requests(people, 6)
    torch.manual_seed(3)
    terms = model(x, condition)
    torch.manual_seed(3)
    c = model.condition_encoder(condition)
    q = model.encode(x, condition)
    z = q.at(torch.randn(6, 3))
    reconstruction = -model.likelihood.log_prob(x, model.decoder(z, c)).mean()
    kl = q.kl(model.prior.gaussian(c)).sum(1).mean()
    torch.testing.assert_close(terms["loss"], (reconstruction + beta * kl) / math.prod(shape))
    torch.testing.assert_close(terms["kl"], kl)
    torch.testing.assert_close(terms["reconstruction"], reconstruction)
    torch.testing.assert_close(terms["nats"], reconstruction + kl)
    assert kl >= 0


def test_a_flow_prior_is_fitted_to_the_latents_without_moving_the_encoder(people: Schema) -> None:
    model = small("cvae", people, VECTOR, prior="flow", embedding=8).train()
    x, c = observations(40, VECTOR), requests(people, 40)
    terms = model(x, c)
    rest = (terms["reconstruction"] + terms["kl"]) / 2  # two values in x
    torch.testing.assert_close(terms["loss"], rest + terms["matching"])
    terms["matching"].backward()
    moved_by_it = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert not [n for n in moved_by_it if n.startswith(("encoder.", "decoder."))]
    assert {n for n, _ in model.named_parameters() if n.startswith("prior.")} <= moved_by_it


def test_a_flow_prior_can_be_guided_where_attributes_have_nulls(people: Schema) -> None:
    guided = small("cvae", people, prior="flow", embedding=8)
    assert isinstance(guided, Guided)
    assert not isinstance(small("cvae", people, prior="flow"), Guided)
    c = requests(people, 4)
    plain, strong = (guided.sample(c, Rng(range(4)), guidance=Guidance(w)) for w in (1.0, 3.0))
    assert torch.equal(plain, guided.sample(c, Rng(range(4))))
    assert (plain - strong).abs().max() > 1e-3


def test_one_sample_of_the_likelihood_bound_averages_to_the_negative_nats(people: Schema) -> None:
    model, n = small("cvae", people, VECTOR, prior="gaussian"), 4000
    x, condition = observations(1, VECTOR).expand(n, 2), requests(people, 1).repeat(n)
    bound = model.log_likelihood(x, condition)
    error = 6 * bound.std().item() / n**0.5
    assert -model(x, condition)["nats"].item() == pytest.approx(bound.mean().item(), abs=error)


class Affine(nn.Module):
    """[x, c] to W x + V c + b, followed by constants: an encoder or decoder with known weights."""

    def __init__(self, inputs: int, outputs: int, constants: Tensor):
        super().__init__()
        self.W, self.V = torch.randn(outputs, inputs), torch.randn(outputs, 1)
        self.b, self.constants = torch.randn(outputs), constants

    def forward(self, x: Tensor, c: Encoded) -> Tensor:
        y = x @ self.W.T + c.vector @ self.V.T + self.b
        return torch.cat([y, self.constants.expand(len(x), -1)], dim=1)


@pytest.fixture
def linear() -> tuple[VAE, Tensor, Condition, Tensor]:
    """A linear-Gaussian VAE, observations, their conditions, and their exact log-likelihoods."""
    schema = Schema(attributes=(Flag(name="flag"),))
    prior, likelihood = LearnedGaussian(2, 1), Gaussian((3,))
    nn.init.normal_(prior.mean_and_log_variance.weight)
    nn.init.constant_(likelihood.log_variance, -0.5)
    decoder, encoder = Affine(2, 3, torch.zeros(0)), Affine(3, 2, torch.zeros(2))
    condition = Condition.of(schema, [{"flag": i % 2} for i in range(20)])
    c = PlainEncoder(schema)(condition)
    p, noise = prior.gaussian(c), likelihood._bounded().exp()
    mean = p.mean @ decoder.W.T + c.vector @ decoder.V.T + decoder.b
    covariance = decoder.W @ torch.diag_embed(p.log_variance.exp()) @ decoder.W.T + torch.diag(noise)
    exact = MultivariateNormal(mean, covariance)
    x = exact.sample()
    # q has the posterior's mean for a prior of N(0, 1.5), and a variance of one: wrong, but not by much
    encoder.W = decoder.W.T @ torch.linalg.inv(decoder.W @ decoder.W.T * 1.5 + torch.diag(noise)) * 1.5
    encoder.V, encoder.b = -encoder.W @ decoder.V, -encoder.W @ decoder.b
    model = VAE(
        schema,
        (3,),
        condition_encoder=PlainEncoder(schema),
        encoder=encoder,
        decoder=decoder,
        prior=prior,
        likelihood=likelihood,
    )
    return model.eval(), x, condition, exact.log_prob(x)


@torch.no_grad()
def test_the_likelihood_bound_rises_with_samples_to_the_true_log_likelihood(
    linear: tuple[VAE, Tensor, Condition, Tensor],
) -> None:
    # guards against a bound that is reported as the likelihood
    model, x, condition, exact = linear
    bounds = {
        k: model.log_likelihood(x.repeat_interleave(20, 0), condition.repeat(20), k).mean().item() for k in (1, 4, 32)
    }
    truth = exact.mean().item()
    assert bounds[1] < bounds[4] - 0.05
    assert bounds[4] < bounds[32] - 0.02
    assert bounds[32] < truth + 0.02
    assert bounds[1] < truth - 0.2
    torch.testing.assert_close(model.log_likelihood(x, condition, 3000), exact, atol=0.2, rtol=0)


@pytest.mark.parametrize("prior", PRIORS)
def test_the_likelihood_bound_repeats_for_a_generator(people: Schema, prior: str) -> None:
    # in more dimensions than a flow computes its density exactly
    model, x, c = small("cvae", people, prior=prior, latent=EXACT + 1), observations(4, IMAGE), requests(people, 4)
    twice = [model.log_likelihood(x, c, 5, torch.Generator().manual_seed(7)) for _ in range(2)]
    torch.testing.assert_close(*twice, rtol=0, atol=0)


@pytest.mark.parametrize("prior", PRIORS)
@either_shape
def test_editing_to_the_same_condition_is_reconstructing(people: Schema, shape: tuple[int, ...], prior: str) -> None:
    model, x, c = small("cvae", people, shape, prior=prior), observations(4, shape), requests(people, 4)
    torch.testing.assert_close(model.edit(x, c, c), model.reconstruct(x, c), rtol=1e-4, atol=exactness(prior))


@pytest.mark.parametrize("prior", PRIORS)
def test_editing_there_and_decoding_moves_the_latent_with_its_prior(people: Schema, prior: str) -> None:
    model, x = small("cvae", people, prior=prior), observations(4, IMAGE)
    c = requests(people, 4)
    target = c.with_codes("color", torch.full((4,), 2.0))
    before, after = model.condition_encoder(c), model.condition_encoder(target)
    z = model.prior.from_noise(model.prior.to_noise(model.encode(x, c).mean, before), after)
    torch.testing.assert_close(model.edit(x, c, target), model.decode(z, target), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model.edit(x, c, target), model.reconstruct(x, c), atol=exactness(prior))


@pytest.mark.parametrize("prior", PRIORS)
@either_shape
def test_interpolating_starts_and_ends_at_the_reconstructions(
    people: Schema, shape: tuple[int, ...], prior: str
) -> None:
    model = small("cvae", people, shape, prior=prior)
    x, y = observations(2, shape), observations(2, shape)
    c, d = requests(people, 4)[:2], requests(people, 4)[2:]
    frames = model.interpolate(x, c, y, d, steps=4)
    torch.testing.assert_close(frames[:, 0], model.reconstruct(x, c), rtol=1e-4, atol=exactness(prior))
    torch.testing.assert_close(frames[:, -1], model.reconstruct(y, d), rtol=1e-4, atol=exactness(prior))
    assert (frames[:, 1:].diff(dim=1).flatten(2).norm(dim=2) > 0).all()


@every_variant
@either_shape
def test_a_sample_depends_on_its_seed_and_request_not_on_the_batch(
    people: Schema, name: str, arguments: dict[str, Any], shape: tuple[int, ...]
) -> None:
    # guards against a seed that gives another image in another batch
    model, c = small(name, people, shape, **arguments), requests(people, 6)
    together = model.sample(c, Rng(range(6)))
    alone = [model.sample(c[i : i + 1], Rng([i])) for i in range(6)]
    torch.testing.assert_close(torch.cat(alone), together, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model.sample(c, Rng(range(6, 12))), together)


@every_variant
@either_shape
def test_sampling_uses_no_dropout_and_no_batch_statistics(
    people: Schema, name: str, arguments: dict[str, Any], shape: tuple[int, ...]
) -> None:
    # guards against dropout or batch statistics that are active in sampling
    model, c = small(name, people, shape, **arguments), requests(people, 40)
    evaluated = model.sample(c, Rng(range(40)))
    torch.testing.assert_close(model.sample(c, Rng(range(40))), evaluated, rtol=0, atol=0)
    torch.testing.assert_close(model.train().sample(c, Rng(range(40))), evaluated, rtol=0, atol=0)


def test_condition_dropout_acts_on_the_loss_only_while_training(people: Schema) -> None:
    model, c = small("cvae", people, embedding=8, condition_dropout=0.6), requests(people, 40)
    seen: list[Condition] = []
    model.condition_encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x = torch.rand(40, *model.shape)
    model.train()(x, c)
    model.eval()(x, c)
    assert 0.02 < seen[0].present.float().mean() < 0.25
    assert seen[1].complete


def test_samples_are_means_for_images_and_draws_for_vectors(people: Schema) -> None:
    c = requests(people, 3)
    image, vector = small("cvae", people), small("cvae", people, VECTOR)
    for model, noisy in ((image, False), (vector, True)):
        z = model.prior.from_noise(Rng(range(3)).normal(3), model.condition_encoder(c))
        assert torch.equal(model.sample(c, Rng(range(3))), model.decode(z, c)) != noisy


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_any_likelihood_scores_colour_images(people: Schema, likelihood: str) -> None:
    shape = (3, 8, 12)
    model, c = small("cvae", people, shape, likelihood=likelihood), requests(people, 2)
    model(observations(2, shape), c)["loss"].backward()
    assert model.sample(c, Rng([0, 1])).shape == (2, *shape)


@every_variant
@either_shape
def test_extreme_data_keeps_every_term_and_gradient_finite(
    people: Schema, name: str, arguments: dict[str, Any], shape: tuple[int, ...]
) -> None:
    # guards against an unbounded log-variance
    model = small(name, people, shape, **arguments)
    huge = torch.full((4, *shape), 1e5)
    terms = model(huge, requests(people, 4))
    terms["loss"].backward()
    assert all(term.isfinite() for term in terms.values())
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "says"),
    [
        ("cvae", IMAGE, {"mechanism": "none"}, "neither its decoder nor its prior would see the condition"),
        ("cvae", IMAGE, {"decoder_mechanism": "none"}, "neither its decoder nor its prior would see the condition"),
        ("cvae", (1, 30, 30), {}, "divisible by 4, not 30×30"),
        ("vae", (1, 8, 10), {}, "divisible by 4, not 8×10"),
        ("cvae", VECTOR, {"likelihood": "bernoulli"}, "vectors need gaussian"),
        ("vae", VECTOR, {"likelihood": "logistic"}, "vectors need gaussian"),
        ("autoencoder", (8, 8), {}, "must be images .* or vectors"),
        ("cvae", IMAGE, {"beta": -1.0}, "beta=-1.0"),
        ("cvae", IMAGE, {"latent": 0}, "latent=0"),
        ("cvae", IMAGE, {"condition_dropout": 1.0}, "condition_dropout=1.0"),
    ],
)
def test_impossible_combinations_fail_in_a_sentence(
    people: Schema, name: str, shape: tuple[int, ...], arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(RequestError, match=says) as failure:
        build(name, people, shape, **arguments)
    assert str(failure.value)[0].isupper()
    assert str(failure.value).endswith(".")
    assert ".." not in str(failure.value)


def test_a_conditional_model_of_unlabelled_data_is_refused() -> None:
    with pytest.raises(RequestError, match="nothing to condition on; use an unconditional model"):
        build("cvae", Schema(), IMAGE)


@pytest.mark.parametrize(
    ("name", "arguments", "nearest"),
    [
        ("cvae", {"mecanism": "film"}, "mechanism"),
        ("cvae", {"mechanism": "fiml"}, "film"),
        ("cvae", {"embeding": 8}, "embedding"),
        ("vae", {"Beta": 1.0}, "beta"),
        ("cave", {}, "cvae"),
        ("autoencodr", {}, "autoencoder"),
    ],
)
def test_unknown_names_give_the_nearest(people: Schema, name: str, arguments: dict[str, Any], nearest: str) -> None:
    with pytest.raises(RequestError, match=f"Did you mean .*{nearest}"):
        build(name, people, IMAGE, **arguments)


@every_variant
@either_shape
def test_the_recipe_rebuilds_the_model_from_json(
    people: Schema, name: str, arguments: dict[str, Any], shape: tuple[int, ...]
) -> None:
    model, c = small(name, people, shape, **arguments), requests(people, 3)
    recipe = json.loads(json.dumps(model.recipe))
    again = build(recipe["model"], people, shape, **recipe["arguments"]).eval()
    assert again.recipe == model.recipe
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.sample(c, Rng(range(3))), model.sample(c, Rng(range(3))), rtol=0, atol=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_recipe_names_every_argument_that_counts_defaults_included(people: Schema, name: str) -> None:
    model = build(name, people, IMAGE)
    needy = {each.name for each in described(FAMILIES[name].builder) if each.needs}
    assert keyword_arguments(FAMILIES[name].builder).items() >= model.recipe["arguments"].items()
    assert keyword_arguments(FAMILIES[name].builder).keys() - needy <= model.recipe["arguments"].keys()
    assert {p.kind for p in inspect.signature(FAMILIES[name].builder).parameters.values()} == {
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    }


def test_an_autoencoder_samples_from_the_moments_of_its_training_latents(people: Schema) -> None:
    model = small("autoencoder", people, VECTOR)
    assert isinstance(model, Autoencoder)
    x, nothing = 3 + 0.5 * torch.randn(500, 2), Condition.free(people, 500)
    for _ in range(800):
        model.train()(x, nothing)
    z = model.encode(x, nothing).mean
    mean, square = model.moments
    torch.testing.assert_close(mean, z.mean(0), rtol=0.01, atol=0.01)
    torch.testing.assert_close(square, z.square().mean(0), rtol=0.01, atol=0.01)
    before = model.moments.clone()
    model.eval()(x, nothing)
    torch.testing.assert_close(model.moments, before, rtol=0, atol=0)


def test_unconditional_models_work_without_any_attribute() -> None:
    for name in ("vae", "autoencoder"):
        model = small(name, Schema())
        nothing = Condition.free(Schema(), 3)
        model(observations(3, IMAGE), nothing)["loss"].backward()
        assert model.sample(nothing, Rng(range(3))).shape == (3, *IMAGE)


@every_variant
def test_mixed_precision_training_works(people: Schema, name: str, arguments: dict[str, Any]) -> None:
    model = small(name, people, **arguments).train()
    with torch.autocast("cpu", torch.bfloat16):
        terms = model(observations(4, IMAGE), requests(people, 4))
    terms["loss"].backward()
    assert all(term.isfinite() for term in terms.values())


def test_the_likelihood_of_mixed_precision_is_computed_in_full(people: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight bits of a mean or of a scale are too few for a narrow density."""
    model = small("cvae", people, likelihood="gaussian")
    seen, log_prob = [], model.likelihood.log_prob  # type: ignore[union-attr]
    monkeypatch.setattr(model.likelihood, "log_prob", lambda x, raw: seen.append(raw.dtype) or log_prob(x, raw))
    with torch.autocast("cpu", torch.bfloat16):
        model(observations(2, IMAGE), requests(people, 2))
    assert seen == [torch.float32]
