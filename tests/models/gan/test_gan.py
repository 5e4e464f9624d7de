import inspect
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from condgen.conditioning import MECHANISMS, AttributeEmbedding, Mechanism
from condgen.errors import RequestError
from condgen.models import FAMILIES, GAN, build
from condgen.models.gan.augment import AUGMENTATIONS
from condgen.models.gan.builders import conditional_gan
from condgen.models.gan.gan import Curriculum, Penalty, Vicinity
from condgen.models.gan.heads import Classifier, Head
from condgen.models.gan.losses import LOSSES
from condgen.parameters import described, keyword_arguments
from condgen.rng import Rng
from condgen.schema import Condition, Continuous, Flag, Schema

Part = TypeVar("Part", bound=nn.Module)
IMAGE, VECTOR = (1, 8, 8), (3,)
SMALL: dict[str, Any] = {"latent": 3, "channels": 4, "depth": 1}
CONDITIONAL = ("cgan", "acgan", "tacgan", "adcgan", "reacgan", "projection")
ADVERSARIAL = ("gan", *CONDITIONAL)
WITH_HEAD = tuple(name for name in CONDITIONAL if name not in ("cgan", "projection"))  # whose head has losses
every_family = pytest.mark.parametrize("name", ADVERSARIAL)
every_conditional_family = pytest.mark.parametrize("name", CONDITIONAL)
every_loss = pytest.mark.parametrize("loss", LOSSES)
either_shape = pytest.mark.parametrize("shape", [IMAGE, VECTOR], ids=["image", "vector"])


