"""Time beside the condition: both are heard, neither drowns the other."""

import pytest
import torch
from torch import Tensor

from condgen.conditioning import Encoded, PlainEncoder, TimeEncoder
from condgen.schema import Attribute, Condition, Continuous, Flag, Schema

WIDTH = 6


def encoded(n: int, width: int = WIDTH) -> Encoded:
    return Encoded(torch.randn(n, width), torch.randn(n, 3, width))


def test_time_and_condition_each_change_the_vector_and_every_token() -> None:
    encoder, c, t = TimeEncoder(WIDTH, 16), encoded(4), torch.rand(4)
    before = encoder(c, t)
    assert before.vector.shape == (4, 16)
    assert before.tokens.shape == (4, 4, 16)  # the whole, and one for each attribute
    for after in (encoder(c, 1 - t), encoder(encoded(4), t)):
        assert (after.vector - before.vector).abs().amax(1).min() > 1e-2
        assert (after.tokens - before.tokens).abs().amax(2).min() > 1e-2


def test_the_first_token_is_the_whole() -> None:
    found = TimeEncoder(WIDTH, 16)(encoded(4), torch.rand(4))
    torch.testing.assert_close(found.tokens[:, 0], found.vector)


def test_of_several_times_all_but_the_first_start_without_influence_and_learn() -> None:
    encoder, c, t = TimeEncoder(WIDTH, 16, times=2), encoded(4), torch.rand(4)
    alone = encoder(c, t, torch.zeros(4))
    for part, other in zip(alone, encoder(c, t, torch.rand(4)), strict=True):
        assert torch.equal(part, other)
    encoder(c, t, torch.rand(4)).vector.square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_single_times_weights_are_those_of_the_first_of_two() -> None:
    one, two = TimeEncoder(WIDTH, 16), TimeEncoder(WIDTH, 16, times=2)
    two.load_state_dict(one.state_dict(), strict=False)
    c, t = encoded(4), torch.rand(4)
    for part, other in zip(one(c, t), two(c, t, torch.rand(4)), strict=True):
        torch.testing.assert_close(part, other)


def test_as_many_times_are_needed_as_were_announced() -> None:
    with pytest.raises(ValueError, match="zip"):
        TimeEncoder(WIDTH, 16, times=2)(encoded(4), torch.rand(4))


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("width", [4, 64, 1024])
def test_the_vectors_scale_depends_neither_on_the_conditions_width_nor_on_its_scale(width: int, scale: float) -> None:
    def size(width: int, scale: float) -> float:
        torch.manual_seed(0)
        encoder = TimeEncoder(width, 256)
        c = Encoded(*(scale * part for part in encoded(200, width)))
        return encoder(c, torch.rand(200)).vector.std().item()

    assert size(width, scale) == pytest.approx(size(64, 1.0), rel=0.2)


def test_time_and_condition_move_the_vector_about_equally() -> None:
    torch.manual_seed(0)
    encoder, c, t = TimeEncoder(64, 256), encoded(400, 64), torch.rand(400)
    moved_by_time = (encoder(c, t.flip(0)).vector - encoder(c, t).vector).std()
    moved_by_condition = (encoder(Encoded(*(part.flip(0) for part in c)), t).vector - encoder(c, t).vector).std()
    assert 0.4 < moved_by_time / moved_by_condition < 2.5


def of_flags(n: int) -> tuple[list[Attribute], list[dict[str, object]]]:
    names = [f"flag {k}" for k in range(n)]
    return [Flag(name=name) for name in names], [dict.fromkeys(names, "yes"), dict.fromkeys(names, "no")]


@pytest.mark.parametrize(
    ("attributes", "rows"),
    [
        of_flags(1),
        of_flags(2),
        ([Continuous(name="age", low=0, high=10)], [{"age": 1}, {"age": 9}]),
        ([Continuous(name="age", low=0, high=10)], [{"age": 6}, {"age": 9}]),
    ],
    ids=["flag", "flags", "sign", "size"],
)
def test_plainly_encoded_conditions_stay_apart(attributes: list[Attribute], rows: list[dict[str, object]]) -> None:
    schema = Schema(attributes=tuple(attributes))
    plain = PlainEncoder(schema)
    found: Tensor = TimeEncoder(plain.width, 16)(plain(Condition.of(schema, rows)), torch.full((2,), 0.5)).vector
    assert (found[0] - found[1]).abs().max() > 1e-2
