"""Flow matching: the loss, the pairing of noise, dropping attributes, and what a trained flow can do."""

import math
from functools import cache

import pytest
import torch
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import Flow, build
from condgen.models.flow.flow import coupled
from condgen.models.flow.guidance import Guidance
from condgen.models.flow.matching import draw_times
from condgen.models.flow.paths import Linear, expand_like, preconditioning
from condgen.models.flow.standardise import OBSERVATIONS, Standardiser
from condgen.models.through_noise import slerp
from condgen.rng import Rng
from condgen.schema import Categorical, Condition, Schema
from condgen.testing.lesson import train
from condgen.testing.worlds import SHAPES, conditions, observations
from tests.unchecked import unchecked

SIDE = Schema(attributes=(Categorical(name="side", values=("left", "right")),))


def sides(n: int) -> Condition:
    return Condition(SIDE, {"side": (torch.arange(n) % 2).float()}, torch.ones(n, 1, dtype=torch.bool))


@cache
@unchecked()
def trained() -> Flow:
    """x ~ N(±3, 0.5² I) in two dimensions."""
    torch.manual_seed(0)
    condition = sides(2048)
    x = points(condition) + 0.5 * torch.randn(2048, 2)
    model = build("flow", SIDE, (2,), channels=32, depth=2, embedding=16)
    with torch.enable_grad():
        train(model, x, condition, steps=600, batch=512, lr=5e-3)
    assert isinstance(model, Flow)
    return model.eval()


def points(condition: Condition) -> Tensor:
    return (condition.values["side"] * 6 - 3)[:, None].expand(-1, 2)


@torch.no_grad()
def sampled(guidance: Guidance | None = None, n: int = 2000, condition: Condition | None = None) -> Tensor:
    return trained().sample(condition or sides(n), Rng(range(n)), guidance=guidance)


def test_the_loss_of_a_network_that_knows_nothing_is_one() -> None:
    torch.manual_seed(0)
    x = torch.randn(4000, 2)
    terms = build("flow", SIDE, (2,), channels=8, depth=1, embedding=8)
    assert isinstance(terms, Flow)
    torch.nn.init.zeros_(terms.transport.network.out.weight)  # type: ignore[union-attr, arg-type]
    torch.nn.init.zeros_(terms.transport.network.out.bias)  # type: ignore[union-attr, arg-type]
    assert terms(x, sides(4000))["error"].item() == pytest.approx(1.0, abs=0.05)


def test_the_loss_weighs_times_as_the_prediction_says() -> None:
    torch.manual_seed(0)
    data, noise, t = torch.randn(5, 2), torch.randn(5, 2), torch.linspace(0.1, 0.9, 5)
    for predict in ("velocity", "noise", "data"):
        model = build("flow", SIDE, (2,), channels=8, depth=1, embedding=8, predict=predict)
        assert isinstance(model, Flow)
        c = model.condition_encoder(sides(5))
        at = Linear().at(t)
        x_t = expand_like(at.alpha, data) * data + expand_like(at.sigma, data) * noise
        a, b = (expand_like(part, data) for part in at.target(predict))
        skip, out = (expand_like(part, data) for part in preconditioning(at, predict))
        network = model.transport.network(
            x_t / expand_like(at.variance.sqrt(), x_t), model.transport.time_encoder(c, t)
        )
        literal = ((skip * x_t + out * network) - (a * data + b * noise)).square().mean()
        torch.testing.assert_close(model.transport.matching(data, noise, t, c)["loss"], literal)


@pytest.mark.statistical
def test_samples_follow_the_conditionals() -> None:
    x, wanted = sampled(), points(sides(2000))
    assert float((x - wanted).mean().abs()) < 0.1
    assert float((x - wanted).std()) == pytest.approx(0.5, abs=0.1)


@pytest.mark.statistical
def test_the_likelihood_is_that_of_the_data() -> None:
    condition = sides(500)
    x = points(condition) + 0.5 * torch.randn(500, 2, generator=torch.Generator().manual_seed(1))
    truth = torch.distributions.Normal(points(condition), 0.5).log_prob(x).sum(1).mean()
    assert trained().log_likelihood(x, condition).mean().item() == pytest.approx(truth.item(), abs=0.1)
    wrong = condition.with_codes("side", 1 - condition.values["side"])
    assert (trained().log_likelihood(x, wrong) < trained().log_likelihood(x, condition)).float().mean() > 0.98