def moved(model: Part) -> Part:
    """A model or player after training moved its parameters away from the identity."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model


def small(name: str, schema: Schema, shape: tuple[int, ...] = VECTOR, **arguments: Any) -> GAN:
    model = build(name, schema, shape, **SMALL, **arguments)
    assert isinstance(model, GAN)
    return moved(model)


def requests(schema: Schema, n: int = 8) -> Condition:
    rows = [{"color": ["red", "green", "blue"][i % 3], "glasses": i % 2, "age": 10 * i % 80} for i in range(n)]
    return Condition.of(schema, rows)


def batch(schema: Schema, shape: tuple[int, ...] = VECTOR, n: int = 8) -> tuple[Tensor, Condition]:
    return torch.rand(n, *shape), requests(schema).repeat(n // 8)


def seeded(model: GAN, x: Tensor, condition: Condition, player: str, seed: int = 5) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return model(x, condition, player)


@every_family
@either_shape
def test_critic_and_generator_own_disjoint_parameters_that_together_are_all(
    people: Schema, name: str, shape: tuple[int, ...]
) -> None:
    model = small(name, people, shape)
    players = model.players()
    assert list(players) == ["critic", "generator"]
    owned = {player: {id(p) for p in parameters} for player, parameters in players.items()}
    assert not owned["critic"] & owned["generator"]
    assert owned["critic"] | owned["generator"] == {id(p) for p in model.parameters()}
    assert owned["generator"] == {id(p) for p in model.generator.parameters()}


@every_family
@every_loss
@pytest.mark.parametrize("player", ["critic", "generator"])
def test_a_loss_is_the_adversarial_one_of_the_scores_plus_that_of_the_head(
    people: Schema, name: str, loss: str, player: str
) -> None:
    model = small(name, people, loss=loss, vicinity=0.0) if name != "gan" else small(name, people, loss=loss)
    x, c = batch(people)
    terms = seeded(model.eval(), x, c, player)
    torch.manual_seed(5)
    fake = model.generate(c)
    real_score, fake_score = model.critic(x, c), model.critic(fake, c)
    h_real, h_fake = model.critic.features(x, c), model.critic.features(fake, c)
    head = model.critic.head
    adversarial = getattr(LOSSES[loss], player)(real_score, fake_score).mean()
    judged = head.critic(h_real, h_fake, c) if player == "critic" else head.generator(h_fake, c)
    torch.testing.assert_close(terms["loss"], adversarial + judged.get("loss", 0.0))
    assert ("loss" in judged) == (name in WITH_HEAD)
    if player == "critic":
        assert terms["wins"] == (real_score > fake_score).float().mean()


@every_family
@every_loss
@pytest.mark.parametrize("r2", [0.0, 1.0])
def test_training_has_finite_terms_and_gradients(people: Schema, name: str, loss: str, r2: float) -> None:
    model, (x, c) = small(name, people, loss=loss, r2=r2).train(), batch(people)
    for player, parameters in model.players().items():
        terms = model(x, c, player)
        terms["loss"].backward(inputs=parameters)
        assert all(term.isfinite() for term in terms.values())
        assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)


@every_family
def test_extreme_data_keeps_every_term_and_gradient_finite(people: Schema, name: str) -> None:
    model, c = small(name, people).train(), requests(people)
    for player in model.players():
        terms = model(torch.full((8, *VECTOR), 1e4), c, player)
        terms["loss"].backward()
        assert all(term.isfinite() for term in terms.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@every_family
@either_shape
def test_mixed_precision_training_works(people: Schema, name: str, shape: tuple[int, ...]) -> None:
    model, (x, c) = small(name, people, shape).train(), batch(people, shape)
    for player, parameters in model.players().items():
        with torch.autocast("cpu", torch.bfloat16):
            terms = model(x, c, player)
        terms["loss"].backward(inputs=parameters)
        assert all(term.isfinite() for term in terms.values())


@every_family
def test_the_critics_loss_does_not_train_the_generator(people: Schema, name: str) -> None:
    model, (x, c) = small(name, people, r2=1.0).train(), batch(people)
    model(x, c, "critic")["loss"].backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.critic.parameters())


@every_family
def test_the_generators_loss_goes_through_the_critic_but_does_not_train_it(people: Schema, name: str) -> None:
    model, (x, c) = small(name, people).train(), batch(people)
    loss = seeded(model, x, c, "generator")["loss"]
    loss.backward(inputs=model.players()["generator"])
    assert all(p.grad is None for p in model.critic.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.generator.parameters())
    moved(model.critic)
    assert (seeded(model, x, c, "generator")["loss"] - loss).abs() > 1e-4


@every_family
def test_a_step_of_each_player_lowers_its_own_loss(people: Schema, name: str) -> None:
    model, (x, c) = small(name, people, loss="wasserstein").eval(), batch(people)
    for player, parameters in model.players().items():
        before = seeded(model, x, c, player)["loss"]
        gradients = torch.autograd.grad(before, parameters, allow_unused=True)
        with torch.no_grad():
            for p, g in zip(parameters, gradients, strict=True):
                p.sub_(1e-3 * (torch.zeros_like(p) if g is None else g))
        assert seeded(model, x, c, player)["loss"] < before


@every_conditional_family
@pytest.mark.parametrize("shape", [IMAGE, VECTOR], ids=["image", "vector"])
def test_both_players_are_told_the_condition(people: Schema, name: str, shape: tuple[int, ...]) -> None:
    # guards against labels that are in the data but reach no player
    model, (x, c) = small(name, people, shape, vicinity=0.0, embedding=0).eval(), batch(people, shape)
    other = c[torch.arange(len(c)).flip(0)]
    for attribute in people.names:
        changed = c.with_codes(attribute, other.values[attribute])
        for player in ("critic", "generator"):
            losses = [seeded(model, x, asked, player)["loss"] for asked in (c, changed)]
            assert (losses[0] - losses[1]).abs() > 1e-5, (attribute, player)
        assert not torch.allclose(model.sample(c, Rng(range(8))), model.sample(changed, Rng(range(8))), atol=1e-4)


def test_the_unconditional_gan_ignores_the_condition(people: Schema) -> None:
    model, (x, c) = small("gan", people).eval(), batch(people)
    for player in ("critic", "generator"):
        terms, free = seeded(model, x, c, player), seeded(model, x, Condition.free(people, 8), player)
        assert terms["loss"] == free["loss"]
    assert not model.conditional
    assert model.handles_missing


def test_the_unconditional_gan_needs_no_attribute() -> None:
    model, nothing = small("gan", Schema(), IMAGE), Condition.free(Schema(), 4)
    for player, parameters in model.players().items():
        model(torch.rand(4, *IMAGE), nothing, player)["loss"].backward(inputs=parameters)
    assert model.sample(nothing, Rng(range(4))).shape == (4, *IMAGE)


@every_conditional_family
def test_a_conditional_gan_of_unlabelled_data_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match="nothing to condition on; use an unconditional model"):
        build(name, Schema(), IMAGE)


@every_conditional_family
def test_where_the_condition_enters_the_critic_by_default(people: Schema, name: str) -> None:
    model, x = small(name, people).eval(), torch.rand(8, *VECTOR)
    c, other = requests(people), Condition.cat([requests(people)[3:], requests(people)[:3]])
    in_trunk = not torch.allclose(model.critic.features(x, c), model.critic.features(x, other), atol=1e-5)
    assert in_trunk == (name == "cgan")


@pytest.mark.parametrize("critic_mechanism", [m for m in MECHANISMS if m != "none"])
@pytest.mark.parametrize("name", ["cgan", "acgan"])
@either_shape
def test_a_mechanism_of_the_critics_own_is_used(
    people: Schema, name: str, critic_mechanism: str, shape: tuple[int, ...]
) -> None:
    model, x = small(name, people, shape, critic_mechanism=critic_mechanism).eval(), torch.rand(8, *shape)
    c, other = requests(people), Condition.cat([requests(people)[3:], requests(people)[:3]])
    assert not torch.allclose(model.critic.features(x, c), model.critic.features(x, other), atol=1e-5)
    kinds = {type(m) for m in model.critic.trunk.modules()} & set(MECHANISMS.values())
    assert kinds == {MECHANISMS[critic_mechanism]}
    assert {type(m) for m in model.generator.modules()} & set(MECHANISMS.values()) == {MECHANISMS["film"]}


@pytest.mark.parametrize("input_only", [False, True])
@either_shape
def test_a_condition_for_the_input_only_enters_the_first_layers_of_both_players(
    people: Schema, input_only: bool, shape: tuple[int, ...]
) -> None:
    model = build("cgan", people, shape, **SMALL | {"depth": 2}, mechanism="modulate", input_only=input_only)
    assert isinstance(model, GAN)
    for network, mechanism in ((model.generator.backbone, "modulate"), (model.critic.trunk, "concat")):
        kinds = [type(m) for m in network.modules() if isinstance(m, Mechanism)]
        inner = MECHANISMS["none" if input_only else mechanism]
        assert kinds == [MECHANISMS[mechanism], *[inner] * (len(kinds) - 1)]
        assert len(kinds) >= 2


def quadratic(model: GAN, x: Tensor, c: Condition) -> Tensor:
    """‖∇ₓ score‖² by autograd, observation by observation."""
    found = []
    for i in range(len(x)):
        y = x[i : i + 1].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model.critic(y, c[i : i + 1]).sum(), y)
        found.append(gradient.square().sum())
    return torch.stack(found).detach()


@pytest.mark.parametrize("name", ["gan", "cgan", "projection", "acgan"])
@pytest.mark.parametrize(("r1", "r2"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.3), (0.7, 0.3)])
@pytest.mark.parametrize("every", [1, 3])
def test_penalties_are_added_at_every_kth_step_with_k_times_the_weight(
    people: Schema, name: str, r1: float, r2: float, every: int
) -> None:
    arguments: dict[str, Any] = {} if name == "gan" else {"vicinity": 0.0}
    arguments |= {"penalty_every": every} if r1 or r2 else {}
    model = small(name, people, r1=r1, r2=r2, **arguments)
    x, c = batch(people)
    torch.manual_seed(5)
    fake = model.generate(c)
    without = seeded(model.eval(), x, c, "critic")["loss"]
    model.train()
    added = [seeded(model, x, c, "critic")["loss"] - without for _ in range(5)]
    due = r1 / 2 * every * quadratic(model, x, c).mean() + r2 / 2 * every * quadratic(model, fake, c).mean()
    expected = [due if step % every == 0 else torch.tensor(0.0) for step in range(5)]
    torch.testing.assert_close(torch.stack(added), torch.stack(expected), rtol=1e-4, atol=1e-5)


@pytest.fixture
def penalised(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What gradient penalties are asked for, in turn; each is one."""
    seen: list[Tensor] = []

    def counted(score: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        seen.append(x)
        return torch.ones(len(x))

    monkeypatch.setattr(import_module("condgen.models.gan.gan"), "gradient_penalty", counted)
    return seen


def test_a_penalty_that_is_not_due_is_not_computed(people: Schema, penalised: list[Tensor]) -> None:
    model, (x, c) = small("cgan", people, r1=1.0, penalty_every=4).train(), batch(people)
    counts = []
    for _ in range(9):
        model(x, c, "critic")
        model(x, c, "generator")
        counts.append(len(penalised))
    assert counts == [1, 1, 1, 1, 2, 2, 2, 2, 3]


def test_a_penalty_without_weight_is_not_computed(people: Schema, penalised: list[Tensor]) -> None:
    model, (x, c) = small("cgan", people, r1=0.0, r2=0.0).train(), batch(people)
    model(x, c, "critic")
    assert penalised == []


def test_lazy_penalties_weigh_the_same_on_average(people: Schema, penalised: list[Tensor]) -> None:
    (x, c) = batch(people)
    model = small("cgan", people)
    for every in (1, 4):
        penalty = Penalty(r1=0.6, r2=0.2, every=every)
        assert penalty(model.critic, x, x, c).item() == pytest.approx(every * (0.3 + 0.1))


def test_penalties_are_taken_where_the_critic_looks_at_augmented_observations(
    people: Schema, penalised: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AUGMENTATIONS, "color", lambda x: 0.5 * x)
    model = small("cgan", people, IMAGE, r1=1.0, r2=1.0, augment=("color",), augment_chance=0.999999, vicinity=0.0)
    x, c = batch(people, IMAGE)
    seeded(model.train(), x, c, "critic")
    torch.manual_seed(5)
    fake = model.generate(c)
    torch.testing.assert_close(penalised[0], 0.5 * x)
    torch.testing.assert_close(penalised[1], 0.5 * fake)


@pytest.mark.parametrize("player", ["critic", "generator"])
def test_real_and_generated_observations_are_augmented_alike_for_both_players(
    people: Schema, player: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AUGMENTATIONS, "translation", lambda x: 0 * x + 0.25)
    model = small("cgan", people, IMAGE, augment=("translation",), augment_chance=0.999999, r1=0.0)
    seen: list[Tensor] = []
    model.critic.trunk.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x, c = batch(people, IMAGE)
    model.train()(x, c, player)
    judged = torch.cat(seen)
    assert len(judged) == 2 * len(x)
    assert (judged == 2 * 0.25 - 1).all()


def test_training_counts_steps_and_images_of_the_critic_only(people: Schema) -> None:
    model, (x, c) = small("acgan", people).train(), batch(people)
    for step in range(1, 4):
        model(x, c, "critic")
        model(x, c, "generator")
        assert (model.steps, model.images) == (step, step * len(x))


def test_evaluation_neither_counts_nor_penalises(people: Schema, penalised: list[Tensor]) -> None:
    model, (x, c) = small("acgan", people, r1=1.0, penalty_every=1).eval(), batch(people)
    model(x, c, "critic")
    model(x, c, "generator")
    assert (model.steps, model.images) == (0, 0)
    assert penalised == []


@every_family
@pytest.mark.parametrize("spectral", [False, True])
def test_the_state_is_tensors_and_remembers_the_position_in_training(people: Schema, name: str, spectral: bool) -> None:
    # guards against a checkpoint of averaged weights alone, which cannot be resumed
    model, (x, c) = small(name, people, spectral=spectral).train(), batch(people)
    for _ in range(5):
        model(x, c, "critic")
    state = model.state_dict()
    assert all(isinstance(value, Tensor) for value in state.values())
    twin = build(name, people, VECTOR, **SMALL, spectral=spectral)
    assert isinstance(twin, GAN)
    twin.load_state_dict(load(save({key: value.contiguous() for key, value in state.items()})))
    assert (twin.steps, twin.images) == (model.steps, model.images) == (5, 40)
    torch.testing.assert_close(seeded(twin.train(), x, c, "critic"), seeded(model, x, c, "critic"), rtol=0, atol=0)


def test_loading_a_state_restores_the_pace_of_the_penalty(people: Schema, penalised: list[Tensor]) -> None:
    model, (x, c) = small("cgan", people, penalty_every=4).train(), batch(people)
    for _ in range(3):
        model(x, c, "critic")
    twin = small("cgan", people, penalty_every=4).train()
    twin.load_state_dict(model.state_dict())
    penalised.clear()
    twin(x, c, "critic")
    assert penalised == []
    twin(x, c, "critic")
    assert len(penalised) == 1


@every_family
@either_shape
def test_sampling_repeats_whatever_the_batch_and_uses_no_global_randomness(
    people: Schema, name: str, shape: tuple[int, ...]
) -> None:
    # guards against batch statistics in sampling, and a seed that gives another image in another batch
    model, c = small(name, people, shape), requests(people, 6)
    together = model.eval().sample(c, Rng(range(6)))
    before = torch.random.get_rng_state()
    torch.testing.assert_close(model.sample(c, Rng(range(6))), together, rtol=0, atol=0)
    torch.testing.assert_close(model.train().sample(c, Rng(range(6))), together, rtol=0, atol=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    alone = [model.sample(c[i : i + 1], Rng([i])) for i in range(6)]
    torch.testing.assert_close(torch.cat(alone), together, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model.sample(c, Rng(range(6, 12))), together)


def test_images_end_between_zero_and_one_and_the_critic_sees_them_between_minus_one_and_one(people: Schema) -> None:
    model, c = small("cgan", people, IMAGE), requests(people)
    with torch.no_grad():
        for p in model.generator.parameters():
            p.mul_(30)
    x = model.sample(c, Rng(range(8)))
    assert x.min() >= 0
    assert x.max() <= 1
    assert x.max() - x.min() > 0.5
    seen: list[Tensor] = []
    model.critic.trunk.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model.critic(x, c)
    torch.testing.assert_close(seen[0], 2 * x - 1)


def test_vectors_are_neither_squashed_nor_scaled(people: Schema) -> None:
    model, c = small("cgan", people), requests(people)
    seen: list[Tensor] = []
    model.critic.trunk.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    nn.init.constant_(model.generator.backbone.out.bias, 7.0)  # type: ignore[union-attr, arg-type]
    x = model.sample(c, Rng(range(8)))
    model.critic(x, c)
    assert x.min() > 1
    assert torch.equal(seen[0], x)


TONE = Schema(attributes=(Continuous(name="tone", low=-2, high=3),))


def tones(*codes: float) -> Condition:
    return Condition(TONE, {"tone": torch.tensor(codes)}, torch.ones(len(codes), 1, dtype=torch.bool))


def test_a_hard_vicinity_is_uniform_within_its_width() -> None:
    moves = Vicinity(0.1, "hard")(tones(1.0).repeat(20_000)).values["tone"] - 1
    assert moves.abs().max() <= 0.5 + 1e-5
    assert moves.mean().item() == pytest.approx(0, abs=0.01)
    assert moves.std().item() == pytest.approx(0.5 / 3**0.5, rel=0.02)


def test_a_soft_vicinity_is_normal_with_its_width_for_standard_deviation() -> None:
    moves = Vicinity(0.1, "soft")(tones(1.0).repeat(20_000)).values["tone"] - 1
    assert moves.mean().item() == pytest.approx(0, abs=0.02)
    assert moves.std().item() == pytest.approx(0.5, rel=0.03)
    assert (moves.abs() > 0.5).float().mean().item() == pytest.approx(0.317, abs=0.02)


@pytest.mark.parametrize("kernel", ["hard", "soft"])
def test_a_vicinity_moves_every_continuous_attribute_and_nothing_else(kernel: str) -> None:
    schema = Schema(attributes=(*TONE.attributes, Continuous(name="age", low=0, high=80)))
    values = {"tone": torch.zeros(4000), "age": torch.full((4000,), 40.0)}
    condition = Condition(schema, values, torch.rand(4000, 2) < 0.5)
    near = Vicinity(0.05, kernel)(condition)
    moves = torch.stack([near.values["tone"], near.values["age"] - 40])
    torch.testing.assert_close(moves[0].std() / 5, moves[1].std() / 80, rtol=0.05, atol=0)
    assert torch.corrcoef(moves)[0, 1].abs() < 0.05
    assert torch.equal(near.present, condition.present)
    assert not condition.values["tone"].any()


@pytest.mark.parametrize("kernel", ["hard", "soft"])
def test_a_vicinity_leaves_discrete_attributes_alone(people: Schema, kernel: str) -> None:
    condition = requests(people, 50)
    near = Vicinity(0.3, kernel)(condition)
    for name in ("color", "Eyeglasses"):
        assert torch.equal(near.values[name], condition.values[name])
    assert not torch.equal(near.values["age"], condition.values["age"])
    assert torch.equal(Vicinity(0.0, kernel)(condition).values["age"], condition.values["age"])


KERNELS = {
    "hard": lambda d, width: (d.abs() <= width).double(),
    "soft": lambda d, width: (-(d**2) / (2 * width**2)).exp(),
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_drawing_labels_near_observations_is_ccgans_weighting_of_observations_near_labels(kernel: str) -> None:
    """CcGAN: a label y has the kernel density of the labels, an observation i the weight K(y − yᵢ) / Σⱼ K(y − yⱼ).

    The labels' density is estimated with the kernel of the vicinity.
    """
    labels, width, n = 5 * torch.rand(6, 1, dtype=torch.double) - 2, 0.12, 100_000
    a, b, c = torch.rand(3, len(labels), 1, dtype=torch.double)

    def f(y: Tensor) -> Tensor:
        return a + b * y + (1 + c) * y**2

    grid = torch.linspace(-8, 9, 100_001, dtype=torch.double)
    k = KERNELS[kernel](grid - labels, 5 * width)
    density, weights = k.sum(0) / k.sum(), k / k.sum(0).clamp(min=1e-300)
    published = (density * (weights * f(grid)).sum(0)).sum()
    drawn = Vicinity(width, kernel)(tones(*labels[:, 0].tolist()).repeat(n)).values["tone"].double()
    values = f(drawn.view(len(labels), n))
    error = 5 * (values.var(1).mean() / values.numel()).sqrt().item()
    assert values.mean().item() == pytest.approx(published.item(), abs=error)
    assert abs(f(labels).mean() - published) > 10 * error  # without a vicinity it would be another


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_joint_distribution_of_observation_and_judged_label_is_ccgans(kernel: str) -> None:
    labels, width, n, bins, fine = torch.tensor([-1.0, -0.6, 0.4, 2.0]), 0.12, 40_000, 60, 200
    grid = torch.linspace(-5, 6, bins * fine + 1, dtype=torch.double)
    k = KERNELS[kernel]((grid[1:] + grid[:-1]) / 2 - labels[:, None], 5 * width)
    density, weights = k.sum(0) / k.sum(), k / k.sum(0).clamp(min=1e-300)
    published = (density * weights).view(len(labels), bins, fine).sum(2)
    drawn = Vicinity(width, kernel)(tones(*labels.tolist()).repeat(n)).values["tone"].double().view(len(labels), n)
    found = torch.stack([torch.histogram(row, grid[::fine]).hist for row in drawn]) / drawn.numel()
    torch.testing.assert_close(found, published, rtol=0, atol=0.002)


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_the_critic_judges_near_labels_and_sees_observations_generated_for_labels_near_those(
    people: Schema, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, (x, c) = small(name, people, critic_mechanism="concat", penalty_every=1), batch(people)
    model.vicinity = lambda condition: condition.with_codes("age", condition.values["age"] + 1)  # type: ignore[assignment]
    seen: dict[str, list[Tensor]] = {"generator": [], "trunk": [], "head": [], "penalty": []}
    head, age = model.critic.head, c.values["age"]

    def watch(owner: object, method: str, who: str, position: int) -> None:
        original = getattr(owner, method)

        def watched(*inputs: Any) -> Any:
            seen[who].append(inputs[position].values["age"])
            return original(*inputs)

        monkeypatch.setattr(owner, method, watched)

    watch(model.generator, "forward", "generator", 1)
    watch(model.critic.condition_encoder, "forward", "trunk", 0)
    watch(head, "critic", "head", 2)
    watch(head, "generator", "head", 1)
    watch(head, "score", "head", 1)
    monkeypatch.setattr(
        Penalty, "__call__", lambda self, critic, real, fake, c: seen["penalty"].append(c.values["age"]) or x.sum() * 0
    )
    model.train()(x, c, "critic")
    assert torch.equal(torch.stack(seen["generator"]), (age + 2)[None])
    assert torch.equal(torch.stack(seen["trunk"]), torch.cat([age + 1, age + 1])[None])
    assert torch.equal(torch.stack(seen["head"]), (age + 1).expand(3, -1))
    assert torch.equal(torch.stack(seen["penalty"]), (age + 1)[None])
    model(x, c, "generator")
    assert torch.equal(seen["generator"][-1], age)
    assert torch.equal(torch.cat(seen["trunk"][1:]), torch.cat([age, age]))
    assert torch.equal(torch.stack(seen["head"][3:]), age.expand(3, -1))


@pytest.mark.parametrize(
    ("images", "chance"), [(0, 1), (100, 1), (150, 0.775), (200, 0.55), (299, 0.1045), (300, 0.1), (10**9, 0.1)]
)
def test_a_transition_asks_nothing_then_linearly_more_then_all_but_the_dropout(images: int, chance: float) -> None:
    assert Curriculum(0.1, (100, 300)).chance(images) == pytest.approx(chance)


@pytest.mark.parametrize("images", [0, 1, 10**6])
def test_without_a_transition_only_the_dropout_leaves_attributes_free(images: int) -> None:
    assert Curriculum(0.0).chance(images) == 0
    assert Curriculum(0.2).chance(images) == 0.2
    assert Curriculum(0.2, (0, 1000)).chance(500) == pytest.approx(0.6)


def test_a_transition_may_be_abrupt() -> None:
    assert [Curriculum(0.1, (50, 50)).chance(images) for images in (0, 49, 50)] == [1, 1, 0.1]


def test_a_curriculum_leaves_that_share_of_attributes_free(people: Schema) -> None:
    condition = requests(people).repeat(400)
    shares = [Curriculum(0.1, (0, 100))(condition, images).present.float().mean().item() for images in (0, 50, 100)]
    assert shares == pytest.approx([0, 0.45, 0.9], abs=0.02)
    assert Curriculum(0.0)(condition, 0) is condition


@pytest.mark.parametrize("name", ["cgan", "acgan", "projection"])
def test_training_goes_from_unconditional_to_conditional_as_images_pass_and_evaluation_asks_everything(
    people: Schema, name: str
) -> None:
    model = small(name, people, embedding=8, transition=(400, 800), condition_dropout=0.0).train()
    x, c = batch(people, n=400)
    asked: list[float] = []
    model.generator.register_forward_pre_hook(lambda m, inputs: asked.append(inputs[1].present.float().mean().item()))
    model.eval()(x, c, "critic")
    model.train()
    for player in ("critic", "critic", "generator", "critic", "critic"):
        terms = model(x, c, player)
        assert terms["loss"].isfinite()
    assert asked == pytest.approx([1, 0, 0, 1, 1, 1], abs=0.06)
    model.images = 600
    model(x, c, "generator")
    assert asked[-1] == pytest.approx(0.5, abs=0.06)


def test_condition_dropout_needs_embeddings_and_acts_only_while_training(people: Schema) -> None:
    seen: list[float] = []
    for arguments in ({}, {"embedding": 8, "condition_dropout": 0.9}):
        model = small("acgan", people, **arguments)
        model.generator.register_forward_pre_hook(lambda m, i: seen.append(i[1].present.float().mean().item()))
        x, c = batch(people, n=200)
        for player in ("critic", "generator"):
            model.train()(x, c, player)
            model.eval()(x, c, player)
    assert seen == pytest.approx([1, 1, 1, 1, 0.1, 1, 0.1, 1], abs=0.07)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("cgan", {"mechanism": "none"}, "its generator would not see the condition; choose a mechanism, or .* gan"),
        ("acgan", {"mechanism": "none"}, "its generator would not see the condition"),
        ("cgan", {"critic_mechanism": "none"}, "nothing in its critic would see the condition; choose a critic_mech"),
        ("cgan", {"transition": (10, 100)}, "transition of cgan takes effect only with embedding.* set `embedding=64`"),
        ("acgan", {"condition_dropout": 0.1}, "condition_dropout of acgan takes effect only with embedding"),
        ("gan", {"r1": 0.0, "penalty_every": 2}, "penalty_every of gan takes effect only with r1 or r2"),
        ("projection", {"augment_chance": 0.2}, "augment_chance of projection takes effect only with augment"),
        ("reacgan", {"head_weight": 0.0, "margin": 0.5}, "margin of reacgan takes effect only with head_weight"),
        ("cgan", {"deviation": 1}, "a group of one observation has no deviation"),
        ("cgan", {"transition": (100, 10), "embedding": 8}, "ends, at image 10, before it starts, at 100"),
        ("cgan", {"transition": (100, 0), "embedding": 8}, "ends, at image 0, before it starts, at 100"),
        ("cgan", {"r1": -1.0}, "r1=-1.0"),
        ("cgan", {"penalty_every": 0}, "penalty_every=0"),
        ("cgan", {"augment_chance": 1.0}, "augment_chance=1.0"),
        ("cgan", {"vicinity": -0.1}, "vicinity=-0.1"),
        ("acgan", {"generator_weight": -1.0}, "generator_weight=-1.0"),
        ("reacgan", {"temperature": 0.0}, "temperature=0.0"),
        ("reacgan", {"margin": 1.5}, "margin=1.5"),
        ("reacgan", {"apart": 1.0}, "apart=1.0"),
        ("cgan", {"loss": "hing"}, "Did you mean hinge"),
        ("cgan", {"augment": ("translations",)}, "Did you mean translation"),
        ("acgan", {"generator_wieght": 1.0}, "Did you mean .*generator_weight"),
        ("tacgan", {"generator_weight": 1.0}, "tacgan.*generator_weight"),
        ("gan", {"mechanism": "film"}, "gan.*mechanism"),
        ("cgan", {"kernel": "tophat"}, "kernel"),
    ],
)
def test_impossible_combinations_fail_in_a_sentence(
    people: Schema, name: str, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(RequestError, match=says) as failure:
        build(name, people, IMAGE, **arguments)
    assert str(failure.value)[0].isupper()
    assert str(failure.value).endswith((".", "?"))
    assert ".." not in str(failure.value)


@pytest.mark.parametrize("name", ["acgan", "tacgan", "adcgan", "reacgan", "projection"])
def test_a_head_that_judges_conditions_needs_none_in_the_trunk(people: Schema, name: str) -> None:
    assert small(name, people, critic_mechanism="none")


HEAD_ARGUMENTS: dict[str, dict[str, Any]] = {
    "acgan": {"real_weight": 0.1, "fake_weight": 0.2, "generator_weight": 0.3, "continuous_weight": 0.8},
    "tacgan": {"head_weight": 0.4},
    "adcgan": {"head_weight": 0.5},
    "reacgan": {"head_weight": 0.6, "temperature": 0.7, "margin": 0.8, "width": 9, "apart": 0.2},
    "projection": {"label_weight": 0.7},
}


@pytest.mark.parametrize("name", HEAD_ARGUMENTS)
def test_arguments_of_the_head_reach_it(people: Schema, name: str) -> None:
    head = small(name, people, **HEAD_ARGUMENTS[name]).critic.head
    found = {key: getattr(head, key) for key in HEAD_ARGUMENTS[name] if key != "continuous_weight"}
    assert found == {key: value for key, value in HEAD_ARGUMENTS[name].items() if key in found}
    if isinstance(head, Classifier):
        assert head.posterior.weights == [1, 1, 0.8]


@every_conditional_family
def test_a_builder_takes_the_arguments_of_every_conditional_gan_and_of_its_head(people: Schema, name: str) -> None:
    head = type(small(name, people).critic.head)
    assert set(HEAD_ARGUMENTS.get(name, {})) == set(keyword_arguments(head))
    assert keyword_arguments(head).items() <= keyword_arguments(FAMILIES[name].builder).items()
    parts = {each.name for each in described(FAMILIES[name].builder) if each.part == "head"}
    assert parts == set(keyword_arguments(head))
    assert FAMILIES[name].builder.__name__ == name
    assert issubclass(head, Head)
    told = inspect.getdoc(FAMILIES[name].builder) or ""
    assert (inspect.getdoc(conditional_gan) or "-")[:80] in told
    assert (inspect.getdoc(head) or "-")[:40] in told


@every_conditional_family
def test_conditional_families_differ_by_their_head_alone(people: Schema, name: str) -> None:
    others = {each.name for each in described(FAMILIES[name].builder) if each.part != "head"}
    assert others == set(keyword_arguments(FAMILIES["cgan"].builder))


@pytest.mark.parametrize("name", CONDITIONAL)
def test_other_arguments_reach_their_parts(people: Schema, name: str) -> None:
    model = small(
        name,
        people,
        IMAGE,
        loss="hinge",
        r1=0.2,
        r2=0.3,
        penalty_every=5,
        augment=("color", "cutout"),
        augment_chance=0.4,
        vicinity=0.06,
        kernel="soft",
        input_only=True,
        embedding=10,
        condition_dropout=0.15,
        transition=(7, 9),
    )
    assert model.loss is LOSSES["hinge"]
    assert model.penalty == Penalty(0.2, 0.3, 5)
    assert (model.augment.names, model.augment.chance) == (("color", "cutout"), 0.4)
    assert model.vicinity == Vicinity(0.06, "soft")
    assert model.curriculum == Curriculum(0.15, (7, 9))
    assert model.generator.latent == 3
    assert model.condition_encoder.width == 10
    assert model.one_step
    assert model.conditional
    assert model.handles_missing
    assert not model.uses_unlabelled


def test_arguments_of_the_unconditional_gan_reach_their_parts(people: Schema) -> None:
    arguments: dict[str, Any] = {"loss": "hinge", "r1": 0.2, "r2": 0.3, "penalty_every": 5}
    model = small("gan", people, IMAGE, **arguments, augment=("color",), augment_chance=0.4)
    assert model.loss is LOSSES["hinge"]
    assert model.penalty == Penalty(0.2, 0.3, 5)
    assert (model.augment.names, model.augment.chance) == (("color",), 0.4)
    assert model.one_step
    assert model.handles_missing
    assert not model.conditional


@every_family
def test_the_recipe_rebuilds_the_model_from_json(people: Schema, name: str) -> None:
    extra: dict[str, Any] = {} if name == "gan" else {"embedding": 4, "transition": (5, 9)}
    model, c = small(name, people, IMAGE, augment=("color", "cutout"), **extra), requests(people, 3)
    recipe = json.loads(json.dumps(model.recipe))
    again = build(recipe["model"], people, IMAGE, **recipe["arguments"]).eval()
    assert again.recipe == model.recipe
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.sample(c, Rng(range(3))), model.sample(c, Rng(range(3))), rtol=0, atol=0)


def normalised(model: GAN) -> dict[str, nn.Module]:
    """The dense and convolutional layers of the critic that score observations; embeddings of the condition do not."""
    critic = {"trunk": model.critic.trunk, "head": model.critic.head}
    layers = {f"{part}.{n}": m for part, whole in critic.items() for n, m in whole.named_modules()}
    embeddings = {id(m) for e in layers.values() if isinstance(e, AttributeEmbedding) for m in e}
    return {n: m for n, m in layers.items() if isinstance(m, nn.Linear | nn.Conv2d) and id(m) not in embeddings}


def largest_singular_value(layer: nn.Module) -> float:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item()


def after_forwards(model: GAN, x: Tensor, c: Condition, times: int) -> GAN:
    """The model after as many steps of training that change nothing but what follows the weights."""
    model.train()
    with torch.no_grad():
        for _ in range(times):
            model(x, c, "critic")
    return model.eval()


SPECTRAL = [
    *[(name, VECTOR, None) for name in ADVERSARIAL],
    pytest.param("acgan", IMAGE, None),
    pytest.param("gan", IMAGE, None),
    *[pytest.param("cgan", VECTOR, m) for m in ("film", "norm", "modulate")],
]


@pytest.mark.parametrize(("name", "shape", "critic_mechanism"), SPECTRAL)
def test_spectral_norm_holds_the_largest_singular_value_of_every_layer_of_the_critic_at_one(
    people: Schema, name: str, shape: tuple[int, ...], critic_mechanism: str | None
) -> None:
    # guards against a normalisation that rebinds a local variable and so does nothing
    extra = {"critic_mechanism": critic_mechanism} if critic_mechanism else {}
    model, (x, c) = small(name, people, shape, spectral=True, **extra), batch(people, shape)
    with torch.no_grad():
        for p in model.critic.parameters():
            p.mul_(5)
    after_forwards(model, x, c, 40)
    found = {layer: largest_singular_value(module) for layer, module in normalised(model).items()}
    assert len(found) >= 3
    assert found == pytest.approx(dict.fromkeys(found, 1), abs=0.03)


@pytest.mark.parametrize("name", ["projection", "reacgan"])
def test_spectral_norm_takes_attributes_that_are_embedded_by_one_product(name: str) -> None:
    alike = Schema(attributes=(Flag(name="glasses"), Flag(name="beard")))
    model, c = small(name, alike, spectral=True), Condition.of(alike, [{"glasses": 1, "beard": 0}] * 8)
    (embedding,) = (m for m in model.critic.head.modules() if isinstance(m, AttributeEmbedding))
    model.eval()  # in training every look at a weight moves the vectors of its normalisation
    one_by_one = [embedding[k](a.features(c.codes(a.name))) for k, a in enumerate(alike)]
    torch.testing.assert_close(embedding(c), torch.stack(one_by_one, 1))
    model.train()(torch.rand(8, *VECTOR), c, "critic")["loss"].backward()
    assert all(p.grad is not None for p in embedding.parameters())


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_without_spectral_norm_singular_values_are_free(people: Schema, name: str) -> None:
    model, (x, c) = small(name, people), batch(people)
    for p in model.critic.parameters():
        p.data.mul_(5)
    after_forwards(model, x, c, 1)
    assert all(abs(largest_singular_value(module) - 1) > 0.3 for module in normalised(model).values())


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_a_normalised_weight_is_the_one_that_is_used_and_trained(people: Schema, name: str) -> None:
    # guards against a normalisation that rebinds a local variable and so does nothing
    model, (x, c) = small(name, people, spectral=True), batch(people)
    after_forwards(model, x, c, 40)
    first = model.critic.trunk.get_submodule("hidden.0.layer")
    original = dict(first.named_parameters())["parametrizations.weight.original"]
    assert id(original) in {id(p) for p in model.players()["critic"]}
    score = model.critic(x, c)
    score.sum().backward()
    assert original.grad is not None
    assert original.grad.any()
    with torch.no_grad():
        original.mul_(3)
        torch.testing.assert_close(model.critic(x, c), score, rtol=1e-3, atol=1e-4)  # its length does not matter,
        original[0].mul_(-2)
        assert not torch.allclose(model.critic(x, c), score, atol=1e-4)  # its direction does


def test_spectral_norm_leaves_the_generator_alone(people: Schema) -> None:
    model = small("acgan", people, spectral=True)
    assert not [n for n, _ in model.generator.named_parameters() if "parametrizations" in n]
    assert [n for n, _ in model.critic.named_parameters() if "parametrizations" in n]


@either_shape
@pytest.mark.parametrize("critic_mechanism", ["film", "norm", "modulate"])
def test_a_new_critic_with_spectral_norm_has_finite_losses(
    people: Schema, shape: tuple[int, ...], critic_mechanism: str
) -> None:
    model, (x, c) = (
        build("cgan", people, shape, **SMALL, spectral=True, critic_mechanism=critic_mechanism),
        batch(people, shape),
    )
    assert model.train()(x, c, "critic")["loss"].isfinite()


def test_augmentation_is_for_images(people: Schema) -> None:
    with pytest.raises(RequestError, match=r"augment of cgan is for images.* leave out `augment`"):
        small("cgan", people, augment=tuple(AUGMENTATIONS))


def test_a_vicinity_is_for_numbers(people: Schema) -> None:
    named = Schema(attributes=people.attributes[:2])
    assert not {"vicinity", "kernel"} & small("cgan", named).recipe["arguments"].keys()
    with pytest.raises(RequestError, match="vicinity of cgan is for attributes that are numbers"):
        small("cgan", named, vicinity=0.1)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, []),
        ({"critic/wins": 0.9, "critic/accuracy_real": 0.5, "critic/accuracy_fake": 0.79}, []),
        ({"critic/accuracy_real": 0.9, "critic/accuracy_fake": 1.0}, []),
        ({"critic/wins": 0.99}, ["wins 99% of pairs"]),
        ({"critic/accuracy_real": 0.3, "critic/accuracy_fake": 0.9}, ["right about 90% of generated but 30% of real"]),
        (
            {"critic/wins": 1.0, "critic/accuracy_real": 0.1, "critic/accuracy_fake": 0.9},
            ["overpowers", "collapsed"],
        ),
    ],
)
def test_complaints_name_what_goes_wrong(people: Schema, values: dict[str, float], says: list[str]) -> None:
    found = small("acgan", people).complaints(values)
    assert len(found) == len(says)
    assert all(part in complaint.evidence for part, complaint in zip(says, found, strict=True))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_complaints_go_by_the_terms_that_the_critic_reports(people: Schema, name: str) -> None:
    model, (x, c) = small(name, people), batch(people)
    terms = model(x, c, "critic")
    assert "wins" in terms
    assert ("accuracy_fake" in terms) == (name == "acgan")
    assert ("accuracy_real" in terms) == (name in ("acgan", "tacgan", "adcgan"))
