import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from condgen.errors import RequestError
from condgen.models import GAN, InfoGAN, build
from condgen.models.gan.heads import Classifier
from condgen.models.gan.infogan import code_schema, draw
from condgen.models.protocols import Discovers
from condgen.rng import Rng
from condgen.schema import Categorical, Condition, Continuous, LabelDistribution, Schema

IMAGE, VECTOR = (1, 8, 8), (3,)
SMALL: dict[str, Any] = {"latent": 3, "channels": 4, "depth": 1}
either_shape = pytest.mark.parametrize("shape", [IMAGE, VECTOR], ids=["image", "vector"])
either_player = pytest.mark.parametrize("player", ["critic", "generator"])


def small(schema: Schema, shape: tuple[int, ...] = VECTOR, **arguments: Any) -> InfoGAN:
    """A model after training moved its parameters away from the identity."""
    model = build("infogan", schema, shape, **SMALL, **arguments)
    assert isinstance(model, InfoGAN)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model


def labels(schema: Schema, n: int, color: str, age: float) -> Condition:
    return Condition.of(schema, [{"color": color, "glasses": "no", "age": age}] * n)


def seeded(model: GAN, x: Tensor, condition: Condition, player: str, seed: int = 5) -> dict[str, Tensor]:
    """The terms of the first step."""
    model.steps = 0
    torch.manual_seed(seed)
    return model(x, condition, player)


def own_joint(model: InfoGAN, data: Schema) -> LabelDistribution:
    return model.joint(LabelDistribution.of(labels(data, 3, "red", 7)))


@pytest.mark.parametrize(("codes", "values", "continuous"), [(1, 10, 2), (2, 3, 0), (0, 2, 3), (3, 4, 1)])
def test_codes_are_named_in_order_first_those_with_values_then_the_continuous(
    codes: int, values: int, continuous: int
) -> None:
    schema = code_schema(codes, values, continuous)
    assert schema.names == [f"code{k + 1}" for k in range(codes + continuous)]
    named, numbers = schema.attributes[:codes], schema.attributes[codes:]
    assert all(isinstance(a, Categorical) and a.values == tuple(map(str, range(values))) for a in named)
    assert all(isinstance(a, Continuous) and (a.low, a.high) == (-1, 1) for a in numbers)


def test_a_model_has_its_codes_for_schema_and_not_the_datas(people: Schema) -> None:
    model = small(people, codes=2, values=4, continuous=1)
    assert model.schema == code_schema(2, 4, 1)
    assert isinstance(model, Discovers)
    assert model.conditional
    assert model.one_step
    assert small(Schema()).schema == code_schema(1, 10, 2)


@pytest.mark.parametrize("source", ["draw", "joint"])
def test_codes_are_uniform_and_independent(people: Schema, source: str) -> None:
    model = small(people, codes=2, values=4, continuous=2)
    codes = draw(model.schema, 10_000) if source == "draw" else own_joint(model, people).rows
    assert codes.schema == model.schema
    assert codes.complete
    for name in ("code1", "code2"):
        shares = torch.bincount(codes.values[name].long(), minlength=4) / len(codes)
        assert torch.equal(codes.values[name], codes.values[name].round())
        torch.testing.assert_close(shares, torch.full((4,), 0.25), rtol=0, atol=0.025)
    for name in ("code3", "code4"):
        assert codes.values[name].abs().max() <= 1
        shares = torch.histc(codes.values[name], 8, -1, 1) / len(codes)
        torch.testing.assert_close(shares, torch.full((8,), 0.125), rtol=0, atol=0.02)
    correlations = torch.corrcoef(torch.stack([codes.values[n] for n in model.schema.names])) - torch.eye(4)
    assert correlations.abs().max() < 0.05


def test_the_codes_joint_distribution_is_always_the_same_and_leaves_the_global_generator_alone(
    people: Schema,
) -> None:
    model = small(people)
    before = torch.random.get_rng_state()
    first, second = own_joint(model, people), own_joint(model, people)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.counts, second.counts)
    assert all(torch.equal(first.rows.values[n], second.rows.values[n]) for n in model.schema.names)
    assert first.counts.sum() == 10_000
    drawn = first.draw({}, Rng(range(50)))
    assert model.sample(drawn, Rng(range(50))).shape == (50, *VECTOR)


