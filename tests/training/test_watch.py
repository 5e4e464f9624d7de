"""The watch of rare combinations tells a model that shows them from one that does not."""

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset
from condgen.models import Model
from condgen.rng import Rng
from condgen.schema import Condition, Flag, Schema
from condgen.training.watch import EACH, Watch

SCHEMA = Schema(attributes=(Flag(name="old"), Flag(name="glasses")))


def people(n: int, seed: int = 0) -> Condition:
    drawn = torch.rand(2, n, generator=torch.Generator().manual_seed(seed)) < torch.tensor([[0.4], [0.2]])
    return Condition(SCHEMA, dict(zip(SCHEMA.names, drawn.float(), strict=True)), torch.ones(n, 2, dtype=torch.bool))


def pictures(condition: Condition, noise: Tensor) -> Tensor:
    """The left half is bright if old, the upper half if with glasses."""
    old, glasses = (condition.values[name][:, None, None, None] for name in SCHEMA.names)
    x = 0.3 + 0.1 * noise
    x[..., :8] += 0.3 * old
    x[..., :8, :] += 0.3 * glasses
    return x.clamp(0, 1)


class Painter(Model):
    """Paints what is asked, but for old people with glasses, who have none with this probability."""

    def __init__(self, lost: float):
        super().__init__(SCHEMA, (1, 16, 16))
        self.lost = torch.nn.Parameter(torch.tensor(lost))

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        both = condition.values["old"] * condition.values["glasses"]
        kept = (rng.uniform(1)[:, 0] >= self.lost).float()
        shown = condition.values["glasses"] * torch.where(both > 0, kept, 1.0)
        return pictures(condition.with_codes("glasses", shown), rng.normal(1, 16, 16))


@pytest.fixture(scope="module")
def watch() -> Watch:
    condition = people(3_000)
    x = pictures(condition, torch.randn(3_000, 1, 16, 16, generator=torch.Generator().manual_seed(1)))
    found = Watch.of(Dataset((255 * x).to(torch.uint8), condition))
    assert found is not None
    return found


def test_combinations_that_are_shown_go_the_whole_way_and_lost_ones_do_not(watch: Watch) -> None:
    shown, lost = (watch.worst(Painter(p)) for p in (0.0, 1.0))
    assert shown == pytest.approx(1, abs=0.15)
    assert lost < 0.6


def test_it_is_the_same_whenever_it_is_asked(watch: Watch) -> None:
    before = torch.random.get_rng_state()
    assert watch.worst(Painter(0.5)) == watch.worst(Painter(0.5))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert len(watch.asked) == EACH * len(watch.ways)


def test_where_nothing_can_be_watched_there_is_no_watch() -> None:
    condition = people(3_000)
    x = (255 * pictures(condition, torch.zeros(3_000, 1, 16, 16))).to(torch.uint8)
    assert Watch.of(Dataset(x, condition)) is not None
    assert Watch.of(Dataset(x[:50], condition[:50])) is None  # too few to compare with
    assert Watch.of(Dataset(x, condition.drop(torch.arange(3_000)[:, None] < 100))) is None  # not all are labelled
    assert Watch.of(Dataset(torch.zeros_like(x), condition)) is None  # nothing to be seen


def test_wide_vectors_are_not_watched() -> None:
    """The normal equations of a table of 50,000 columns would take 10 GB."""
    condition = people(300)
    narrow, wide = (condition.values["old"][:, None] + torch.randn(300, n) for n in (8, 1_025))
    assert Watch.of(Dataset(narrow, condition)) is not None
    assert Watch.of(Dataset(wide, condition)) is None
