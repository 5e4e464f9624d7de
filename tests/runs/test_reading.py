import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import Model, build
from condgen.pixels import as_uint8
from condgen.rng import Rng
from condgen.runs import reading
from condgen.runs.reading import likeliest
from condgen.schema import Categorical, Condition, LabelDistribution, Schema
from tests.export.untrained import untrained

SCHEMA = Schema(attributes=tuple(Categorical(name=name, values=tuple("abcdef")) for name in ("one", "two", "three")))


class Exact(Model):
    """Observations are the codes of their condition. The fewer samples, the rougher the estimate."""

    def __init__(self) -> None:
        super().__init__(SCHEMA, (3,))
        self.somewhere = torch.nn.Parameter(torch.zeros(()))
        self.asked: list[tuple[int, int]] = []

    def sample(self, condition: Condition, rng: Rng) -> Float[Tensor, "batch 3"]:
        return codes(condition)

    def log_likelihood(
        self, x: Tensor, condition: Condition, samples: int, generator: torch.Generator
    ) -> Float[Tensor, " batch"]:
        self.asked.append((samples, len(x)))
        noise = torch.randn(len(x), generator=generator)
        return -100 * (x != codes(condition)).sum(1) + 20 * noise / samples


def codes(condition: Condition) -> Float[Tensor, "batch 3"]:
    return torch.stack([condition.values[name] for name in SCHEMA.names], 1).float()


def everything() -> LabelDistribution:
    """All 216 combinations. The first are 40 times as frequent as the last."""
    grid = torch.cartesian_prod(*[torch.arange(6.0)] * 3)
    rows = Condition(SCHEMA, {name: grid[:, k] for k, name in enumerate(SCHEMA.names)}, torch.ones(216, 3).bool())
    return LabelDistribution(rows, torch.linspace(40, 1, 216))


def test_a_rare_combination_is_read_too_and_few_candidates_are_looked_at_closely() -> None:
    joint, model = everything(), Exact()
    x = codes(joint.rows[[0, 100, 215]])
    assert torch.equal(codes(likeliest(model, joint, x, samples=8)), x)
    assert sum(n for samples, n in model.asked if samples == 8) <= 3 * 8
    assert sum(n for samples, n in model.asked if samples == 1) < 3 * 110  # of 216: the first 64, then neighbours


def test_a_run_reads_what_it_edits() -> None:
    run = untrained("cvae")
    samples = run.sample(n=3, seed=1)
    as_bytes = as_uint8(samples.x)
    expected = run.read(as_bytes.float() / 255).rows()
    assert run.read(as_bytes).rows() == run.read(as_bytes.numpy()).rows() == expected
    assert len(run.read(samples)) == 3
    with pytest.raises(RequestError, match="Give one or more observations of shape"):
        run.read(as_bytes[0])


def test_only_the_most_frequent_combinations_are_candidates() -> None:
    joint = everything()
    read = likeliest(Exact(), joint, codes(joint.rows[[215]]), most=100)
    assert not torch.equal(codes(read), codes(joint.rows[[215]]))


def test_a_flow_compares_candidates_along_the_same_directions_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A density of 40 values is estimated along random directions, whose noise is larger than what candidates differ
    by.
    """
    model, joint = build("flow", SCHEMA, (40,), channels=8, depth=1, embedding=8, steps=2).eval(), everything()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    pairs = torch.stack([torch.arange(3).repeat_interleave(4), torch.arange(4).repeat(3)], 1)

    def scores() -> Tensor:
        return reading._log_likelihood(model, torch.ones(3, 40), joint.rows, pairs, 1)  # type: ignore[arg-type]

    whole = scores()
    monkeypatch.setattr(reading, "BATCH", 5)
    torch.testing.assert_close(scores(), whole)