@either_player
@either_shape
def test_the_labels_of_the_data_have_no_influence_on_the_loss(
    people: Schema, player: str, shape: tuple[int, ...]
) -> None:
    model, x = small(people, shape).train(), torch.rand(6, *shape)
    conditions = [labels(people, 6, "red", 3), labels(people, 6, "blue", 70), Condition.free(people, 6)]
    losses = [seeded(model, x, condition, player)["loss"] for condition in conditions]
    assert losses[0] == losses[1] == losses[2]
    assert losses[0] != seeded(model, x, conditions[0], player, seed=6)["loss"]


@either_player
def test_every_step_draws_codes_of_its_own(people: Schema, player: str) -> None:
    model, seen = small(people, values=100).train(), []
    model.generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1].values["code1"]))
    for _ in range(2):
        model(torch.rand(20, *VECTOR), labels(people, 20, "red", 3), player)
    assert not torch.equal(seen[0], seen[1])
    assert len(seen[0].unique()) > 10


def test_what_is_judged_are_the_codes_that_were_asked_for(people: Schema) -> None:
    model, asked, judged = small(people).train(), [], []
    model.generator.register_forward_pre_hook(lambda module, inputs: asked.append(inputs[1]))
    head = model.critic.head
    critic, generator = head.critic, head.generator
    head.critic = lambda real, fake, c: judged.append(c) or critic(real, fake, c)  # type: ignore[method-assign]
    head.generator = lambda fake, c: judged.append(c) or generator(fake, c)  # type: ignore[method-assign]
    for player in ("critic", "generator"):
        model(torch.rand(6, *VECTOR), labels(people, 6, "red", 3), player)
    for a, j in zip(asked, judged, strict=True):
        assert all(torch.equal(a.values[n], j.values[n]) for n in model.schema.names)


@either_shape
def test_reading_finds_codes_in_range_whatever_is_seen(people: Schema, shape: tuple[int, ...]) -> None:
    model = small(people, shape, codes=2, values=3, continuous=2).eval()
    with torch.no_grad():
        layers = [m for m in model.posterior.outputs if isinstance(m, nn.Linear)]
        for layer in layers:
            layer.weight.mul_(30)
            layer.bias.zero_()
        read = model.read(3 * torch.randn(200, *shape))
    assert read.schema == model.schema
    assert read.complete
    for a in model.schema:
        codes = read.values[a.name]
        if isinstance(a, Continuous):
            assert codes.abs().max() <= 1
            assert codes.std() > 0
        else:
            assert set(codes.tolist()) <= {0, 1, 2}
            assert len(codes.unique()) > 1


def test_what_is_read_is_the_most_likely_code_of_the_posterior(people: Schema) -> None:
    model, x = small(people, values=5).eval(), torch.randn(50, *VECTOR)
    read = model.read(x)
    log_prob = []
    for code in range(5):
        asked = read.with_codes("code1", torch.full((50,), float(code)))
        h = model.critic.features(x, asked)
        log_prob.append(model.posterior.log_prob(h, asked)[:, 0])
    assert torch.equal(torch.stack(log_prob, 1).argmax(1).float(), read.values["code1"])


def test_real_observations_teach_the_classifier_nothing(people: Schema) -> None:
    head = small(people, info_weight=0.7).critic.head
    assert isinstance(head, Classifier)
    condition = draw(head.schema, 10)
    real, fake = torch.randn(10, 16, requires_grad=True), torch.randn(10, 16)
    loss = head.critic(real, fake, condition)["loss"]
    other = head.critic(torch.randn(10, 16), fake, condition)["loss"]
    assert loss == other
    loss.backward()
    assert real.grad is None or not real.grad.any()


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_both_players_raise_the_bound_of_the_mutual_information_with_its_weight(people: Schema, weight: float) -> None:
    head = small(people, info_weight=weight, continuous_weight=1.0).critic.head
    assert isinstance(head, Classifier)
    condition, fake = draw(head.schema, 10), torch.randn(10, 16)
    bound = head.posterior.log_prob(fake, condition).sum(1).mean()
    torch.testing.assert_close(head.critic(torch.randn(10, 16), fake, condition)["loss"], -weight * bound)
    torch.testing.assert_close(head.generator(fake, condition)["loss"], -weight * bound)


