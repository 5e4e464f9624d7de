import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical as CategoricalDistribution
from torch.distributions import Normal
from torch.nn.functional import cross_entropy, softplus

from condgen.models.gan.heads import (
    FAKE,
    Classifier,
    Contrastive,
    Discriminative,
    Head,
    LabelMatching,
    LabelPosterior,
    PlainHead,
    Projection,
    TwinClassifier,
)
from condgen.schema import Attribute, Categorical, Condition, Continuous, Flag, Schema
from condgen.schema.density import LOG_VARIANCE, REAL

FEATURES, N = 6, 40


class Matching(Projection):
    """A projection head that tells labels apart."""

    def __init__(self, schema: Schema, features: int):
        super().__init__(schema, features, label_weight=1.0)


HEADS: list[type[Head]] = [PlainHead, Classifier, TwinClassifier, Discriminative, Contrastive, Projection, Matching]
CLASSIFYING: list[type[Head]] = [Classifier, TwinClassifier, Discriminative]
every_head = pytest.mark.parametrize("head", HEADS, ids=lambda h: h.__name__)
judging = pytest.mark.parametrize("head", HEADS[1:], ids=lambda h: h.__name__)
every_classifier = pytest.mark.parametrize("head", CLASSIFYING, ids=lambda h: h.__name__)
either_count_of_origins = pytest.mark.parametrize("origins", [1, 2])

COLORS = tuple(f"v{i}" for i in range(4))
TWO = Schema(attributes=(Categorical(name="a", values=COLORS), Categorical(name="b", values=COLORS)))


def requests(schema: Schema, n: int = N, free: float = 0.0) -> Condition:
    """n random conditions, each attribute left free with a chance; the codes of what is free are garbage."""
    values = {
        a.name: torch.rand(n) * (a.high - a.low) + a.low
        if isinstance(a, Continuous)
        else torch.randint(len(a.choices), (n,)).float()
        for a in schema
    }
    present = torch.rand(n, len(schema)) >= free
    garbage = {name: codes.where(present[:, k], math.nan) for k, (name, codes) in enumerate(values.items())}
    return Condition(schema, garbage, present)


def features(n: int = N) -> Tensor:
    return torch.randn(n, FEATURES)


def bounded(log_variance: Tensor) -> Tensor:
    low, high = LOG_VARIANCE
    return low + softplus(log_variance - low) - softplus(log_variance - high)


def reference(posterior: LabelPosterior, h: Tensor, condition: Condition, origin: int) -> Tensor:
    """log q(c_a, origin|x), told by torch.distributions and the raw outputs of each attribute's layer."""
    columns = []
    for a, layer in zip(posterior.schema, posterior.outputs, strict=True):
        raw, given = layer(h).view(len(h), posterior.origins, -1), condition.given(a.name)
        codes = condition.values[a.name].where(given, 0)
        if isinstance(a, Continuous):
            scaled = 2 * (codes - a.low) / (a.high - a.low) - 1
            mean, log_variance = raw[:, origin, 0], raw[:, origin, 1]
            log_q = Normal(mean, bounded(log_variance).exp().sqrt()).log_prob(scaled)
            if posterior.origins > 1:
                log_q = log_q + CategoricalDistribution(logits=raw[:, :, 2]).log_prob(torch.tensor(origin))
        else:
            pairs = CategoricalDistribution(logits=torch.cat([raw[:, o] for o in range(posterior.origins)], dim=1))
            log_q = pairs.log_prob(codes + origin * len(a.choices))
        columns.append(log_q.where(given, 0))
    return torch.stack(columns, dim=1)


@either_count_of_origins
@pytest.mark.parametrize("free", [0.0, 0.4, 1.0])
def test_log_prob_is_that_of_the_named_distributions_and_zero_where_free(
    people: Schema, origins: int, free: float
) -> None:
    posterior, h, condition = LabelPosterior(people, FEATURES, origins), features(), requests(people, free=free)
    for origin in range(origins):
        found = posterior.log_prob(h, condition, origin)
        torch.testing.assert_close(found, reference(posterior, h, condition, origin))
        assert (found == 0)[~condition.present].all()
        torch.testing.assert_close(posterior.loss(h, condition, origin), -found.sum(1).mean())


