"""Guidance as contrasts: what is evaluated, and with which weight."""

import pytest
import torch
from torch import Tensor

from condgen.errors import RequestError
from condgen.models.flow.dropout import dropped
from condgen.models.flow.guidance import Guidance, by_attribute, guided, parse_weights, without
from condgen.models.flow.samplers import Velocity
from condgen.schema import Categorical, Condition, Flag, Schema

SCHEMA = Schema(attributes=(Categorical(name="color", values=("red", "green", "blue")), Flag(name="old")))
WORTH = {"color": 10.0, "old": 1.0}


class Linear:
    """A field that is the sum of what each given attribute is worth: effects are exactly additive."""

    def __init__(self, base: float = 0.0):
        self.base = base
        self.asked: list[list[str]] = []

    def field(self, condition: Condition) -> Velocity:
        self.asked.append(condition.describe())
        codes = {n: (condition.values[n] + 1) * condition.given(n) for n in SCHEMA.names}
        value = self.base + sum(WORTH[n] * codes[n] for n in SCHEMA.names)
        return lambda x, t: value[:, None].expand_as(x)


def at(velocity: Velocity, batch: int, t: float = 0.5) -> Tensor:
    return velocity(torch.zeros(batch, 2), torch.full((batch,), t))[:, 0]


def asked(*rows: dict[str, str]) -> Condition:
    return Condition.of(SCHEMA, rows)


RED_OLD = asked({"color": "red", "old": "yes"})  # worth 10 + 2


@pytest.mark.parametrize(("weight", "wanted"), [(1.0, 12.0), (0.0, 0.0), (2.0, 24.0), (-1.0, -12.0)])
def test_one_scale_1_is_conditional_0_unconditional(weight: float, wanted: float) -> None:
    assert at(Guidance(weight).velocity(Linear().field, RED_OLD), 1).item() == wanted


def test_plain_conditional_costs_one_evaluation_and_guidance_two() -> None:
    for weight, fields in ((1.0, 1), (2.0, 2), ({"old": 3.0}, 2), ({"old": 3.0, "color": 2.0}, 3)):
        model = Linear()
        Guidance(weight).velocity(model.field, RED_OLD)
        assert len(model.asked) == fields, weight


def test_each_attribute_has_a_weight_of_its_own() -> None:
    assert at(Guidance({"old": 3.0}).velocity(Linear().field, RED_OLD), 1).item() == 10 + 3 * 2
    assert at(Guidance({"color": 2.0, "old": 0.0}).velocity(Linear().field, RED_OLD), 1).item() == 2 * 10 + 0 * 2


def test_equal_weights_for_all_are_guidance_of_the_whole() -> None:
    model = Linear()
    Guidance({"color": 2.0, "old": 2.0}).velocity(model.field, RED_OLD)
    assert model.asked[0] == ["anything"]  # one contrast, with everything dropped


def test_an_unknown_attribute_is_refused() -> None:
    with pytest.raises(RequestError, match="colour"):
        Guidance({"colour": 2.0}).velocity(Linear().field, RED_OLD)


def test_not_moves_away_from_the_excluded_value() -> None:
    """blue (worth 30) asked, red (worth 10) not wanted: 30 + (w − 1)(30 − 10)."""
    blue, red = asked({"color": "blue"}), asked({"color": "red"})
    assert at(Guidance(3.0, against=red).velocity(Linear().field, blue), 1).item() == 30 + 2 * 20
    assert at(Guidance(1.0, against=red).velocity(Linear().field, blue), 1).item() == 30


def test_not_is_per_sample() -> None:
    both = asked({"color": "blue"}, {"color": "blue"})
    against = Condition.cat([asked({"color": "red"}), Condition.free(SCHEMA, 1)])
    assert at(Guidance(2.0, against=against).velocity(Linear().field, both), 2).tolist() == [30 + 20, 30 + 30]