@pytest.mark.statistical
def test_guidance_moves_samples_away_from_the_other_class() -> None:
    towards = torch.where(sides(2000).values["side"] > 0, 1.0, -1.0)[:, None]
    means = [float((sampled(Guidance(w)) * towards).mean()) for w in (0.0, 1.0, 3.0)]
    assert means[0] < 1 < means[1] < means[2]


@pytest.mark.statistical
def test_negative_guidance_leaves_for_the_other_class() -> None:
    x = sampled(Guidance(-1.0))
    assert ((x - points(sides(2000))).abs() > 3).all(1).float().mean() > 0.7


@pytest.mark.statistical
def test_what_is_left_free_comes_from_both_classes() -> None:
    x = sampled(condition=Condition.free(SIDE, 2000))
    assert float((x[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.15)
    assert (x.abs() > 1).all(1).float().mean() > 0.9


@pytest.mark.statistical
@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm", "dopri"])
def test_every_sampler_can_be_asked_for(sampler: str) -> None:
    with torch.no_grad():
        x = trained().sample(sides(200), Rng(range(200)), sampler=sampler, steps=30)  # type: ignore[arg-type]
    assert ((x - points(sides(200))).abs() < 2).all(1).float().mean() > 0.97


@pytest.mark.statistical
def test_noise_and_data_are_each_others_inverse() -> None:
    condition = sides(100)
    x = points(condition) + 0.5 * torch.randn(100, 2)
    with torch.no_grad():
        torch.testing.assert_close(trained().reconstruct(x, condition), x, atol=0.02, rtol=0)
        noise = trained().encode(x, condition).mean
    assert noise.mean().abs() < 0.2
    assert float(noise.std()) == pytest.approx(1, abs=0.2)


@pytest.mark.statistical
def test_edits_change_what_is_asked_and_keep_the_rest() -> None:
    condition = sides(100)
    x = points(condition) + 0.5 * torch.randn(100, 2, generator=torch.Generator().manual_seed(2))
    other = condition.with_codes("side", 1 - condition.values["side"])
    with torch.no_grad():
        moved = trained().edit(x, condition, other)
    kept = torch.corrcoef(torch.stack([(moved - points(other)).flatten(), (x - points(condition)).flatten()]))[0, 1]
    assert ((moved - points(other)).abs() < 2).all(1).float().mean() > 0.97
    assert kept > 0.8


@pytest.mark.statistical
def test_inpainting_keeps_what_is_known_and_fits_the_rest_to_it() -> None:
    free = Condition.free(SIDE, 200)
    x = torch.where(torch.arange(200)[:, None] % 2 > 0, 3.0, -3.0).expand(-1, 2)
    with torch.no_grad():
        found = trained().inpaint(x, torch.tensor([True, False]), free, Rng(range(200)))
    assert torch.equal(found[:, 0], x[:, 0])
    assert ((found[:, 1] > 0) == (x[:, 0] > 0)).float().mean() > 0.8  # the known coordinate decides the side


def test_interpolation_starts_and_ends_at_its_ends() -> None:
    a, b = sides(10), sides(10).with_codes("side", 1 - sides(10).values["side"])
    x, y = points(a) + 0.3, points(b) - 0.3
    with torch.no_grad():
        frames = trained().interpolate(x, a, y, b, 5)
    assert frames.shape == (10, 5, 2)
    torch.testing.assert_close(frames[:, 0], x, atol=0.05, rtol=0)
    torch.testing.assert_close(frames[:, -1], y, atol=0.05, rtol=0)


def test_optimal_coupling_never_pairs_across_conditions() -> None:
    generator = torch.Generator().manual_seed(0)
    data, noise = torch.randn(2, 64, 3, generator=generator)
    condition = sides(64)
    paired = coupled(noise, data, condition)
    for side in (0, 1):
        of = condition.values["side"] == side
        assert {tuple(row) for row in paired[of].tolist()} == {tuple(row) for row in noise[of].tolist()}
        assert (paired[of] - data[of]).square().sum() < 0.8 * (noise[of] - data[of]).square().sum()


def test_optimal_coupling_tells_a_free_attribute_from_its_first_value() -> None:
    data, noise = torch.randn(2, 4, 3)
    present = torch.tensor([[True], [False], [True], [False]])
    condition = Condition(SIDE, {"side": torch.zeros(4)}, present)
    paired = coupled(noise, data, condition)
    assert {tuple(row) for row in paired[::2].tolist()} == {tuple(row) for row in noise[::2].tolist()}


def test_sampling_and_validation_drop_nothing() -> None:
    model = build("flow", SIDE, (2,), channels=8, depth=1, embedding=8, condition_dropout=0.9).eval()
    seen: list[bool] = []
    model.condition_encoder.register_forward_hook(lambda m, args, out: seen.append(args[0].complete))  # type: ignore[union-attr, operator]
    model(torch.randn(50, 2), sides(50))
    model.train()
    model(torch.randn(50, 2), sides(50))
    assert seen == [True, False]


@pytest.mark.parametrize("name", ["uniform", "logit-normal"])
def test_times_are_stratified(name: str) -> None:
    t = draw_times(name, 1000, torch.device("cpu"))  # type: ignore[arg-type]
    assert t.min() >= 0
    assert t.max() <= 1
    u = t if name == "uniform" else torch.special.ndtr(t.double().logit())
    torch.testing.assert_close((u * 1000 - 1e-4).floor().clamp(min=0), torch.arange(1000).to(u), atol=1, rtol=0)


def test_the_standardiser_settles_on_the_moments_of_what_it_has_seen() -> None:
    standardise = Standardiser((2, 4, 4))
    x = torch.randn(OBSERVATIONS, 2, 4, 4) * torch.tensor([2.0, 0.5])[:, None, None] + 1
    for part in x.split(1000):
        standardise.observe(part)
    seen = standardise(x)
    torch.testing.assert_close(seen.mean((0, 2, 3)), torch.zeros(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen.std((0, 2, 3)), torch.ones(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(standardise.inverse(seen), x, atol=1e-4, rtol=1e-4)
    volume = -16 * (math.log(2) + math.log(0.5))
    assert standardise.log_volume.item() == pytest.approx(volume, abs=0.2)
    standardise.observe(x + 100)
    torch.testing.assert_close(standardise(x), seen)


def test_a_dimension_without_variation_is_left_alone() -> None:
    standardise = Standardiser((2,))
    standardise.observe(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    assert standardise(torch.tensor([[2.0, 5.0]])).abs().max() < 1e-5


@pytest.mark.parametrize("value", [179 / 255, 0.3, 5.1])
def test_rounding_of_a_constant_channel_is_no_variation(value: float) -> None:
    standardise = Standardiser((1, 8, 8))
    for n in range(20, 160):
        standardise.observe(torch.full((n, 1, 8, 8), value))
    assert standardise.scale.item() == 1
    assert standardise.log_volume.item() == 0


def test_the_standardiser_measures_little_variation_far_from_zero() -> None:
    standardise, x = Standardiser((1,)), 2000 + 0.5 * torch.randn(OBSERVATIONS, 1)
    for part in x.split(100):
        standardise.observe(part)
    assert standardise.scale.item() == pytest.approx(x.double().std().item(), rel=0.1)


def test_slerp_keeps_the_length_of_noise() -> None:
    a, b = torch.randn(2, 20, 500)
    middle = slerp(a, b, 0.5)
    torch.testing.assert_close(middle.norm(dim=1), (a.norm(dim=1) + b.norm(dim=1)) / 2, atol=1.0, rtol=0)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, a, 0.3), a)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"mechanism": "none"}, "would reach no layer"),
        ({"guidance_from": 0.8, "guidance_to": 0.2}, "act nowhere"),
        ({"backbone": "unet"}, "for images"),
        ({"sampler": "rk4"}, "sampler"),
        ({"condition_dropout": 1.0}, "condition_dropout"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        build("flow", SIDE, (2,), **arguments)


@pytest.mark.parametrize("backbone", ["unet", "transformer"])
def test_images_of_any_size_divisible_by_four(backbone: str) -> None:
    condition = conditions("all", 3)
    for shape in ((1, 8, 8), (3, 12, 20), (2, 16, 16)):
        model = build("flow", condition.schema, shape, backbone=backbone, channels=16, depth=1, embedding=8).eval()
        with torch.no_grad():
            assert model.sample(condition, Rng(range(3)), steps=1).shape == (3, *shape)  # type: ignore[call-arg]


@pytest.mark.statistical
def test_an_image_flow_learns_a_tiny_world() -> None:
    torch.manual_seed(0)
    condition = conditions("all", 512)
    x = observations(condition, "image")
    model = build("flow", condition.schema, SHAPES["image"], channels=16, depth=1, embedding=16)
    train(model, x, condition, steps=600, batch=64, lr=1e-2)
    with torch.no_grad():
        made = model.eval().sample(condition, Rng(range(512)))
    assert (made - x).square().mean() < 0.25 * (x - x.mean(0)).square().mean()