@pytest.mark.parametrize(
    "attribute",
    [
        Categorical(name="a", values=COLORS),
        Flag(name="a"),
        Continuous(name="a", low=-3, high=5),
    ],
    ids=lambda a: a.kind,
)
@either_count_of_origins
def test_the_probabilities_of_all_values_and_origins_add_up_to_one(attribute: Attribute, origins: int) -> None:
    schema = Schema(attributes=(attribute,))
    posterior, h = LabelPosterior(schema, FEATURES, origins), features(1)
    if isinstance(attribute, Continuous):
        codes = torch.linspace(-80, 80, 20_001)
        measure = (codes[1] - codes[0]) * 2 / (attribute.high - attribute.low)
    else:
        codes, measure = torch.arange(len(attribute.choices)).float(), torch.tensor(1.0)
    condition = Condition(schema, {"a": codes}, torch.ones(len(codes), 1, dtype=torch.bool))
    total = sum(posterior.log_prob(h.expand(len(codes), -1), condition, o).exp().sum() for o in range(origins))
    torch.testing.assert_close(total * measure, torch.tensor(1.0), rtol=1e-3, atol=1e-3)


@either_count_of_origins
def test_log_prob_is_computed_in_full_precision_from_mixed(people: Schema, origins: int) -> None:
    posterior, condition = LabelPosterior(people, FEATURES, origins), requests(people, free=0.3)
    with torch.autocast("cpu", torch.bfloat16):
        found, read = posterior.log_prob(features(), condition), posterior.read(features())
    assert found.dtype == torch.float32
    assert {codes.dtype for codes in read.values.values()} == {torch.float32}
    found.sum().backward()


@pytest.mark.parametrize("huge", [1e4, -1e4])
def test_a_runaway_variance_stays_finite(huge: float) -> None:
    # guards against an unbounded log-variance
    schema = Schema(attributes=(Continuous(name="age", low=0, high=80),))
    posterior, condition = LabelPosterior(schema, FEATURES), requests(schema)
    with torch.no_grad():
        posterior.outputs[0].bias[1] = huge  # type: ignore[union-attr, index]
    loss = posterior.loss(features(), condition)
    loss.backward()
    assert abs(loss.item()) < 1e3
    assert all(p.grad is not None and p.grad.isfinite().all() for p in posterior.parameters())


def show(posterior: LabelPosterior, name: str, sharpness: float = 40.0) -> None:
    """Makes it read attribute `name` from the first features, the origin from the last, and nothing else."""
    with torch.no_grad():
        for p in posterior.parameters():
            p.zero_()
        layer = posterior.outputs[posterior.schema.position(name)]
        width = layer.weight.shape[0] // posterior.origins  # type: ignore[union-attr, operator, index]
        for origin in range(posterior.origins):
            block = layer.weight[origin * width : (origin + 1) * width]  # type: ignore[index]
            block[:, :width] = sharpness * torch.eye(width)
            block[:, -1] = sharpness * (1 if origin == REAL else -1) * (posterior.origins > 1)


def shown(condition: Condition, name: str, origin: int) -> Tensor:
    """Features from which the attribute `name` and the origin can be read, and nothing else."""
    one_hot = condition.schema[name].encode(condition.values[name])
    last = torch.full((len(condition), 1), 1.0 if origin == REAL else -1.0)
    return torch.cat([one_hot, torch.zeros(len(condition), FEATURES - 1 - one_hot.shape[1]), last], dim=1)