def test_a_guide_is_what_to_move_away_from_under_the_same_condition() -> None:
    guide = Linear(base=-5)
    assert at(Guidance(3.0, guide=guide).velocity(Linear().field, RED_OLD), 1).item() == 12 + 2 * 5
    assert guide.asked == [["color=red, old=yes"]]


def test_composition_adds_what_each_attribute_says_alone() -> None:
    model = Linear(base=7)
    assert at(Guidance(1.0, compose=True).velocity(model.field, RED_OLD), 1).item() == 7 + 10 + 2
    assert [["color=red, old=yes"]] not in model.asked  # the combination itself is never asked for
    assert at(Guidance({"old": 3.0}, compose=True).velocity(Linear(base=7).field, RED_OLD), 1).item() == 7 + 10 + 3 * 2


def test_composition_leaves_free_what_a_sample_does_not_ask() -> None:
    condition = Condition.cat([RED_OLD, asked({"color": "red"})])
    assert at(Guidance(1.0, compose=True).velocity(Linear(base=7).field, condition), 2).tolist() == [19, 17]


@pytest.mark.parametrize("weight", [0.0, 0.5, -1.0])
@pytest.mark.parametrize("compose", [False, True])
def test_a_weight_below_1_does_not_move_towards_the_excluded_value(weight: float, compose: bool) -> None:
    blue, red = asked({"color": "blue"}), asked({"color": "red"})
    velocity = Guidance(weight, against=red, compose=compose).velocity(Linear().field, blue)
    assert at(velocity, 1).item() == 30 * weight


def test_composition_moves_away_from_the_excluded_value() -> None:
    """v(∅) = 7, blue is worth 30, red 10 and old 2: 7 + 30 + (w − 1)(30 − 10) + w · 2; without “not red” 7 + w · 32."""
    condition = asked({"color": "blue", "old": "yes"}).repeat(2)
    against = Condition.cat([asked({"color": "red"}), Condition.free(SCHEMA, 1)])
    composed = {w: Guidance(w, against=against, compose=True) for w in (1.0, 3.0)}
    found = {w: at(how.velocity(Linear(base=7).field, condition), 2).tolist() for w, how in composed.items()}
    assert found == {1.0: [7 + 32, 7 + 32], 3.0: [7 + 30 + 2 * 20 + 3 * 2, 7 + 3 * 32]}


@pytest.mark.parametrize(("weight", "wanted"), [(3.0, 30 + 2 * (30 - 5)), (0.5, 30 - 0.5 * (30 - 25))])
def test_a_guide_predicts_the_excluded_value_that_is_moved_away_from(weight: float, wanted: float) -> None:
    how = Guidance(weight, against=asked({"color": "red"}), guide=Linear(base=-5))
    assert at(how.velocity(Linear().field, asked({"color": "blue"})), 1).item() == wanted


def test_composition_and_a_guide_exclude_each_other() -> None:
    with pytest.raises(RequestError, match="cannot be combined"):
        Guidance(2.0, compose=True, guide=Linear()).velocity(Linear().field, RED_OLD)
    with pytest.raises(RequestError, match="one weight"):
        Guidance({"old": 2.0}, guide=Linear()).velocity(Linear().field, RED_OLD)


def test_guidance_acts_within_its_interval_only() -> None:
    times = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
    velocity = Guidance(2.0, interval=(0.25, 0.75)).velocity(Linear().field, RED_OLD.repeat(5))
    assert velocity(torch.zeros(5, 2), times)[:, 0].tolist() == [12, 24, 24, 24, 12]


def test_composition_outside_the_interval_is_composition_without_guidance() -> None:
    times = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
    how = Guidance({"color": 2.0, "old": 0.0}, interval=(0.25, 0.75), compose=True)
    velocity = how.velocity(Linear(base=7).field, RED_OLD.repeat(5))
    assert velocity(torch.zeros(5, 2), times)[:, 0].tolist() == [19, 27, 27, 27, 19]
    assert [at(velocity, 5, t).tolist() for t in (0.1, 0.5)] == [[19.0] * 5, [27.0] * 5]


