import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from condgen.rng import AT_ONCE, NumpyRng, Rng, Stream, epoch_seed, step_seed

DRAWS = ["normal", "uniform"]
ROUNDING = 1e-5  # normal numbers reach 6, and angles 2π, in 32-bit floats
SEEDS = [0, 1, 7, 2**31, 2**32 - 1, 2**32, 2**40 + 7, 2**41 + 3, -1]


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
    # samples of earlier versions stay what they are
    assert [int(s) for s in starts] == [0, 2**32, 2**33, 2**40, 2**41, 2**43]
    expected = Rng([2**40 + 7, 2**40 + 9]).normal(3)
    assert Stream.CONDITION.rng([7, 9]).normal(3).equal(expected)
    assert Stream.CONDITION.rng(torch.tensor([7, 9])).normal(3).equal(expected)


def test_steps_and_epochs_have_seeds_of_their_own_that_never_change() -> None:
    assert [epoch_seed(seed, epoch) for seed in (0, 2) for epoch in (0, 5)] == [0, 5, 2_000_006, 2_000_011]
    assert step_seed(3, 128, 1) == (3 * 1_000_003 + 128) * 64 + 1


# ---- NumPy draws PyTorch's numbers


def must_draw_the_same(*draws: tuple[str, tuple[int, ...]], seeds: list[int] = SEEDS) -> None:
    """Draw one after the other from the same streams, with PyTorch and with NumPy."""
    torchs, numpys = Rng(seeds), NumpyRng(seeds)
    for kind, shape in draws:
        expected, found = getattr(torchs, kind)(*shape).numpy(), getattr(numpys, kind)(*shape)
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.shape) == (np.float32, expected.shape)
        assert np.abs(found - expected).max(initial=0) <= (ROUNDING if kind == "normal" else 0), (kind, shape)


@pytest.mark.parametrize("draw", DRAWS)
def test_numpy_draws_the_same_numbers_of_every_size(draw: str) -> None:
    for n in range(101):
        must_draw_the_same((draw, (n,)))


def test_numpy_draws_the_same_numbers_one_draw_after_the_other() -> None:
    for n in (1, 2, 15, 16, 17, 32, 100):  # odd draws leave half a pair, which larger draws do not touch
        sizes = (n, 1, 16, n, 3, 40, 1, n)
        must_draw_the_same(*(("uniform" if k % 3 == 2 else "normal", (size,)) for k, size in enumerate(sizes)))


@pytest.mark.parametrize("shape", [(), (3, 4), (1, 8, 8), (3, 32, 33), (0,), (2, 0)])
def test_numpy_draws_the_same_numbers_of_every_shape(shape: tuple[int, ...]) -> None:
    must_draw_the_same(("normal", shape), ("uniform", shape), ("normal", shape))


def test_numpy_draws_the_same_numbers_for_more_streams_than_it_works_on_at_once() -> None:
    must_draw_the_same(("normal", (AT_ONCE // 3,)), ("normal", (5,)), ("normal", (5,)), seeds=list(range(8)))


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["default", "avx2"])
def test_numpy_draws_the_same_numbers_as_pytorch_with_other_kernels(kernels: str) -> None:
    code = "from tests.test_rng import must_draw_the_same as same\nfor n in range(1, 101): same(('normal', (n,)))"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "ATEN_CPU_CAPABILITY": kernels}, check=True)


def test_threads_do_not_disturb_each_other() -> None:
    expected = [NumpyRng([k]).normal(5000) for k in range(20)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: NumpyRng([k]).normal(5000), range(20)))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_stream_draws_in_the_library_of_its_seeds() -> None:
    assert type(Stream.CONDITION.rng([7, 9])) is type(Stream.CONDITION.rng(torch.tensor([7, 9]))) is Rng
    numpys = Stream.CONDITION.rng(np.array([7, 9]))
    assert type(numpys) is NumpyRng
    assert np.array_equal(numpys.uniform(3), Stream.CONDITION.rng([7, 9]).uniform(3))