def reading_a(head: type[Head]) -> Head:
    """The head for the schema TWO that judges attribute a by what the features show, and b not at all."""
    made = head(TWO, FEATURES)
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, LabelPosterior):
                show(module, "a")
        for embed in [m.embed for m in made.modules() if isinstance(m, Projection | LabelMatching)]:
            nn.init.zeros_(embed[1].weight)
            nn.init.zeros_(embed[0].weight)[:4, :4] = torch.eye(4)
        if isinstance(made, Contrastive):
            made.embed.bias.zero_()
            made.embed.weight.zero_()[:FEATURES, :] = torch.eye(FEATURES)
            nn.init.zeros_(made.proxies[0].weight)[:4, :4] = torch.eye(4)
    return made


def swapped(condition: Condition) -> Condition:
    return Condition(TWO, {"a": condition.values["b"], "b": condition.values["a"]}, condition.present)


@every_classifier
@pytest.mark.parametrize("values", [2, 4])
def test_no_softmax_is_applied_twice_so_a_confidently_right_head_loses_nothing(head: type[Head], values: int) -> None:
    # with two softmaxes the cross-entropy never falls below log(1 + (k − 1)/e)
    schema = Schema(attributes=(Categorical(name="a", values=COLORS[:values]),))
    made, condition = head(schema, FEATURES), requests(schema)
    for module in made.modules():
        if isinstance(module, LabelPosterior):
            show(module, "a")
    real, fake = shown(condition, "a", REAL), shown(condition, "a", FAKE)
    terms = made.critic(real, fake, condition)
    assert terms["loss"] < 1e-4
    assert terms["accuracy_real"] == 1
    if head is Classifier:
        assert made.generator(fake, condition)["loss"] < 1e-4
    if head is Discriminative:  # certain that it is generated, it is certain that it is not real
        assert made.generator(fake, condition)["loss"] > 70


@pytest.mark.parametrize(("origins", "origin"), [(1, REAL), (2, REAL), (2, FAKE)])
def test_no_softmax_is_applied_twice_so_confidence_in_a_wrong_label_costs_its_whole_logit(
    origins: int, origin: int
) -> None:
    # with two softmaxes no cross-entropy exceeds log k + 1
    schema = Schema(attributes=(Flag(name="a"),))
    posterior, condition = LabelPosterior(schema, FEATURES, origins), Condition.of(schema, [{"a": 1}] * 3)
    show(posterior, "a")
    h = torch.zeros(3, FEATURES)
    h[:, 0] = 1  # it is 0, says the first feature
    h[:, -1] = 1 if origin == REAL else -1
    torch.testing.assert_close(posterior.loss(h, condition, origin), torch.tensor(40.0))


def blind_to_what_is_generated(head: Head) -> Head:
    """The head whose opinion of generated observations says nothing of labels, so that the generator's term does."""
    with torch.no_grad():
        if isinstance(head, TwinClassifier):
            for p in head.twin.parameters():
                p.zero_()
        if isinstance(head, Discriminative):
            head.posterior.outputs[0].weight[len(COLORS) :, :-1] = 0  # type: ignore[union-attr, index, operator]
    return head


@judging
def test_the_critic_judges_each_attribute_by_its_own_codes(head: type[Head]) -> None:
    # guards against offsets that read every attribute from the column of the first
    made, condition = reading_a(head), requests(TWO, 200)
    real, fake = shown(condition, "a", REAL), shown(condition, "a", FAKE)

    def badness(c: Condition) -> Tensor:
        return made.critic(real, fake, c).get("loss", 0.0) - made.score(real, c).mean()

    assert badness(swapped(condition)) > badness(condition) + 0.1
    if head is not Contrastive:  # b's labels repel each other though b is not to be seen
        torch.testing.assert_close(badness(condition.with_codes("b", torch.zeros(200))), badness(condition))


@judging
def test_the_generator_is_told_each_attribute_by_its_own_codes(head: type[Head]) -> None:
    made, condition = blind_to_what_is_generated(reading_a(head)), requests(TWO, 200)
    fake = shown(condition, "a", FAKE)

    def badness(c: Condition) -> Tensor:
        return made.generator(fake, c).get("loss", 0.0) - made.score(fake, c).mean()

    assert badness(swapped(condition)) > badness(condition) + 0.1
    if head is not Contrastive:
        torch.testing.assert_close(badness(condition.with_codes("b", torch.zeros(200))), badness(condition))


