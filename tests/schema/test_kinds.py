"""Every kind of attribute keeps the same promises: a new one is tested by being in KINDS and having an example here."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from condgen.data.infer import infer_attribute, parse_columns
from condgen.errors import RequestError
from condgen.requests import parse_requests
from condgen.requests.text import vocabulary
from condgen.rng import Rng
from condgen.schema import (
    KINDS,
    Attribute,
    Categorical,
    Condition,
    Continuous,
    Flag,
    LabelDistribution,
    Schema,
)
from condgen.schema.vector import Vector

EXAMPLES: dict[str, list[Attribute]] = {
    "flag": [Flag(name="thing", synonyms=("other name",), aliases={"sure": "yes"})],
    "categorical": [Categorical(name="thing", values=("a", "b", "c"), aliases={"either": "a|c"})],
    "continuous": [
        Continuous(name="thing", low=-3, high=7, aliases={"small": "-3..0"}),
        Continuous(name="thing", low=1e3, high=1e6),
        Continuous(name="thing", low=1, high=1e4, scale="log"),
    ],
    "vector": [
        Vector(name="thing", mean=(0, 5), scale=(1, 1), aliases={"middle": "0 5"}),
        Vector(name="thing", mean=(1e3, -2, 0, 4e-3), scale=(100, 0.5, 1, 1e-3)),
    ],
}
EVERY = [a for examples in EXAMPLES.values() for a in examples]
every_kind = pytest.mark.parametrize("a", EVERY, ids=lambda a: a.kind)
some_seed = given(seed=st.integers(0, 2**31))
few = settings(max_examples=20, deadline=None)
N = 16


def uniform(a: Attribute, seed: int, n: int = N) -> Tensor:
    return a.uniform(torch.rand(n, *a.shape, generator=torch.Generator().manual_seed(seed)))


def conditions(a: Attribute, codes: Tensor) -> Condition:
    return Condition(Schema.model_validate({"attributes": [a]}), {a.name: codes}, torch.ones(len(codes), 1).bool())


def column(a: Attribute, codes: Tensor) -> list[str]:
    return [a.format(code) for code in codes.tolist()]


def apart(a: Attribute, one: Tensor, other: Tensor) -> Tensor:
    """How far codes are apart, as a share of all there is: of a number on its scale."""
    if isinstance(a, Continuous):
        return (a.place(one) - a.place(other)).abs() / a.reach
    return a.error(one, other) / a.span


def close(a: Attribute, one: Tensor, other: Tensor) -> bool:
    """Whether codes are the same up to the six digits of a text."""
    return bool((a.error(one, other) <= 1e-4 * a.span).all())


def test_every_kind_has_an_example_here() -> None:
    assert set(EXAMPLES) == {kind.model_fields["kind"].default for kind in KINDS}
    for kind, examples in EXAMPLES.items():
        assert {a.kind for a in examples} == {kind}


@every_kind
@few
@some_seed
def test_codes_have_their_shape_and_finite_encodings(a: Attribute, seed: int) -> None:
    codes = uniform(a, seed)
    assert codes.shape == (N, *a.shape)
    encoded, features = a.encode(codes), a.features(codes)
    assert encoded.shape == (N, a.width)
    assert features.shape == (N, a.features_width)
    assert encoded.isfinite().all()
    assert features.isfinite().all()


@every_kind
@few
@some_seed
def test_codes_are_found_again_from_their_encoding(a: Attribute, seed: int) -> None:
    codes = uniform(a, seed)
    assert close(a, a.decode(a.encode(codes)), codes)


@every_kind
def test_a_sweep_goes_through_different_values_that_can_be_asked_for(a: Attribute) -> None:
    codes = uniform(a, 2)
    swept = a.sweep(codes, torch.ones(N), 5)
    assert 2 <= len(swept) <= 5
    assert swept.shape[1:] == a.shape
    assert (a.error(swept[:1], swept[1:]) > 0).all()
    for code in swept.tolist():
        assert a.constraints("=", a.format(code))
    for text in a.ranges(3):
        assert a.constraints("=", text)
    assert len(a.ranges(3)) == (3 if a.limits else 0)
    assert not (a.limits and a.choices)
    assert a.recognised("7 distinct things", ["x", "y"]).endswith(f"→ {a.kind}")


@every_kind
def test_the_stated_size_of_encodings_is_theirs(a: Attribute) -> None:
    encoded = a.encode(uniform(a, 0, n=4_000))
    assert encoded.square().mean().sqrt().item() == pytest.approx(a.rms, rel=0.05)


@every_kind
@few
@some_seed
def test_texts_are_read_as_they_were_written(a: Attribute, seed: int) -> None:
    codes = uniform(a, seed)
    assert close(a, torch.tensor([a.parse(text) for text in column(a, codes)]), codes)
    assert close(a, torch.tensor([a.cell(text) for text in column(a, codes)]), codes)
    assert len(a.show(codes[0].tolist())) < 60


@every_kind
def test_json_round_trip_is_exact(a: Attribute) -> None:
    schema = Schema.model_validate({"attributes": [a]})
    assert Schema.loads(schema.dumps()) == schema


@every_kind
@few
@some_seed
def test_nothing_is_wrong_with_itself_and_everything_with_a_counterfactual(a: Attribute, seed: int) -> None:
    codes = uniform(a, seed)
    assert a.error(codes, codes).tolist() == [0.0] * N
    other = a.counterfactual(codes, torch.rand(codes.shape, generator=torch.Generator().manual_seed(seed)))
    assert other.shape == codes.shape
    assert (apart(a, other, codes) > 0.4).all()
    assert (apart(a, other, codes) <= 1.01).all()
    assert a.encode(other).isfinite().all()


@every_kind
def test_errors_are_of_pairs_wherever_they_stand(a: Attribute) -> None:
    codes = uniform(a, 3)
    table = a.error(codes[:, None], codes[None])
    assert table.shape == (N, N)
    assert torch.equal(table, table.T)
    torch.testing.assert_close(table[2], a.error(codes[2:3].expand_as(codes), codes))


@every_kind
@pytest.mark.parametrize("origins", [1, 2])
def test_a_classifier_that_fits_the_codes_reads_them(a: Attribute, origins: int) -> None:
    codes, density = uniform(a, 5), a.density
    output = torch.zeros(N, origins, density.outputs(origins), requires_grad=True)
    optimiser = torch.optim.Adam([output], lr=0.1)
    for _ in range(150):
        loss = -density.log_prob(output, codes).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    read = density.mode(output.detach())
    assert read.shape == codes.shape
    assert (apart(a, read, codes) < 0.1).all()


@every_kind
def test_a_judge_that_fits_the_codes_reads_them_and_knows_how_well(a: Attribute) -> None:
    codes, density = uniform(a, 5), a.density
    guess = torch.zeros(N, a.width, requires_grad=True)
    optimiser = torch.optim.Adam([guess], lr=0.1)
    for _ in range(150):
        loss = density.loss(guess, codes).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    noisy = guess.detach() + 0.1 * torch.randn(guess.shape)
    scale = density.fitted_scale(noisy, codes)
    reading = density.reading(noisy, scale)
    spread = density.spread(scale)
    distance = density.distance(reading, codes)
    assert (apart(a, density.read(reading), codes) < 0.3).all()
    other = a.counterfactual(codes, torch.rand(codes.shape))
    right, wrong = (density.log_likelihood(reading, c, spread) for c in (codes, other))
    assert (right > wrong).all()
    assert (spread is None) == bool(a.choices)
    if spread is not None:
        assert spread == pytest.approx(distance.square().mean().sqrt().item(), rel=0.2)
        width = a.reach if isinstance(a, Continuous) else a.span
        assert torch.allclose(distance, apart(a, density.read(reading), codes) * width, rtol=1e-3, atol=1e-4 * width)


@every_kind
def test_equal_codes_share_a_place_a_bin_and_a_number(a: Attribute) -> None:
    codes = uniform(a, 7).repeat_interleave(2, 0)
    for numbers in (a.place(codes), a.bins(codes), a.numbered(codes)[0]):
        assert numbers.shape == (2 * N,)
        assert torch.equal(numbers[::2], numbers[1::2])
    number, count = a.numbered(codes)
    assert number.min() >= 0
    assert number.max() < count
    differ = a.error(codes[:, None], codes[None]) > 0
    assert torch.equal(differ, number[:, None] != number)


@every_kind
def test_vicinity_moves_by_a_share_of_the_span_or_not_at_all(a: Attribute) -> None:
    codes = uniform(a, 2, n=2_000)
    moved = apart(a, a.vicinity(codes, 0.05, torch.randn_like), codes).square().mean().sqrt().item()
    assert moved == 0 if a.choices else moved == pytest.approx(0.05, rel=0.1)


@every_kind
def test_what_the_data_has_is_likelier_than_what_it_has_not(a: Attribute) -> None:
    rows, all_given = uniform(a, 4), torch.ones(N, dtype=torch.bool)
    penalty = a.mismatch(rows[:3], rows, all_given)
    assert penalty.shape == (3, N)
    assert (penalty >= 0).all()
    assert penalty.isfinite().all()
    assert (penalty[torch.arange(3), torch.arange(3)] == 0).all()
    assert penalty.max() > 1


def asked(a: Attribute, value: Any) -> dict[str, Any]:
    (request,) = parse_requests({a.name: value}, Schema.model_validate({"attributes": [a]}))
    return dict(request.constraints)


@every_kind
def test_a_value_that_is_asked_for_is_drawn(a: Attribute) -> None:
    rows = uniform(a, 4)
    joint = LabelDistribution.of(conditions(a, rows))
    for wanted in (rows[0], a.counterfactual(rows[:1], torch.rand(rows[:1].shape))[0]):
        drawn = joint.draw(asked(a, a.format(wanted.tolist())), Rng(range(5)))
        assert drawn.complete
        assert close(a, drawn.values[a.name], wanted.expand_as(drawn.values[a.name]))


@every_kind
def test_what_is_missing_is_drawn_from_the_rows_that_fit(a: Attribute) -> None:
    """Beside it stands the number of the row, so that a fitting row is recognised."""
    schema = Schema.model_validate({"attributes": [a, Continuous(name="row", low=0, high=N)]})
    codes = uniform(a, 9)
    complete = Condition(schema, {a.name: codes, "row": torch.arange(N).float()}, torch.ones(N, 2).bool())
    drawn = LabelDistribution.of(complete).fill(complete.about([a.name]), Rng(range(N)))
    assert (apart(a, codes[drawn.values["row"].long()], codes) < 0.1).all()


@every_kind
def test_constraints_say_what_they_allow(a: Attribute) -> None:
    codes = uniform(a, 6)
    texts = [a.format(codes[0].tolist()), *a.ranges(3)]
    for constraint in (c for text in texts for c in a.constraints("=", text, extrapolate=True)):
        assert constraint.text(a).startswith(f"{a.name}=")
        assert constraint.allows(constraint.draw(torch.rand(4))).all()
        assert constraint.draw(torch.rand(4)).shape == (4, *a.shape)
        assert constraint.both(constraint) == constraint
        assert constraint.mismatch(a, codes, torch.ones(N, dtype=torch.bool)).shape == (N,)


@every_kind
def test_a_term_asks_for_the_same(a: Attribute) -> None:
    """Controls show it, and send it back."""
    codes = uniform(a, 6)
    texts = [a.format(codes[0].tolist()), *a.ranges(3), *a.aliases]
    negated = [a.opposite(a.constraints("=", a.choices[0])[0])] if a.choices else []
    for constraint in (*(a.constraints("=", text)[0] for text in texts), *negated):
        [request] = parse_requests({a.name: constraint.term(a)}, Schema.model_validate({"attributes": [a]}))
        assert request.constraints[a.name].text(a) == constraint.text(a)
        drawn = constraint.draw(torch.rand(4))
        assert constraint.fits(a, drawn).all()
        if not a.ranges(1):
            assert not constraint.fits(a, a.counterfactual(drawn, torch.rand(drawn.shape))).all()


@every_kind
def test_a_control_knows_what_can_be_chosen_and_how_often_it_occurs(a: Attribute) -> None:
    codes, counts = uniform(a, 6), torch.arange(N).float()
    control = a.control(codes, counts)
    assert len(control.counts) == len(a.choices)
    assert len(control.edges) in (0, len(control.heights) + 1)
    assert (control.low, control.high) == (a.limits or (None, None))
    assert (control.size,) == (a.shape or (None,))
    if control.counts or control.heights:
        assert sum((*control.counts, *control.heights)) == counts.sum()
    assert a.control(codes.numpy(), counts.numpy()) == control  # type: ignore[arg-type]
    assert not any(a.control(codes[:0], counts[:0]).heights)


@every_kind
@pytest.mark.parametrize("value", ["xyzzy", "", "a b c", "nan", None.__class__])
def test_what_is_no_value_is_refused_in_a_sentence_that_helps(a: Attribute, value: object) -> None:
    with pytest.raises(RequestError) as caught:
        a.constraints("=", value)
    assert f"'{a.name}'" in str(caught.value) or f"{a.name}=" in str(caught.value)


@every_kind
def test_words_of_its_own_and_of_the_vocabulary_ask_for_something_it_allows(a: Attribute) -> None:
    assert [word for word, constraint in a.phrases() if word == a.name]
    for word, constraint in [*a.phrases(), *a.meanings(vocabulary())]:
        assert constraint is None or constraint.text(a), word
    assert all(isinstance(word, str) for word in a.ways(vocabulary()))
    assert a.bare("xyzzy") is None
    assert all(a.bare(word) == word for word in a.aliases)
    assert a.name in a.example


@every_kind
def test_a_column_of_it_is_recognised_and_read(a: Attribute) -> None:
    codes = uniform(a, 1, n=60)
    texts = [*column(a, codes), ""]
    guess = infer_attribute(a.name, texts)
    assert isinstance(guess, Attribute)
    assert guess.kind == a.kind
    read, present = parse_columns({a.name: texts}, Schema.model_validate({"attributes": [a]}), "table")
    assert present[a.name] == [True] * 60 + [False]
    assert close(a, torch.tensor(read[a.name][:60]), codes)
    assert torch.tensor(read[a.name]).shape == (61, *a.shape)


@every_kind
def test_conditions_keep_codes_of_any_shape(a: Attribute) -> None:
    schema = Schema.model_validate({"attributes": [Flag(name="other"), a]})
    codes = uniform(a, 8)
    present = torch.rand(N, 2) < 0.5
    condition = Condition(schema, {"other": torch.ones(N), a.name: codes}, present)
    again = Condition.of_matrix(schema, condition.matrix(), present)
    assert torch.equal(again.codes(a.name), condition.codes(a.name))
    assert (condition.codes(a.name)[~condition.given(a.name)] == 0).all()
    assert len(Condition.cat([condition, condition])) == 2 * N
    updated = Condition.free(schema, N).update(condition)
    assert torch.equal(updated.codes(a.name), condition.codes(a.name))
    written = Condition.of(schema, condition.rows())
    assert torch.equal(written.present, condition.present)
    assert close(a, written.codes(a.name), condition.codes(a.name))
    assert all(math.isfinite(v) for v in condition.hard().codes(a.name).flatten().tolist())
