import math
from collections.abc import Callable

import pytest
import torch

from condgen.conditioning import AttributeEmbedding, EmbeddingEncoder, EmptyEncoder, PlainEncoder, TimeEncoder
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema


def full(schema: Schema, n: int) -> Condition:
    """n complete conditions with every attribute drawn uniformly."""
    u = torch.rand(n, len(schema), generator=torch.Generator().manual_seed(0))
    values = {}
    for k, a in enumerate(schema):
        if isinstance(a, Continuous):
            values[a.name] = a.low + u[:, k] * (a.high - a.low)
        else:
            values[a.name] = (u[:, k] * len(a.choices)).floor()
    return Condition(schema, values, torch.ones(n, len(schema), dtype=torch.bool))


def flags(n: int) -> Schema:
    return Schema(attributes=tuple(Flag(name=f"flag {i}") for i in range(n)))


def test_plain_encoding_is_one_hot_then_sign_then_scaled_number(people: Schema) -> None:
    rows = [
        {"color": "red", "glasses": "yes", "age": 80},
        {"color": "blue", "glasses": "no", "age": 0},
        {"color": "green", "glasses": "no", "age": 50},
    ]
    vector = PlainEncoder(people)(Condition.of(people, rows)).vector
    a, b = math.sqrt(3), math.sqrt(3)  # the scale of three categories, and that of a uniform number in [−1, 1]
    expected = [[a, 0, 0, 1, b], [0, 0, a, -1, -b], [0, a, 0, -1, b / 4]]
    torch.testing.assert_close(vector, torch.tensor(expected))


@pytest.mark.parametrize(
    "attribute",
    [
        Categorical(name="few", values=("a", "b")),
        Categorical(name="many", values=tuple("abcdefghijklmnopqrst")),
        Flag(name="flag"),
        Continuous(name="number", low=-3, high=40),
    ],
    ids=lambda a: a.name,
)
def test_plain_encoding_has_a_mean_square_of_one_per_number(attribute: Flag) -> None:
    schema = Schema(attributes=(attribute,))
    vector = PlainEncoder(schema)(full(schema, 4000)).vector
    assert vector.square().mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("free", [0, 1, 2])
def test_plain_encoding_refuses_free_attributes(people: Schema, free: int) -> None:
    condition = full(people, 4)
    mask = torch.zeros(4, 3, dtype=torch.bool)
    mask[2, free] = True
    with pytest.raises(ValueError, match="cannot leave attributes free"):
        PlainEncoder(people)(condition.drop(mask))


@pytest.mark.parametrize("encoder", [PlainEncoder, EmbeddingEncoder])
def test_a_schema_without_attributes_is_refused_in_a_sentence(encoder: type) -> None:
    with pytest.raises(ValueError, match="nothing to condition on"):
        encoder(Schema())


def test_the_empty_encoder_takes_anything_and_says_nothing(people: Schema) -> None:
    encoded = EmptyEncoder(people)(Condition.free(people, 5))
    assert encoded.vector.shape == (5, 0)
    assert encoded.tokens.shape[::2] == (5, 0)


def test_plain_tokens_carry_each_attribute_alone_and_add_up_to_the_vector(people: Schema) -> None:
    vector, tokens = PlainEncoder(people)(full(people, 6))
    torch.testing.assert_close(tokens.sum(1), vector)
    assert (tokens.count_nonzero(2) <= torch.tensor([1, 1, 1])).all()


@pytest.mark.parametrize("changed", ["color", "Eyeglasses", "age"])
@pytest.mark.parametrize("encoder", [PlainEncoder, EmbeddingEncoder])
def test_changing_an_attribute_changes_its_own_token_and_the_vector(
    people: Schema, encoder: type, changed: str
) -> None:
    encode = encoder(people).eval()
    rows = [{"color": "red", "Eyeglasses": "yes", "age": 20}]
    other = [rows[0] | {changed: {"color": "blue", "Eyeglasses": "no", "age": 60}[changed]}]
    before, after = encode(Condition.of(people, rows)), encode(Condition.of(people, other))
    moved = (before.tokens != after.tokens).any(2)[0]
    assert moved.tolist() == [name == changed for name in people.names]
    assert not torch.equal(before.vector, after.vector)


