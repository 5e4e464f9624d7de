from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condgen.bulk.plan import Plan, usual_size
from condgen.errors import RequestError
from condgen.requests import Request
from condgen.runs.generator import Generator
from condgen.runs.sampling import Part, SamplingOptions


@given(
    st.integers(1, 5),
    st.integers(1, 2_000),
    st.integers(0, 10_000),
    st.integers(1, 4).map(lambda batches: 250 * batches),
)
def test_every_seed_of_every_request_is_in_exactly_one_shard(requests: int, n: int, seed: int, size: int) -> None:
    plan = Plan(requests, n, seed, size)
    shards = [[(b.request, s) for b in plan.shard(k) for s in b.seeds] for k in range(plan.shards)]
    assert [each for shard in shards for each in shard] == [(r, seed + k) for r in range(requests) for k in range(n)]
    assert all(0 < len(shard) <= size for shard in shards)
    assert [plan.samples_of(k) for k in range(plan.shards)] == [len(shard) for shard in shards]


@dataclass(frozen=True)
class Batch:
    """A batch of samples, without the samples."""

    text: str
    seeds: range
    request: int = 0


class Recording(Generator):
    """Answers with the composition of each batch."""

    schema: Any = None
    shape = (1, 8, 8)
    fingerprint = ""

    def together(self, parts: Sequence[Part], sampling: SamplingOptions | None = None) -> Any:
        (part,) = parts
        return Batch(part.request.text, part.seeds)


def test_batches_are_those_of_one_machine() -> None:
    """Rounding depends on the composition of a batch."""
    asked = [Request({}, "a"), Request({}, "b")]
    plan = Plan(2, 600, 7, 500)
    batches = [Batch(asked[b.request].text, b.seeds, b.request) for k in range(plan.shards) for b in plan.shard(k)]
    assert batches == [*Recording().stream(asked, 600, seed=7)]


@pytest.mark.parametrize("size", [0, 100, 251, 20_000_000])
def test_shards_hold_whole_batches(size: int) -> None:
    with pytest.raises(RequestError, match="multiple of 250"):
        Plan(1, 1_000, 0, size)


def test_large_samples_come_in_smaller_shards() -> None:
    assert usual_size((1, 28, 28)) == usual_size((2,)) == 10_000
    assert usual_size((3, 256, 256)) == 250
    assert usual_size((3, 128, 128)) == 1_250