@either_count_of_origins
def test_each_attribute_is_read_under_its_own_name(origins: int) -> None:
    posterior, condition = LabelPosterior(TWO, FEATURES, origins), requests(TWO)
    for name in ("a", "b"):
        show(posterior, name)
        for origin in (REAL, FAKE):
            read = posterior.read(shown(condition, name, origin))
            assert torch.equal(read.values[name], condition.values[name])


def test_reading_takes_the_most_likely_value_over_both_origins() -> None:
    schema = Schema(attributes=(Categorical(name="a", values=("x", "y", "z")),))
    posterior = LabelPosterior(schema, FEATURES, origins=2)
    nn.init.zeros_(posterior.outputs[0].weight)  # type: ignore[union-attr, arg-type]
    with torch.no_grad():
        likely = torch.tensor([[0.3, 0.24, 0.02], [0.05, 0.24, 0.15]])
        posterior.outputs[0].bias.copy_(likely.log().flatten())  # type: ignore[union-attr, operator]
    assert posterior.read(features(2)).values["a"].tolist() == [1, 1]


@either_count_of_origins
def test_what_is_read_is_complete_in_range_and_of_the_schema(people: Schema, origins: int) -> None:
    posterior = LabelPosterior(people, FEATURES, origins)
    read = posterior.read(10 * features(300))
    assert read.schema == people
    assert read.complete
    assert set(read.values["color"].tolist()) == {0, 1, 2}
    assert set(read.values["Eyeglasses"].tolist()) == {0, 1}
    age = read.values["age"]
    assert age.min() == 0
    assert age.max() == 80


def test_a_continuous_attribute_is_read_as_its_mean() -> None:
    schema = Schema(attributes=(Continuous(name="age", low=20, high=80),))
    posterior = LabelPosterior(schema, FEATURES)
    with torch.no_grad():
        posterior.outputs[0].weight.zero_()[0, 0] = 1  # type: ignore[union-attr, operator]
        posterior.outputs[0].bias.copy_(torch.tensor([0.0, -3.0]))  # type: ignore[union-attr, operator]
    h = torch.zeros(5, FEATURES)
    h[:, 0] = torch.tensor([-2, -1, 0, 0.5, 2])
    assert posterior.read(h).values["age"].tolist() == [20, 20, 50, 65, 80]


def test_of_two_origins_a_continuous_attribute_is_read_as_its_mean_for_real_observations() -> None:
    schema = Schema(attributes=(Continuous(name="age", low=20, high=80),))
    posterior = LabelPosterior(schema, FEATURES, origins=2)
    with torch.no_grad():
        posterior.outputs[0].weight.zero_()  # type: ignore[union-attr, operator]
        posterior.outputs[0].bias.copy_(torch.tensor([0.5, 0, 0, -0.5, 0, 9]))  # type: ignore[union-attr, operator]
    assert posterior.read(features(2)).values["age"].tolist() == [65, 65]


def test_accuracy_counts_discrete_attributes_where_they_are_given() -> None:
    posterior = LabelPosterior(TWO, FEATURES)
    show(posterior, "a")  # and of b it says 0
    rows: list[dict[str, Any]] = [{"a": "v1", "b": "v0"}, {"a": "v2", "b": "v3"}, {"a": "v3"}, {"b": "v2"}, {}]
    condition = Condition.of(TWO, rows)
    h, zeros = shown(condition, "a", REAL), torch.zeros(5)
    expected = {"some": 4 / 6, "zeros": 3 / 8, "none": 0}
    found = {
        **posterior.accuracy(h, condition, "some"),
        **posterior.accuracy(h, condition.with_codes("a", zeros), "zeros"),
        **posterior.accuracy(h[4:], condition[4:], "none"),
    }
    assert found == pytest.approx({f"accuracy_{of}": share for of, share in expected.items()})