def test_embedding_uses_the_null_exactly_where_an_attribute_is_free(people: Schema) -> None:
    encode = EmbeddingEncoder(people).eval()
    rows = [{"color": "red"}, {"glasses": "yes", "age": 30}, {}]
    condition = Condition.of(people, rows)
    tokens = encode(condition).tokens
    is_null = (tokens == encode.null).all(2)
    assert torch.equal(is_null, ~condition.present)


@pytest.mark.parametrize("code", [-1.0, 99.0, math.nan, math.inf])
def test_the_code_of_a_free_attribute_means_nothing(people: Schema, code: float) -> None:
    encode = EmbeddingEncoder(people).eval()
    free = Condition.free(people, 2)
    strange = Condition(people, {name: torch.full((2,), code) for name in people.names}, free.present)
    torch.testing.assert_close(encode(strange).vector, encode(free).vector)
    encode(strange).vector.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encode.parameters())


def test_a_continuous_embedding_is_not_linear_in_the_value() -> None:
    schema = Schema(attributes=(Continuous(name="age", low=0, high=80),))
    encode = EmbeddingEncoder(schema).eval()
    low, middle, high = encode(Condition.of(schema, [{"age": v} for v in (0, 40, 80)])).tokens[:, 0]
    assert (middle - (low + high) / 2).square().mean().sqrt() > 0.5


def test_close_ages_are_encoded_alike_and_distant_ones_apart() -> None:
    schema = Schema(attributes=(Continuous(name="age", low=0, high=80),))
    encode = EmbeddingEncoder(schema).eval()
    twenty, almost, eighty = encode(Condition.of(schema, [{"age": v} for v in (20, 20.5, 80)])).vector
    assert (twenty - almost).norm() < 0.2 * (twenty - eighty).norm()


@pytest.mark.parametrize("n", [1, 40])
def test_numbers_do_not_grow_with_the_number_of_attributes(n: int) -> None:
    # guards against scaling that assumes one-hot labels: several flags at once would drown the layer
    schema = flags(n)
    yes = Condition.of(schema, [dict.fromkeys(schema.names, "yes")])
    assert PlainEncoder(schema)(yes).vector.square().mean() == pytest.approx(1)
    encode = EmbeddingEncoder(schema).eval()
    summed = encode.scale * encode(full(schema, 200)).tokens.sum(1)
    assert 0.5 < summed.square().mean().sqrt() < 1.5


def test_every_embedding_and_null_is_trained(people: Schema) -> None:
    encode = EmbeddingEncoder(people)
    (encode(Condition.cat([full(people, 8), Condition.free(people, 8)])).vector ** 2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encode.parameters())


def test_an_attribute_embedding_picks_a_vector_per_category_and_a_sign_per_flag(people: Schema) -> None:
    embed, condition = AttributeEmbedding(people, 6), full(people, 20)
    color, glasses, _ = embed(condition).unbind(1)
    codes = condition.values["color"].long()
    torch.testing.assert_close(color, embed[0].weight.T[codes])
    signs = 2 * condition.values["Eyeglasses"][:, None] - 1
    torch.testing.assert_close(glasses, signs * embed[1].weight[:, 0])


def test_an_attribute_embedding_of_a_number_is_a_sum_of_its_value_and_four_waves(people: Schema) -> None:
    embed, condition = AttributeEmbedding(people, 6), full(people, 20)
    age = embed(condition)[:, 2]
    for row, code in zip(age, condition.values["age"].tolist(), strict=True):
        u = code / 40 - 1
        angles = [k * math.pi / 2 * u for k in (1, 2, 3, 4)]
        features = torch.tensor([u, *map(math.sin, angles), *map(math.cos, angles)])
        torch.testing.assert_close(row, embed[2].weight @ features, rtol=1e-4, atol=1e-5)


