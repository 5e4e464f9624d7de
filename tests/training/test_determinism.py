"""Equal seeds give equal bits on one machine with one number of threads; with another number, nearly equal weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condgen.data import Splits, as_uint8
from condgen.runs.run import Run
from condgen.runs.train import train
from tests.conftest import SMALL

CLOSE, SAMPLED = 1e-4, 1e-5  # as docs/reliability.md promises


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def weights(digits: Splits, out: Path, threads: int, seed: int = 0) -> Tensor:
    """Of a run of 10 steps."""
    torch.set_num_threads(threads)
    run = train("cvae", digits, out, images=10 * 64, seed=seed, **{**SMALL, "previews": 0})
    return torch.cat([tensor.detach().flatten().float() for tensor in run.model.state_dict().values()])


def test_equal_seeds_give_equal_bits_and_other_threads_nearly(digits: Splits, tmp_path: Path) -> None:
    first, again = (weights(digits, tmp_path / f"{k}", threads=1) for k in range(2))
    assert torch.equal(first, again)
    assert (weights(digits, tmp_path / "two", threads=2) - first).abs().max() < CLOSE
    assert not torch.equal(weights(digits, tmp_path / "other", threads=1, seed=1), first)


@pytest.mark.parametrize(("kind", "how"), [("run", {}), ("flow", {"steps": 4})])
def test_samples_are_equal_pictures_whatever_the_threads(
    kind: str, how: dict[str, int], request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(kind)
    many = []
    for threads in (1, 1, 2):
        torch.set_num_threads(threads)
        many.append(run.sample("digit=7", n=6, seed=5, **how).x)
    first, again, *others = many
    assert torch.equal(first, again)
    for x in others:
        assert (x - first).abs().max() < SAMPLED
        between = (255 * first) % 1 - 0.5
        rounded_alike = between.abs() > 2 * 255 * SAMPLED
        assert torch.equal(as_uint8(x)[rounded_alike], as_uint8(first)[rounded_alike])
        assert rounded_alike.float().mean() > 0.98