def test_accuracy_without_a_discrete_attribute_is_not_reported() -> None:
    schema = Schema(attributes=(Continuous(name="age", low=0, high=1),))
    assert LabelPosterior(schema, FEATURES).accuracy(features(), requests(schema), "real") == {}
    for head in CLASSIFYING:
        assert head(schema, FEATURES).critic(features(), features(), requests(schema)).keys() == {"loss"}


@every_head
def test_the_score_is_linear_in_the_features_and_projection_adds_to_it(people: Schema, head: type[Head]) -> None:
    made, h, condition = head(people, FEATURES), features(), requests(people, free=0.3)
    linear = h @ made.real.weight[0]
    assert torch.allclose(made.score(h, condition), linear) == (not issubclass(head, Projection))
    assert torch.allclose(made.score(h, Condition.free(people, N)), linear)
    assert made.real.bias is None


@every_head
def test_only_the_plain_head_needs_the_condition_in_the_trunk(people: Schema, head: type[Head]) -> None:
    made = head(people, FEATURES)
    assert made.asks_trunk == (head is PlainHead)
    if head in (PlainHead, Projection):
        assert made.critic(features(), features(), requests(people)) == {}
        assert made.generator(features(), requests(people)) == {}


def nats(posterior: LabelPosterior, h: Tensor, condition: Condition, origin: int = REAL) -> Tensor:
    return -reference(posterior, h, condition, origin).sum(1).mean()


def test_the_classifier_of_categories_has_the_ordinary_cross_entropy() -> None:
    head, real, fake, condition = Classifier(TWO, FEATURES), features(), features(), requests(TWO)
    expected = sum(
        cross_entropy(layer(h), condition.values[name].long())
        for h in (real, fake)
        for name, layer in zip(TWO.names, head.posterior.outputs, strict=True)
    )
    torch.testing.assert_close(head.critic(real, fake, condition)["loss"], expected)


WEIGHTS = [*product((0.0, 1.0), repeat=3), (0.3, 2.0, 0.7)]


@pytest.mark.parametrize(("real_weight", "fake_weight", "generator_weight"), WEIGHTS)
def test_each_of_the_classifiers_three_terms_has_its_weight(
    people: Schema, real_weight: float, fake_weight: float, generator_weight: float
) -> None:
    head = Classifier(
        people,
        FEATURES,
        real_weight=real_weight,
        fake_weight=fake_weight,
        generator_weight=generator_weight,
    )
    real, fake, condition = features(), features(), requests(people, free=0.2)
    on_real, on_fake = nats(head.posterior, real, condition), nats(head.posterior, fake, condition)
    critic, generator = head.critic(real, fake, condition), head.generator(fake, condition)
    torch.testing.assert_close(critic["loss"], real_weight * on_real + fake_weight * on_fake)
    torch.testing.assert_close(generator["loss"], generator_weight * on_fake)


@pytest.mark.parametrize(("real_weight", "fake_weight", "generator_weight"), WEIGHTS)
def test_a_term_of_weight_zero_has_no_gradient(
    people: Schema, real_weight: float, fake_weight: float, generator_weight: float
) -> None:
    head = Classifier(
        people,
        FEATURES,
        real_weight=real_weight,
        fake_weight=fake_weight,
        generator_weight=generator_weight,
    )
    condition = requests(people)
    real, fake, made = (features().requires_grad_() for _ in range(3))
    (head.critic(real, fake, condition)["loss"] + head.generator(made, condition)["loss"] + 0 * real.sum()).backward()
    reached = [h.grad is not None and bool(h.grad.any()) for h in (real, fake, made)]
    assert reached == [bool(w) for w in (real_weight, fake_weight, generator_weight)]


def test_the_published_acgan_is_the_default(people: Schema) -> None:
    head = Classifier(people, FEATURES)
    assert (head.real_weight, head.fake_weight, head.generator_weight) == (1, 1, 1)
    assert head.posterior.weights == [1, 1, 1]