def test_attributes_that_are_embedded_together_are_embedded_as_each_alone() -> None:
    """Flags, categories and numbers by turns, some with equally many features."""
    kinds = (
        Flag(name="hat"),
        Categorical(name="color", values=("red", "blue")),
        Continuous(name="age", low=0.0, high=9.0),
        Flag(name="tie"),
        Categorical(name="side", values=("left", "right")),
    )
    schema = Schema(attributes=kinds)
    embed, condition = AttributeEmbedding(schema, 6), full(schema, 7)
    alone = [layer(a.features(condition.codes(a.name))) for layer, a in zip(embed, schema, strict=True)]
    torch.testing.assert_close(embed(condition), torch.stack(alone, 1))


def test_an_attribute_embedding_is_zero_exactly_where_an_attribute_is_free(people: Schema) -> None:
    condition = full(people, 40).drop(torch.rand(40, len(people)) < 0.5)
    assert torch.equal((AttributeEmbedding(people, 6)(condition) != 0).all(2), condition.present)
    assert not AttributeEmbedding(people, 6)(Condition.free(people, 3)).any()


def test_each_attribute_has_an_embedding_of_its_own(people: Schema) -> None:
    embed, condition = AttributeEmbedding(people, 6), full(people, 10)
    before = embed(condition)
    for k, name in enumerate(people.names):
        after = embed(condition.with_codes(name, condition.values[name].flip(0)))
        changed = (before != after).any(2).any(0)
        assert changed.tolist() == [i == k for i in range(3)]


@pytest.mark.parametrize("code", [-1.0, 99.0, math.nan, math.inf])
def test_the_code_of_a_free_attribute_embeds_as_zero_without_a_gradient(people: Schema, code: float) -> None:
    embed = AttributeEmbedding(people, 6)
    strange = Condition(people, dict.fromkeys(people.names, torch.full((2,), code)), Condition.free(people, 2).present)
    embedded = embed(strange)
    assert not embedded.any()
    embedded.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in embed.parameters())


def test_attribute_embeddings_start_with_numbers_of_order_one() -> None:
    schema = Schema(attributes=(Categorical(name="many", values=tuple(f"v{i}" for i in range(50))), *flags(1)))
    weights = [p.flatten() for p in AttributeEmbedding(schema, 100).parameters()]
    assert [w.std().item() for w in weights] == pytest.approx([1, 1], abs=0.2)


@pytest.mark.parametrize("additive", [True, False])
def test_an_additive_encoding_of_one_attribute_does_not_depend_on_another(people: Schema, additive: bool) -> None:
    encoder = EmbeddingEncoder(people, 16, additive)
    assert (_interaction(lambda c: encoder(c).vector, people) < 1e-5) == additive


@pytest.mark.parametrize("additive", [True, False])
def test_told_the_time_an_additive_encoding_stays_additive(people: Schema, additive: bool) -> None:
    encoder, time = EmbeddingEncoder(people, 16, additive=True), TimeEncoder(16, 16, additive=additive)
    for t in (torch.tensor([0.1]), torch.tensor([0.9])):
        assert (_interaction(lambda c, t=t: time(encoder(c), t).vector, people) < 1e-5) == additive  # type: ignore[misc]
    c = encoder(full(people, 1))
    assert not torch.allclose(time(c, torch.tensor([0.1])).vector, time(c, torch.tensor([0.9])).vector)


def _interaction(encoded: Callable[[Condition], torch.Tensor], schema: Schema) -> float:
    """How far e(a, b) − e(a′, b) is from e(a, b′) − e(a′, b′), for the first two attributes."""
    first, second, *_ = schema.names
    one = full(schema, 1)
    values = [(i, j) for i in (0.0, 1.0) for j in (0.0, 1.0)]
    e = [encoded(one.with_codes(first, torch.tensor([i])).with_codes(second, torch.tensor([j]))) for i, j in values]
    return float((e[0] - e[1] - e[2] + e[3]).detach().abs().max())
