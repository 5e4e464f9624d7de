from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from condgen.data import Dataset
from condgen.models import FAMILIES, Model, build
from condgen.models.complaint import CLASSIFIER, COLLAPSE, IDLE, Complaint, faults
from condgen.models.latents.learning import LearningCodec
from condgen.rng import Rng
from condgen.schema import Categorical, Condition, Continuous, Flag, LabelDistribution, Schema
from condgen.training import condition_effect
from condgen.training.health import COLLAPSED, Health, examine, real_diversity, sample_diversity

LETTERS = Schema(attributes=(Categorical(name="letter", values=("a", "b", "c")), Flag(name="bold")))
NUMBERS = Schema(attributes=(Continuous(name="size", low=0, high=10),))
ROOT_2 = 2**0.5


# ---- how much real observations of one condition differ


def lettered(n: int, spread: float, dimension: int = 4) -> Dataset:
    """Letters far apart from each other, with this spread around each."""
    condition = Condition.of(LETTERS, [{"letter": "abc"[k % 3], "bold": k // 3 % 2} for k in range(n)])
    centre = 100 * condition.values["letter"] + 50 * condition.values["bold"]
    return Dataset(centre[:, None] + spread * torch.randn(n, dimension), condition)


@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_real_diversity_is_that_within_a_value_of_every_attribute(spread: float) -> None:
    assert real_diversity(lettered(3_000, spread)) == pytest.approx(ROOT_2 * spread, rel=0.08)


def test_real_diversity_does_not_depend_on_how_the_data_is_sorted() -> None:
    condition = Condition.of(LETTERS, [{"letter": "abc"[k // 1_000], "bold": 0} for k in range(3_000)])
    spread = torch.tensor([1.0, 0.0, 2.0])[condition.values["letter"].long()]
    data = Dataset(spread[:, None] * torch.randn(3_000, 4), condition)
    expected = ROOT_2 * (5 / 3) ** 0.5
    assert real_diversity(data) == pytest.approx(expected, rel=0.12)
    assert real_diversity(data[torch.arange(2_999, -1, -1)]) == pytest.approx(expected, rel=0.12)


def test_real_diversity_is_the_same_every_time_and_leaves_the_global_stream_alone() -> None:
    data = lettered(600, 1.0)
    torch.manual_seed(1)
    found = real_diversity(data)
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)
    assert real_diversity(data) == found


def test_an_observation_is_not_its_own_partner() -> None:
    sizes = torch.arange(20.0).repeat(2) / 2
    condition = Condition.free(NUMBERS, 40).with_codes("size", sizes)
    x = torch.cat([torch.zeros(20, 3), torch.ones(20, 3)])
    assert real_diversity(Dataset(x, condition)) == 1


def test_partners_are_many_not_one_for_all() -> None:
    condition = Condition.of(LETTERS, [{"letter": "a", "bold": 0}] * 500)
    found = [real_diversity(Dataset(torch.randn(500, 1), condition)) for _ in range(6)]
    assert found == pytest.approx([ROOT_2] * 6, rel=0.2)


def test_with_numbers_partners_are_near_not_random() -> None:
    sizes = torch.rand(3_000) * 10
    condition = Condition.free(NUMBERS, 3_000).with_codes("size", sizes)
    x = 30 * sizes[:, None] + 0.5 * torch.randn(3_000, 8)
    anywhere = float((x - x[torch.randperm(3_000)]).square().mean().sqrt())
    found = real_diversity(Dataset(x, condition))
    assert found == pytest.approx(ROOT_2 * 0.5, rel=0.1)
    assert found < anywhere / 20


def test_the_scale_on_which_a_number_is_written_does_not_matter() -> None:
    sizes = torch.rand(500)
    x = sizes[:, None] + 0.01 * torch.randn(500, 2)
    found = [
        real_diversity(Dataset(x, Condition.free(schema, 500).with_codes("size", sizes * schema["size"].high)))  # type: ignore[union-attr]
        for schema in (Schema(attributes=(Continuous(name="size", low=0, high=high),)) for high in (1e-4, 1e4))
    ]
    assert found[0] == pytest.approx(found[1], rel=0.1)


def test_without_attributes_everything_is_of_one_condition() -> None:
    nothing = Schema(attributes=())
    x = torch.randn(2_000, 5) * 3
    assert real_diversity(Dataset(x, Condition.free(nothing, 2_000))) == pytest.approx(ROOT_2 * 3, rel=0.08)


def test_a_code_that_is_not_given_means_nothing() -> None:
    data = lettered(1_200, 0.1)
    absent = torch.zeros(1_200, 2, dtype=torch.bool)
    absent[:, 1] = True
    values = {**data.condition.values, "bold": torch.randint(0, 2, (1_200,)).float()}
    x = 100 * data.condition.values["letter"][:, None] + 0.1 * torch.randn(1_200, 4)
    x[:, 0] += 50 * values["bold"]
    unlabelled = Dataset(x, Condition(LETTERS, values, ~absent))
    found = real_diversity(unlabelled)
    assert found == pytest.approx(
        50 * ROOT_2 / 4, rel=0.1
    )  # half of the pairs differ by 50 in a quarter of the numbers
    assert found == real_diversity(Dataset(x, unlabelled.condition.with_codes("bold", torch.zeros(1_200))))


def test_images_are_compared_as_models_see_them() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).repeat_interleave(20)[:, None, None, None].expand(40, 1, 4, 4)
    condition = Condition.free(NUMBERS, 40).with_codes("size", torch.arange(20.0).repeat(2) / 2)
    assert real_diversity(Dataset(images.contiguous(), condition)) == 1


# ---- how much samples of one condition differ


class Noisy(Model):
    """Samples around centres that depend on the condition, with this spread."""

    def __init__(self, spread: float, apart: float = 10.0, conditional: bool = True):
        super().__init__(LETTERS, (4,))
        self.conditional = conditional
        self.where = nn.Parameter(torch.zeros(1))
        self.spread = spread
        self.apart = apart
        self.asked: list[Condition] = []

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        self.asked.append(condition)
        return self.apart * condition.values["letter"][:, None] + self.spread * rng.normal(4)


def joint() -> LabelDistribution:
    return LabelDistribution.of(lettered(300, 1.0).condition)


@pytest.mark.parametrize("spread", [0.0, 0.1, 2.0])
def test_sample_diversity_is_that_of_the_noise_under_one_condition(spread: float) -> None:
    assert sample_diversity(Noisy(spread), joint(), n=500) == pytest.approx(ROOT_2 * spread, rel=0.08)


def test_sample_diversity_asks_twice_for_the_same_conditions_as_in_the_data() -> None:
    model = Noisy(1.0)
    sample_diversity(model, joint(), n=60)
    first, second = model.asked
    assert first.rows() == second.rows()
    assert {tuple(row.items()) for row in first.rows()} == {tuple(row.items()) for row in joint().rows.rows()}


def test_a_look_is_relative_to_the_data_and_asks_for_the_effect_of_the_condition() -> None:
    model = Noisy(0.5)
    health = examine(model, joint(), real=2.0)
    assert health.diversity == pytest.approx(sample_diversity(model, joint()) / 2)
    assert health.diversity == pytest.approx(ROOT_2 * 0.5 / 2, rel=0.1)
    assert health.effect == condition_effect(model, joint())
    assert health.values() == {"diversity": health.diversity, "condition_effect": health.effect}


def test_a_model_without_condition_has_no_effect_to_look_at() -> None:
    health = examine(Noisy(0.5, apart=0.0, conditional=False), joint(), real=1.0)
    assert health.effect is None
    assert health.values() == {"diversity": health.diversity}


def test_data_without_any_diversity_does_not_break_a_look() -> None:
    assert examine(Noisy(1.0), joint(), real=0.0).diversity == 1


def test_samples_as_uniform_as_their_data_are_no_collapse() -> None:
    assert examine(Noisy(0.0), joint(), real=0.0).trouble(best=0.0, done=1.0) is None


def test_samples_that_need_not_vary_are_no_collapse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec decodes noise, so that a short run shows one texture."""
    assert not LearningCodec.varies
    model = Noisy(0.0)
    assert examine(model, joint(), real=1.0).trouble(best=0.0, done=1.0) is not None
    monkeypatch.setattr(model, "varies", False, raising=False)
    assert examine(model, joint(), real=1.0).trouble(best=0.0, done=1.0) is None


# ---- what counts as trouble


@pytest.mark.parametrize(
    ("diversity", "best", "done", "collapsed"),
    [
        (0.2, 0.9, 0.1, True),  # it was better
        (0.2, 0.5, 0.1, True),
        (0.2, 0.3, 0.1, False),  # never much better: it may be about to start
        (0.2, 0.3, 0.49, False),
        (0.2, 0.3, 0.5, True),
        (0.0, 0.0, 0.4, False),
        (0.0, 0.0, 0.6, True),
        (0.29, 0.0, 1.0, True),
        (0.31, 0.0, 1.0, False),
        (0.31, 2.0, 1.0, False),  # half of the best is a loss only where little is left
        (1.0, 1.0, 1.0, False),
    ],
)
@pytest.mark.parametrize("effect", [None, 0.5])
def test_collapse_is_told_at_once_when_it_was_better_before_and_else_after_half_the_run(
    diversity: float, best: float, done: float, collapsed: bool, effect: float | None
) -> None:
    trouble = Health(diversity, effect).trouble(best, done)
    assert bool(trouble) == collapsed
    if trouble:
        assert trouble.name == COLLAPSE
        assert ("too few images" in trouble.evidence) == (max(best, diversity) < COLLAPSED)  # it may just be young
        assert ("of one condition" in trouble.evidence) == (effect is not None)
        assert all(part in trouble.evidence for part in ("collapsed", f"{diversity:.2f}", f"{best:.2f}"))


@pytest.mark.parametrize(
    ("effect", "done", "ignored"),
    [(0.01, 0.4, False), (0.01, 0.5, True), (0.0, 1.0, True), (0.03, 1.0, False), (None, 1.0, False)],
)
def test_an_ignored_condition_is_told_after_half_the_run(effect: float | None, done: float, ignored: bool) -> None:
    trouble = Health(1.0, effect).trouble(best=1.0, done=done)
    assert bool(trouble) == ignored
    if trouble:
        assert trouble.name == IDLE
        assert all(part in trouble.evidence for part in ("ignores its condition", f"{effect:.3f}"))


def test_of_two_troubles_collapse_is_told_since_copies_cannot_obey() -> None:
    trouble = Health(0.0, 0.0).trouble(best=1.0, done=1.0)
    assert trouble
    assert trouble.name == COLLAPSE


# ---- what adversarial models say about their players


def complaints(name: str, values: Mapping[str, float]) -> list[Complaint]:
    return build(name, LETTERS, (1, 8, 8), channels=4).complaints(values)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"critic/wins": 0.99}, ["overpowers", "99%"]),
        ({"critic/wins": 0.97}, []),
        ({"critic/accuracy_real": 0.3, "critic/accuracy_fake": 0.9}, ["classifier has collapsed", "90%", "30%"]),
        ({"critic/accuracy_real": 0.7, "critic/accuracy_fake": 0.9}, []),
        ({"critic/accuracy_real": 0.1, "critic/accuracy_fake": 0.7}, []),  # nobody knows anything yet
        ({"critic/accuracy_real": 0.1}, []),
        ({"critic/accuracy_fake": 0.9}, []),
        ({}, []),
    ],
)
def test_what_a_gan_complains_of(values: dict[str, float], parts: list[str]) -> None:
    found = complaints("acgan", {"generator/loss": 1.0, **values})
    assert len(found) == bool(parts)
    assert all(part in found[0].evidence for part in parts)


def test_several_complaints_are_all_told() -> None:
    values = {"critic/wins": 1.0, "critic/accuracy_real": 0.2, "critic/accuracy_fake": 1.0}
    assert len(complaints("acgan", values)) == 2


def test_a_critic_that_wins_at_first_is_no_fault_yet() -> None:
    values = {"critic/wins": 1.0, "critic/accuracy_real": 0.2, "critic/accuracy_fake": 1.0}
    found = complaints("acgan", values)
    assert [each.name for each in faults(found, 250)] == [CLASSIFIER]
    assert faults(found, 500) == found


@pytest.mark.parametrize("name", FAMILIES)
def test_nobody_complains_of_nothing(name: str) -> None:
    assert complaints(name, {}) == []