@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0])
def test_continuous_attributes_have_a_weight_of_their_own_within_each_term(people: Schema, weight: float) -> None:
    head = Classifier(people, FEATURES, fake_weight=0.5, generator_weight=0.7, continuous_weight=weight)
    real, fake, condition = features(), features(), requests(people, free=0.2)
    on_real, on_fake = (
        -(reference(head.posterior, h, condition, REAL) * torch.tensor([1, 1, weight])).sum(1).mean()
        for h in (real, fake)
    )
    torch.testing.assert_close(head.critic(real, fake, condition)["loss"], on_real + 0.5 * on_fake)
    torch.testing.assert_close(head.generator(fake, condition)["loss"], 0.7 * on_fake)


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("free", [0.0, 0.4])
def test_the_twin_learns_from_generated_observations_and_takes_their_reward_away(
    people: Schema, weight: float, free: float
) -> None:
    head = TwinClassifier(people, FEATURES, head_weight=weight)
    real, fake, condition = features(), features(), requests(people, free=free)
    critic, generator = head.critic(real, fake, condition), head.generator(fake, condition)
    q, twin = head.posterior, head.twin
    torch.testing.assert_close(critic["loss"], weight * (nats(q, real, condition) + nats(twin, fake, condition)))
    torch.testing.assert_close(generator["loss"], weight * (nats(q, fake, condition) - nats(twin, fake, condition)))


def test_the_twins_share_no_parameters() -> None:
    head = TwinClassifier(TWO, FEATURES)
    assert not {id(p) for p in head.posterior.parameters()} & {id(p) for p in head.twin.parameters()}


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("free", [0.0, 0.4])
def test_the_discriminative_classifier_tells_label_and_origin_together(
    people: Schema, weight: float, free: float
) -> None:
    head = Discriminative(people, FEATURES, head_weight=weight)
    real, fake, condition = features(), features(), requests(people, free=free)
    critic, generator = head.critic(real, fake, condition), head.generator(fake, condition)
    q = head.posterior
    torch.testing.assert_close(
        critic["loss"], weight * (nats(q, real, condition, REAL) + nats(q, fake, condition, FAKE))
    )
    torch.testing.assert_close(
        generator["loss"], weight * (nats(q, fake, condition, REAL) - nats(q, fake, condition, FAKE))
    )


@every_classifier
def test_accuracies_are_those_of_the_classifier_on_each_origin(head: type[Head]) -> None:
    made, condition = reading_a(head), requests(TWO, 60)
    right, wrong = shown(condition, "a", REAL), shown(swapped(condition), "a", REAL)
    first, second = made.critic(right, wrong, condition), made.critic(wrong, right, condition)
    assert first["accuracy_real"] > second["accuracy_real"] + 0.2
    if head is Classifier:
        assert first["accuracy_real"] == second["accuracy_fake"]
        assert second["accuracy_real"] == first["accuracy_fake"]


@pytest.mark.parametrize("free", [0.0, 0.4, 1.0])
def test_projection_adds_the_inner_products_of_all_given_attributes(people: Schema, free: float) -> None:
    head, h, condition = Projection(people, FEATURES), features(), requests(people, free=free)
    e = head.embed(condition)
    scores = []
    for i in range(N):
        products = [
            sum(e[i, k, w] * h[i, w] for w in range(FEATURES)) for k in range(len(people)) if condition.present[i, k]
        ]
        scores.append(h[i] @ head.real.weight[0] + sum(products) / math.sqrt(FEATURES * len(people)))
    torch.testing.assert_close(head.score(h, condition), torch.stack(scores))


def label(a: Attribute, codes: Tensor, i: int, j: int, apart: float) -> bool:
    """Whether observations i and j have different labels."""
    gap = abs(float(codes[i]) - float(codes[j]))
    return gap > apart * (a.high - a.low) if isinstance(a, Continuous) else gap > 0


