"""Equal seeds give equal bits on one machine with one number of threads; with another number, nearly equal weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condgen.data import Splits
from condgen.runs.train import train
from tests.conftest import SMALL

CLOSE = 1e-4  # as docs/reliability.md promises


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
