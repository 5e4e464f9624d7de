from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from condgen.data import Dataset
from condgen.data.mixture import Mixture
from condgen.evaluation.fidelity import (
    Fidelity,
    covered,
    features,
    fidelity,
    frechet_distance,
    precision_recall,
    spread_within,
)
from condgen.evaluation.judge import Judge
from condgen.samples import Samples
from condgen.schema import Condition, Schema

WORLD = Mixture()
FAR = 1e3


# ---- Fréchet distance


def set_of(n: int, features: int, seed: int) -> Tensor:
    """Correlated, off centre."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(features, features, generator=generator) + torch.eye(features)
    return torch.randn(n, features, generator=generator) @ mixing + torch.randn(features, generator=generator)


def by_definition(a: Tensor, b: Tensor) -> float:
    a, b = a.double().numpy(), b.double().numpy()  # type: ignore[assignment]
    covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(covariance_a @ covariance_b)
    shift = np.square(np.mean(a, 0) - np.mean(b, 0)).sum()  # type: ignore[call-overload]
    return float(shift + np.trace(covariance_a + covariance_b - 2 * np.real(root)))


def with_moments(mean: Tensor, scale: float, n: int = 50) -> Tensor:
    """A set with exactly this mean and the covariance scale² · I."""
    x = set_of(n, len(mean), seed=0).double()
    x = x - x.mean(0)
    whitened = torch.linalg.qr(x).Q * (n - 1) ** 0.5
    return mean.double() + scale * whitened


@pytest.mark.parametrize(("n", "m", "width"), [(100, 100, 3), (200, 60, 16), (40, 500, 8)])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_frechet_distance_is_that_of_its_definition(n: int, m: int, width: int, seed: int) -> None:
    a, b = set_of(n, width, seed), set_of(m, width, seed + 10)
    assert frechet_distance(a, b) == pytest.approx(by_definition(a, b), rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(6, 9), (5, 40), (40, 7)])
def test_the_frechet_distance_holds_with_fewer_samples_than_features(n: int, m: int) -> None:
    a, b = set_of(n, 20, seed=1), set_of(m, 20, seed=2)
    root = np.sqrt(np.linalg.eigvals(np.cov(a.double().numpy().T) @ np.cov(b.double().numpy().T)).astype(complex))
    squares = a.double().var(0).sum() + b.double().var(0).sum()
    shift = (a.double().mean(0) - b.double().mean(0)).square().sum()
    assert frechet_distance(a, b) == pytest.approx(float(shift + squares) - 2 * root.real.sum(), rel=1e-6)


@pytest.mark.parametrize(("n", "width"), [(100, 5), (6, 20)])
def test_a_set_is_at_distance_zero_from_itself_in_any_order(n: int, width: int) -> None:
    a = set_of(n, width, seed=3)
    variance = float(a.var(0).sum())
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9 * variance)
    assert frechet_distance(a, a.flip(0)) == pytest.approx(0, abs=1e-9 * variance)


def test_a_shift_costs_its_square_and_a_scale_the_square_of_its_change_per_feature() -> None:
    zero, shift = torch.zeros(4), torch.tensor([3.0, 0.0, -4.0, 1.0])
    assert frechet_distance(with_moments(zero, 1.0), with_moments(shift, 1.0)) == pytest.approx(26)
    assert frechet_distance(with_moments(zero, 1.0), with_moments(zero, 3.0)) == pytest.approx(4 * 2**2)
    assert frechet_distance(with_moments(zero, 0.5), with_moments(shift, 2.0)) == pytest.approx(26 + 4 * 1.5**2)


def test_the_frechet_distance_is_symmetric() -> None:
    a, b = set_of(30, 6, seed=4), set_of(70, 6, seed=5)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_the_frechet_distance_does_not_drown_in_a_large_mean() -> None:
    a, b = set_of(100, 4, seed=6).double(), set_of(100, 4, seed=7).double()
    near = frechet_distance(a.float(), b.float())
    assert frechet_distance((a + 100).float(), (b + 100).float()) == pytest.approx(near, rel=1e-3)


# ---- precision and recall


def covered_one_by_one(points: Tensor, manifold: Tensor, k: int) -> list[bool]:
    def distance(a: Tensor, b: Tensor) -> float:
        return float((a - b).square().sum().sqrt())

    radii = [sorted(distance(a, b) for j, b in enumerate(manifold) if j != i)[k - 1] for i, a in enumerate(manifold)]
    return [any(distance(p, m) <= radius for m, radius in zip(manifold, radii, strict=True)) for p in points]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_what_is_covered_is_what_a_loop_finds(k: int) -> None:
    real, made = torch.randn(40, 3), 1.3 * torch.randn(30, 3) + 0.5
    expected = covered_one_by_one(made, real, k)
    assert 0 < sum(expected) < len(expected)
    assert covered(made, real, k).tolist() == expected
    backwards = covered_one_by_one(real, made, k)
    precision, recall = precision_recall(real, made, k)
    assert precision == pytest.approx(sum(expected) / 30)
    assert recall == pytest.approx(sum(backwards) / 40)


def test_three_neighbours_make_the_manifold_unless_said_otherwise() -> None:
    real, made = torch.randn(40, 3), 1.3 * torch.randn(30, 3) + 0.5
    answers = [precision_recall(real, made, k) for k in (2, 3, 4)]
    assert precision_recall(real, made) == answers[1] not in (answers[0], answers[2])


def test_batches_do_not_change_what_is_covered() -> None:
    points, manifold = torch.randn(50, 4), 0.7 * torch.randn(45, 4)
    whole = covered(points, manifold, 3)
    assert 0 < whole.sum() < 50
    for batch in (1, 7, 45, 49, 50):
        assert torch.equal(covered(points, manifold, 3, batch), whole)


def test_a_set_covers_itself() -> None:
    x = torch.randn(60, 5)
    assert precision_recall(x, x) == (1, 1)


def test_a_part_of_the_data_is_precise_but_does_not_cover_the_rest() -> None:
    real = torch.randn(300, 2)
    precision, recall = precision_recall(real, real[real[:, 0] > 0.5])
    assert precision == 1
    assert recall < 0.6


def test_what_is_far_away_neither_looks_real_nor_covers_anything() -> None:
    assert precision_recall(torch.randn(50, 4), torch.randn(50, 4) + FAR) == (0, 0)


def modes(*centres: float, n: int = 60) -> Tensor:
    return torch.cat([torch.randn(n, 2) + centre for centre in centres])


def test_a_dropped_mode_costs_recall_and_no_precision() -> None:
    real = modes(0, FAR)
    whole, dropped = precision_recall(real, modes(0, FAR)), precision_recall(real, modes(0, 0))
    assert min(whole) > 0.85
    assert dropped[0] > 0.85
    assert dropped[1] == pytest.approx(0.5, abs=0.08)


def test_a_mode_of_noise_costs_precision_and_no_recall() -> None:
    precision, recall = precision_recall(modes(0, FAR), modes(0, FAR, 2 * FAR, 3 * FAR))
    assert precision == pytest.approx(0.5, abs=0.08)
    assert recall > 0.85


# ---- spread


def test_the_spread_is_the_mean_standard_deviation_within_a_value() -> None:
    x, codes = torch.randn(90, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.randint(0, 3, (90,)).float()
    x = x + 100 * codes[:, None]
    expected = np.mean([x[codes == c].numpy().std(0, ddof=1).mean() for c in range(3)])
    assert spread_within(x, codes) == pytest.approx(expected, rel=1e-5)


def test_a_value_seen_once_has_no_spread_to_average() -> None:
    x = torch.tensor([[0.0], [2.0], [50.0]])
    assert spread_within(x, torch.tensor([0.0, 0.0, 1.0])) == pytest.approx(2**0.5)
    assert spread_within(x, torch.tensor([0.0, 1.0, 2.0])) == 0


# ---- all together, by a judge


def world(n: int, seed: int) -> Dataset:
    condition = WORLD.conditions(n, seed)
    return Dataset(WORLD.sample(condition, torch.Generator().manual_seed(seed)), condition)


TRAIN, TEST = world(1_200, seed=1), world(400, seed=2)


def as_samples(data: Dataset, change: Callable[[Tensor], Tensor] = lambda x: x) -> Samples:
    return Samples(change(data.floats), data.condition, torch.arange(len(data)), torch.zeros(len(data)).long())


def measured(samples: Samples, attribute: str = "side", most: int = 5_000) -> Fidelity:
    torch.manual_seed(0)
    return fidelity(Judge(WORLD.schema, (2,), width=16), samples, TRAIN, TEST, attribute, most)


def test_held_out_data_itself_is_perfect() -> None:
    found = measured(as_samples(TEST))
    assert found.frechet == pytest.approx(0, abs=1e-6)
    assert (found.precision, found.recall) == (1, 1)
    assert found.diversity == pytest.approx(1)
    assert found.floor > 0


def test_fresh_real_data_is_as_near_as_the_floor_says() -> None:
    found = measured(as_samples(world(400, seed=3)))
    assert found.floor / 5 < found.frechet < 5 * found.floor
    assert min(found.precision, found.recall) > 0.85
    assert found.diversity == pytest.approx(1, abs=0.1)


def test_the_floor_is_the_distance_of_as_many_training_observations_drawn_at_random() -> None:
    torch.manual_seed(0)
    judge = Judge(WORLD.schema, (2,), width=16)
    real = features(judge, TEST.floats)
    in_order = TRAIN[TRAIN.condition.values["side"].argsort()]
    floor = fidelity(judge, as_samples(TEST), in_order, TEST, "side").floor
    assert floor < 5 * frechet_distance(features(judge, TRAIN.floats[:400]), real)
    assert floor != pytest.approx(frechet_distance(features(judge, TRAIN.floats), real), rel=1e-3)


def test_measuring_leaves_the_global_stream_alone_and_repeats_exactly() -> None:
    judge, samples = Judge(WORLD.schema, (2,), width=16), as_samples(TEST)
    torch.manual_seed(5)
    first = fidelity(judge, samples, TRAIN, TEST, "side")
    after = torch.rand(3)
    second = fidelity(judge, samples, TRAIN, TEST, "side")
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), after)
    assert second == first


def test_samples_that_are_all_alike_have_no_diversity_and_cover_nothing() -> None:
    found = measured(as_samples(TEST, lambda x: x[:1].expand_as(x).contiguous()))
    assert found.diversity == pytest.approx(0, abs=1e-6)
    assert found.recall < 0.05
    assert found.frechet > 20 * found.floor


def test_diversity_is_that_within_a_value_of_the_attribute_asked_about() -> None:
    sides = TEST.condition.values["side"].long()
    centres = torch.stack([TEST.floats[sides == k].mean(0) for k in range(4)])
    copies = as_samples(TEST, lambda x: centres[sides])
    assert measured(copies, "side").diversity == pytest.approx(0, abs=1e-6)
    assert measured(copies, "far").diversity > 0.5


def test_diversity_goes_by_what_the_samples_were_asked_for_not_by_the_order_of_the_data() -> None:
    order = torch.randperm(400)
    found = measured(as_samples(TEST[order]))
    assert found.diversity == pytest.approx(1, rel=1e-4)


def test_precision_and_recall_look_at_no_more_than_so_many() -> None:
    half_wrong = as_samples(TEST, lambda x: torch.cat([x[:200], x[200:] + FAR]))
    assert measured(half_wrong).precision == pytest.approx(0.5)
    assert measured(half_wrong, most=200).precision == 1
    assert measured(half_wrong, most=200).frechet == measured(half_wrong).frechet


def test_features_are_those_of_a_judge_that_has_stopped_learning(people: Schema) -> None:
    judge, x = Judge(people, (1, 8, 8), width=8), torch.rand(12, 1, 8, 8)
    judge.train()
    seen = features(judge, x)
    torch.testing.assert_close(features(judge, x, batch=5), seen)
    torch.testing.assert_close(seen, judge.eval().features(x))
    assert seen.shape == (12, 8)
    assert not seen.requires_grad


def test_real_observations_without_the_label_do_not_count_as_its_first_value() -> None:
    rows = torch.arange(400)
    unlabelled = rows % 2 == 0
    mask = torch.stack([unlabelled, torch.zeros(400).bool(), torch.zeros(400).bool()], dim=1)
    codes = torch.where(unlabelled, 0.0, TEST.condition.values["side"])
    condition = Condition(WORLD.schema, {**TEST.condition.values, "side": codes}, ~mask)
    half = replace(TEST, condition=condition)
    torch.manual_seed(0)
    judge = Judge(WORLD.schema, (2,), width=16)
    found = fidelity(judge, as_samples(TEST[rows[~unlabelled]]), TRAIN, half, "side")
    assert found.diversity == pytest.approx(1, rel=1e-4)