def cross_entropy_by_loops(head: Contrastive, h: Tensor, condition: Condition) -> float:
    embedded, proxies = head.embed(h).detach(), head.proxies(condition).detach()
    total, m_p, m_n, tau = 0.0, head.margin, 1 - head.margin, head.temperature
    for k, a in enumerate(head.schema):
        f = [v[k * head.width : (k + 1) * head.width] for v in embedded]
        f = [v / v.norm() for v in f]
        given = [i for i in range(len(h)) if condition.present[i, k]]
        losses = []
        for i in given:
            v = proxies[i, k] / proxies[i, k].norm()
            pulled = math.exp(min(float(f[i] @ v) - m_p, 0) / tau)
            others = [j for j in given if label(a, condition.values[a.name], i, j, head.apart)]
            pushed = sum(math.exp(max(float(f[i] @ f[j]) - m_n, 0) / tau) for j in others)
            losses.append(-math.log(pulled / (pulled + pushed)))
        total += sum(losses) / max(len(losses), 1)
    return total


CONTRASTIVE: list[dict[str, Any]] = [
    {},
    {"head_weight": 0.3},
    {"temperature": 0.1, "margin": 0.6},
    {"apart": 0.5, "width": 7},
]


@pytest.mark.parametrize("arguments", CONTRASTIVE, ids=str)
@pytest.mark.parametrize("free", [0.0, 0.4, 1.0])
def test_the_data_to_data_cross_entropy_is_the_one_of_explicit_loops(
    people: Schema, arguments: dict[str, Any], free: float
) -> None:
    head, condition = Contrastive(people, FEATURES, **arguments), requests(people, 20, free)
    real, fake = features(20), features(20)
    expected = head.head_weight * torch.tensor([cross_entropy_by_loops(head, h, condition) for h in (real, fake)])
    found = torch.stack([head.critic(real, fake, condition)["loss"], head.generator(fake, condition)["loss"]])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_numbers_on_a_log_scale_differ_by_their_places_on_it() -> None:
    schema = Schema(attributes=(Continuous(name="price", low=1, high=1e6, scale="log"),))
    head = Contrastive(schema, FEATURES)
    prices = Condition.of(schema, [{"price": 1}, {"price": 2}, {"price": 1e3}])
    assert head._differ(prices)[:, :, 0].tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_what_is_beyond_both_margins_weighs_no_more() -> None:
    schema = Schema(attributes=(Flag(name="a"),))
    head, condition = (
        Contrastive(schema, FEATURES, width=FEATURES, margin=0.7),
        Condition.of(schema, [{"a": 0}, {"a": 1}]),
    )
    with torch.no_grad():
        head.embed.bias.zero_()
        head.embed.weight.copy_(torch.eye(FEATURES))
        head.proxies[0].weight.zero_()[0, 0] = 1  # the proxies of no and yes are opposite
    h = torch.zeros(2, FEATURES)
    h[:, 0], h[:, 1] = torch.tensor([-2.0, 2.0]), 0.3
    h.requires_grad_()
    loss = head.cross_entropy(h, condition)
    loss.backward()
    torch.testing.assert_close(loss, torch.tensor(2.0).log())
    assert h.grad is not None
    assert not h.grad.any()


@pytest.mark.parametrize("free", [0.0, 0.5, 1.0])
def test_a_batch_of_one_label_has_nothing_to_be_told_from_and_finite_gradients(people: Schema, free: float) -> None:
    head, n = Contrastive(people, FEATURES), 12
    condition = Condition.of(people, [{"color": "red", "glasses": "yes", "age": 30}] * n)
    h = features(n).requires_grad_()
    loss = head.cross_entropy(h, condition.drop(torch.rand(n, len(people)) < free))
    loss.backward()
    assert loss == 0
    for gradient in (h.grad, *(p.grad for p in head.embed.parameters()), *(p.grad for p in head.proxies.parameters())):
        assert gradient is not None
        assert gradient.isfinite().all()


def test_contrastive_gradients_are_finite_with_some_attributes_free(people: Schema) -> None:
    head, h = Contrastive(people, FEATURES), features().requires_grad_()
    head.cross_entropy(h, requests(people, free=0.5)).backward()
    assert h.grad is not None
    assert h.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())