def test_outside_the_interval_contrasts_are_not_evaluated() -> None:
    def never(x: Tensor, t: Tensor) -> Tensor:
        raise AssertionError

    [contrast] = by_attribute(lambda c: never, RED_OLD, 2.0)
    velocity = guided(lambda x, t: x + 1, [contrast], (0.5, 1.0))
    assert at(velocity, 1, t=0.25).item() == 1


@pytest.mark.parametrize("how", [Guidance(0.0), Guidance(1.0, compose=True)])
def test_where_the_velocity_cancels_out_it_is_not_evaluated(how: Guidance) -> None:
    """The whole condition dropped; or one attribute alone, which differs from none by itself."""
    red = asked({"color": "red"})
    alone, free = red.about(["color"]), red.about([])
    needed = free if how.weights == 0 else alone

    def field(condition: Condition) -> Velocity:
        def once(x: Tensor, t: Tensor) -> Tensor:
            assert condition.rows() == needed.rows(), "this evaluation changes nothing"
            return torch.ones_like(x)

        return once

    assert at(how.velocity(field, red), 1).item() == 1
    assert at(Guidance(0.0, interval=(0.0, 0.2)).velocity(Linear().field, red), 1).item() == 10  # outside


def test_dropping_leaves_the_other_attributes() -> None:
    assert without(RED_OLD, ["color"]).describe() == ["old=yes"]
    assert without(RED_OLD, ["color"], asked({"color": "blue", "old": "no"})).describe() == ["color=blue, old=yes"]


@pytest.mark.parametrize(("text", "weights"), [("2", 2.0), ("-1.5", -1.5), ("a=3, b b=1.5", {"a": 3.0, "b b": 1.5})])
def test_weights_are_read_from_text(text: str, weights: object) -> None:
    assert parse_weights(text) == weights


@pytest.mark.parametrize("text", ["", "much", "a", "a=", "a=2,3", "a=b"])
def test_what_is_no_weight_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match="Eyeglasses=3"):
        parse_weights(text)


def flags(attributes: int, n: int = 20_000) -> Condition:
    schema = Schema(attributes=tuple(Flag(name=f"flag{k}") for k in range(attributes)))
    values = {name: torch.zeros(n) for name in schema.names}
    return Condition(schema, values, torch.ones(n, attributes, dtype=torch.bool))


def test_training_drops_attributes_alone_all_together_and_some_of_them_per_sample() -> None:
    torch.manual_seed(0)
    present = dropped(flags(3), 0.2).present
    some = 0.2 * (0 + 1 + 2) / 3 / 3  # a fifth of samples, none to two of their three attributes
    torch.testing.assert_close(present.float().mean(0), torch.full((3,), 0.8 * 0.8 * (1 - some)), atol=0.02, rtol=0)
    alone, one_of, two_of = 0.2**3, 0.2**2, 0.2
    others = 0.8 * alone + 0.2 * (alone + one_of + two_of) / 3
    assert (~present).all(1).float().mean().item() == pytest.approx(0.2 + 0.8 * others, abs=0.02)


def test_of_one_attribute_nothing_but_itself_can_be_dropped() -> None:
    torch.manual_seed(0)
    assert dropped(flags(1), 0.2).present.float().mean().item() == pytest.approx(0.8 * 0.8, abs=0.02)


def test_requests_for_any_number_of_many_attributes_are_trained_for() -> None:
    torch.manual_seed(0)
    given = dropped(flags(40), 0.1).present.sum(1).bincount(minlength=41)
    assert (given[:36] > 0).all()
    assert given[1:20].sum() / given.sum() == pytest.approx(0.04, abs=0.01)


def test_without_a_chance_nothing_is_dropped() -> None:
    assert dropped(flags(3), 0.0).complete