def test_the_weight_of_continuous_codes_reaches_the_classifier(people: Schema) -> None:
    head = small(people, continuous_weight=0.25).critic.head
    assert isinstance(head, Classifier)
    assert head.posterior.weights == [1, 0.25, 0.25]


@pytest.mark.parametrize("arguments", [{"codes": 1, "continuous": 0}, {"codes": 0, "continuous": 1}, {}], ids=str)
@either_shape
def test_any_number_of_codes_of_either_kind_trains_samples_and_reads(
    people: Schema, arguments: dict[str, int], shape: tuple[int, ...]
) -> None:
    model = small(people, shape, **arguments).train()
    for player, parameters in model.players().items():
        terms = model(torch.rand(4, *shape), Condition.free(people, 4), player)
        terms["loss"].backward(inputs=parameters)
        assert all(term.isfinite() for term in terms.values())
    x = model.sample(draw(model.schema, 4), Rng(range(4)))
    assert x.shape == (4, *shape)
    assert len(model.read(x)) == 4


def test_every_code_changes_what_is_generated(people: Schema) -> None:
    model, codes = small(people).eval(), draw(code_schema(1, 10, 2), 5)
    for a in model.schema:
        changed = -codes.values[a.name] if isinstance(a, Continuous) else (codes.values[a.name] + 1) % 10
        other = codes.with_codes(a.name, changed)
        assert not torch.allclose(model.sample(codes, Rng(range(5))), model.sample(other, Rng(range(5))), atol=1e-5)


def test_codes_enter_the_generators_first_layer_only(people: Schema) -> None:
    model = build("infogan", people, IMAGE, **SMALL | {"depth": 2}, mechanism="film")
    entrances = [name for name, _ in model.named_modules() if name.endswith("gamma_beta")]
    assert entrances == ["generator.backbone.stem.gamma_beta"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"codes": 0, "continuous": 0}, "no codes to discover; set codes or continuous to at least 1, or use gan"),
        ({"mechanism": "none"}, "its generator would not see the condition"),
        ({"codes": -1}, "codes=-1"),
        ({"values": 1}, "values=1"),
        ({"info_weight": -1.0}, "info_weight=-1.0"),
        ({"real_weight": 1.0}, "real_weight"),
        ({"codes": 0, "discover": 10}, "no code with named values"),
        ({"spectral": True, "discover": 10}, "leave out one of the two"),
    ],
)
def test_impossible_combinations_fail_in_a_sentence(people: Schema, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says) as failure:
        build("infogan", people, IMAGE, **arguments)
    assert str(failure.value).endswith((".", "?"))


def test_the_bound_of_a_sure_classifier_is_no_more_than_the_codes_entropy(people: Schema) -> None:
    model = small(people, codes=1, values=4, continuous=0)
    head, codes = model.critic.head, draw(model.schema, 4000)
    assert isinstance(head, Classifier)
    with torch.no_grad():
        head.posterior.outputs[0].weight.zero_()[:4, :4] = 50 * torch.eye(4)  # type: ignore[union-attr, operator]
        head.posterior.outputs[0].bias.zero_()  # type: ignore[union-attr, operator]
    h = torch.nn.functional.one_hot(codes.values["code1"].long(), 16).float()
    entropy = math.log(4)
    assert (entropy - head.posterior.loss(h, codes)).item() == pytest.approx(entropy, abs=1e-4)


def discovering(people: Schema, shape: tuple[int, ...] = IMAGE, **arguments: Any) -> InfoGAN:
    return small(people, shape, **{"discover": 12, "gallery": 16, "continuous": 0} | arguments).train()


def steps(model: InfoGAN, n: int, batch: int = 6) -> list[dict[str, Tensor]]:
    """The critic's terms of some steps on random observations, without updates."""
    return [model(torch.rand(batch, *model.shape), Condition.free(Schema(), batch), "critic") for _ in range(n)]