def one_matching(head: Projection, h: Tensor, condition: Condition) -> Tensor:
    """Label matching observation by observation and value by value."""
    assert head.matching
    total = torch.zeros(())
    embedded = head.matching.embed(condition) * (len(condition.schema) * FEATURES) ** -0.5
    for k, name in enumerate(condition.schema.names):
        given = condition.given(name).nonzero()[:, 0].tolist()
        terms = []
        for i in given:
            fits = torch.stack([embedded[j, k] @ h[i] for j in given])
            terms.append(fits.exp().mean().log() - embedded[i, k] @ h[i])
        total = total + (torch.stack(terms).mean() if terms else 0)
    return total / len(condition.schema)


@pytest.mark.parametrize("free", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("weight", [0.3, 2.0])
def test_label_matching_tells_an_observations_values_from_those_of_the_batch(
    people: Schema, free: float, weight: float
) -> None:
    head, condition = Projection(people, FEATURES, label_weight=weight), requests(people, 20, free=free)
    real, fake = (features(20).requires_grad_() for _ in range(2))
    terms = head.critic(real, fake, condition)
    torch.testing.assert_close(terms["loss"], weight * one_matching(head, real, condition))
    (terms["loss"] + 0 * fake.sum()).backward()
    assert not fake.grad.any()  # type: ignore[union-attr]
    assert real.grad.isfinite().all()  # type: ignore[union-attr]
    assert bool(real.grad.any()) == (free < 1)  # type: ignore[union-attr]
    assert head.generator(fake, condition) == {}


def test_label_matching_learns_the_pointwise_mutual_information() -> None:
    # of observations of one sort two are yes and two no, of those of another one is yes and eleven no
    sorts, labels = torch.tensor([0] * 4 + [1] * 12), [1, 1, 0, 0, 1] + [0] * 11
    schema = Schema(attributes=(Flag(name="a"),))
    matching, condition = LabelMatching(schema, 2), Condition.of(schema, [{"a": a} for a in labels])
    h = nn.functional.one_hot(sorts, 2).float()
    optimiser = torch.optim.LBFGS(matching.parameters(), line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        found = matching(h, condition)
        found.backward()
        return found

    for _ in range(10):
        optimiser.step(loss)
    yes, no = (
        matching.scale * matching.embed(Condition.of(schema, [{"a": a}]))[0, 0] for a in (1, 0)
    )  # ⟨e, h⟩ per sort
    of_all = math.log(3 / 13)
    torch.testing.assert_close(yes - no, torch.tensor([0 - of_all, math.log(1 / 11) - of_all]), rtol=0, atol=1e-3)


def test_the_score_does_not_see_what_tells_labels_apart(people: Schema) -> None:
    head, h, condition = Projection(people, FEATURES, label_weight=1.0), features(), requests(people)
    before = head.score(h, condition)
    with torch.no_grad():
        for each in head.matching.parameters():  # type: ignore[union-attr]
            each.add_(1.0)
    torch.testing.assert_close(head.score(h, condition), before, rtol=0, atol=0)
    assert Projection(people, FEATURES).matching is None


@every_head
@pytest.mark.parametrize("code", [-1.0, 99.0, math.nan, math.inf])
def test_the_code_of_a_free_attribute_means_nothing(people: Schema, head: type[Head], code: float) -> None:
    made, real, fake = head(people, FEATURES), features(), features()
    condition = requests(people)
    condition = condition.drop(torch.rand(condition.present.shape) < 0.5)
    strange = Condition(
        people, {n: v.where(condition.given(n), code) for n, v in condition.values.items()}, condition.present
    )
    for of in (
        lambda c: made.score(real, c).sum(),
        lambda c: made.critic(real, fake, c).get("loss", real.sum()),
        lambda c: made.generator(fake, c).get("loss", real.sum()),
    ):
        torch.testing.assert_close(of(strange), of(condition))


@every_classifier
def test_a_batch_that_leaves_everything_free_is_not_judged(people: Schema, head: type[Head]) -> None:
    made, free = head(people, FEATURES), Condition.free(people, N)
    assert made.critic(features(), features(), free)["loss"] == 0
    assert made.generator(features(), free)["loss"] == 0
