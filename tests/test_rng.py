import pytest
import torch

from condgen.rng import Rng, Stream, epoch_seed, step_seed

DRAWS = ["normal", "uniform"]


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("shape", [(), (3,), (1, 8, 8)])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_field_defect_13_same_seed_same_numbers_whatever_the_batch(
    draw: str, shape: tuple[int, ...], batch: int
) -> None:
    whole = getattr(Rng(range(10)), draw)(*shape)
    parts = [getattr(Rng(range(s, s + batch)), draw)(*shape) for s in range(0, 10, batch)]
    assert whole.shape == (10, *shape)
    assert torch.cat(parts).equal(whole)


@pytest.mark.parametrize("draw", DRAWS)
def test_draws_continue_each_stream(draw: str) -> None:
    rng = Rng([1, 2])
    first, second = getattr(rng, draw)(4), getattr(rng, draw)(4)
    assert not first.equal(second)
    again = Rng([2])
    getattr(again, draw)(4)
    assert getattr(again, draw)(4).equal(second[1:])


def test_samples_and_seeds_differ() -> None:
    x = Rng([0, 1, 2, -1, 2**32, 2**40]).normal(8)  # PyTorch alone takes 0 and 2**32 for the same
    assert len(x.unique(dim=0)) == 6


def test_the_global_stream_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    Rng([5]).normal(100)
    assert torch.rand(3).equal(expected)


def test_distributions_are_what_their_names_say() -> None:
    x, u = Rng(range(50)).normal(200), Rng(range(50)).uniform(200)
    assert x.mean().abs() < 0.05
    assert x.std().item() == pytest.approx(1, abs=0.03)
    assert u.min() >= 0
    assert u.max() < 1
    assert u.mean().item() == pytest.approx(0.5, abs=0.02)


def test_first_draws_of_consecutive_seeds_are_as_good_as_independent() -> None:
    x = Rng(range(2000)).normal()
    assert x.mean().abs() < 0.07
    assert x.std().item() == pytest.approx(1, abs=0.05)
    assert (x[1:] * x[:-1]).mean().abs() < 0.07


def test_length_is_the_number_of_seeds() -> None:
    assert len(Rng(range(7))) == 7
    assert Rng([]).normal(3).shape == (0, 3)


def test_streams_have_no_seeds_in_common_and_draw_as_they_always_did() -> None:
    starts = sorted(Stream)
    assert [int(s) for s in starts] == [0, 2**32, 2**33, 2**40, 2**41]  # samples of earlier versions stay what they are
    expected = Rng([2**40 + 7, 2**40 + 9]).normal(3)
    assert Stream.CONDITION.rng([7, 9]).normal(3).equal(expected)
    assert Stream.CONDITION.rng(torch.tensor([7, 9])).normal(3).equal(expected)


def test_steps_and_epochs_have_seeds_of_their_own_that_never_change() -> None:
    assert [epoch_seed(seed, epoch) for seed in (0, 2) for epoch in (0, 5)] == [0, 5, 2_000_006, 2_000_011]
    assert step_seed(3, 128, 1) == (3 * 1_000_003 + 128) * 64 + 1