@either_player
def test_codes_are_judged_once_they_stand_for_something_and_not_before(people: Schema, player: str) -> None:
    model, judged = discovering(people), []
    hook = "critic" if player == "critic" else "generator"
    judge = getattr(model.critic.head, hook)
    setattr(model.critic.head, hook, lambda *a: judged.append(bool(a[-1].present.all())) or judge(*a))
    for images in (0, 6, 12, 18):
        model.images = images
        model(torch.rand(6, *IMAGE), Condition.free(people, 6), player)
    assert judged == [False, False, True, True]


@either_shape
def test_the_classifier_starts_from_groups_once(people: Schema, shape: tuple[int, ...]) -> None:
    model = discovering(people, shape, values=3)
    layer = model.posterior.outputs[0]
    assert isinstance(layer, nn.Linear)
    weights = [layer.weight.clone() for _ in range(5) if steps(model, 1)]
    changed = [not torch.equal(a, b) for a, b in pairwise(weights)]
    assert changed == [False, True, False, False]
    assert not layer.bias.any()


def test_the_code_of_the_groups_is_read_from_real_observations(people: Schema) -> None:
    """Three kinds of images, each with some noise: each kind gets a code of its own."""
    model = discovering(people, values=3, discover=60, gallery=60)
    kinds = torch.arange(60) % 3
    x = torch.rand(3, *IMAGE)[kinds] + 0.02 * torch.rand(60, *IMAGE)
    for part in (x, x[:6]):
        model(part, Condition.free(people, len(part)), "critic")
    read = model.eval().read(x).values["code1"]
    assert len({(k, c) for k, c in zip(kinds.tolist(), read.tolist(), strict=True)}) == len(read.unique()) == 3


@pytest.mark.parametrize(("weight", "images"), [("contrast", 0), ("contrast", 50), ("invariance", 50)])
def test_the_terms_of_discovery_enter_with_their_weights(people: Schema, weight: str, images: int) -> None:
    x, losses = torch.rand(6, *IMAGE), []
    model = discovering(people)
    for value in (0.0, 1.0, 3.0):
        assert model.discovery
        setattr(model.discovery, weight, value)
        model.discovery.gallery.rows = torch.empty(0, 0)
        model.images = images
        losses.append(seeded(model, x, Condition.free(people, 6), "critic"))
    term = -losses[0]["shared"] if weight == "invariance" else losses[0]["contrast"]
    assert term.abs() > 1e-6
    for value, terms in zip((1.0, 3.0), losses[1:], strict=True):
        torch.testing.assert_close(terms["loss"] - losses[0]["loss"], value * term, atol=1e-5, rtol=1e-4)


def test_observations_and_their_neighbours_are_augmented(people: Schema) -> None:
    model, augmented, x = discovering(people), [], torch.rand(6, *IMAGE)
    steps(model, 2)
    assert model.discovery
    neighbours = model.discovery.gallery.neighbours(x)
    model.augment.register_forward_pre_hook(lambda module, inputs: augmented.append(inputs[0]))
    model(x, Condition.free(people, 6), "critic")
    assert not torch.equal(x, neighbours)
    assert any(torch.equal(a, torch.cat([x, neighbours])) for a in augmented)


def test_without_classes_nothing_is_asked_of_the_code_that_is_read(people: Schema) -> None:
    model = discovering(people)
    steps(model, 1)[0]["loss"].backward(inputs=model.players()["critic"])
    assert all(p.grad is None or not p.grad.any() for p in model.posterior.parameters())
    steps(model, 3)[-1]["loss"].backward(inputs=model.players()["critic"])
    assert all(p.grad.any() for p in model.posterior.parameters())  # type: ignore[union-attr]


def test_validation_leaves_no_traces_and_asks_for_codes(people: Schema) -> None:
    model = discovering(people).eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    terms = steps(model, 3)[-1]
    assert set(terms) == {"loss", "wins", "accuracy_fake"}
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_checkpoint_holds_what_neighbours_come_from(people: Schema) -> None:
    model, resumed = discovering(people), discovering(people)
    steps(model, 2)
    resumed.load_state_dict(model.state_dict())
    x = torch.rand(6, *IMAGE)
    one, other = (seeded(m, x, Condition.free(people, 6), "critic") for m in (model, resumed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_without_discovery_nothing_is_kept(people: Schema) -> None:
    model = small(people).train()
    assert model.discovery is None
    assert set(steps(model, 1)[0]) == {"loss", "wins", "accuracy_fake"}
