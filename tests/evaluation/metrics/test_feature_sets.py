from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import torch
from prdc import compute_prdc
from torch import Tensor

from condgen.data import Dataset
from condgen.data.synthetic.mixture import Mixture
from condgen.errors import DataError, RequestError
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.distances import (
    distances,
    frechet,
    frechet_distance,
    kernel_distance,
    precision_recall,
    spread_within,
)
from condgen.evaluation.metrics.estimate import Estimate
from condgen.evaluation.metrics.feature_sets import (
    FeatureSet,
    Fidelity,
    features,
    fidelity,
    fidelity_in_judge_features,
    too_few,
)
from condgen.runs.samples import Samples
from condgen.schema import Categorical, Condition, Flag, Schema

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


# ---- kernel distance


def kernel_by_pairs(a: Tensor, b: Tensor) -> float:
    def k(x: Tensor, y: Tensor) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    within = [np.mean([k(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j]) for s in (a, b)]
    return float(sum(within) - 2 * np.mean([k(x, y) for x in a for y in b]))


def test_the_kernel_distance_is_that_of_its_definition_for_sets_of_unequal_size() -> None:
    a, b = set_of(14, 4, seed=1).double(), set_of(9, 4, seed=2).double()
    assert kernel_distance(a, b).value == pytest.approx(kernel_by_pairs(a, b), rel=1e-9)
    assert kernel_distance(b, a).value == pytest.approx(kernel_by_pairs(a, b), rel=1e-9)


def test_the_kernel_distance_is_that_of_the_distributions_whatever_the_number_of_samples() -> None:
    """Between N(m, 1) and N(0, 1): (xy + 1)³ has the features 1, √3 x, √3 x², x³, whose means differ."""
    m = 0.5
    moments = [1.0, m, m**2 + 1, m**3 + 3 * m], [1.0, 0.0, 1.0, 0.0]
    differences = [a - b for a, b in zip(*moments, strict=True)]
    truth = sum(c * d**2 for c, d in zip((1, 3, 3, 1), differences, strict=True))
    for n in (20, 200):
        found = [kernel_distance(torch.randn(n, 1) + m, torch.randn(n, 1)).value for _ in range(8_000 // n)]
        error = np.std(found) / len(found) ** 0.5
        assert np.mean(found) == pytest.approx(truth, abs=4 * error)


# ---- intervals


def spread_and_claim(
    distance: Callable[[Tensor, Tensor], Estimate], n: int, m: int, width: int = 8, times: int = 100
) -> tuple[float, float]:
    """The standard deviation of a distance over draws, and the mean of what its intervals claim."""
    found = [distance(torch.randn(n, width) + 0.5, 1.2 * torch.randn(m, width)) for _ in range(times)]
    claims = [(f.high - f.low) / 2 / 1.96 for f in found]
    return float(np.std([f.value for f in found])), float(np.mean(claims))


@pytest.mark.parametrize("distance", [frechet, kernel_distance])
@pytest.mark.parametrize(("n", "m"), [(100, 800), (800, 100)])
def test_intervals_of_distances_are_as_wide_as_new_draws_spread(
    distance: Callable[[Tensor, Tensor], Estimate], n: int, m: int
) -> None:
    spread, claim = spread_and_claim(distance, n, m)
    assert claim == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize("distance", [frechet, kernel_distance])
def test_intervals_between_equal_distributions_are_never_too_narrow(
    distance: Callable[[Tensor, Tensor], Estimate],
) -> None:
    """There the derivative vanishes, and to first order alone a lucky draw would look certain."""
    found = [distance(torch.randn(200, 2), torch.randn(200, 2)) for _ in range(100)]
    spread = np.std([f.value for f in found])
    assert min(f.high - f.low for f in found) / 2 / 1.96 > 0.5 * spread
    middle = np.mean([f.value for f in found])
    assert np.mean([f.low <= middle <= f.high for f in found]) >= 0.95


# ---- precision, recall, density, coverage


def test_three_neighbours_make_the_manifold_unless_said_otherwise() -> None:
    real, made = torch.randn(40, 3), 1.3 * torch.randn(30, 3) + 0.5
    answers = [precision_recall(real, made, k) for k in (2, 3, 4)]
    assert precision_recall(real, made) == answers[1] not in (answers[0], answers[2])


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


# ---- one set against another


CLUSTERED = torch.cat([set_of(300, 24, seed=3), set_of(200, 24, seed=4)])


def apart(found: Estimate, other: Estimate) -> bool:
    """Whether two intervals have nothing in common."""
    return found.low > other.high or other.low > found.high


@pytest.mark.parametrize(("n", "m"), [(200, 300), (300, 120)])
def test_every_distance_agrees_with_public_packages(n: int, m: int) -> None:
    from torchmetrics.image.fid import _compute_fid  # imported here, since it takes seconds
    from torchmetrics.image.kid import poly_mmd

    made, real = 1.1 * CLUSTERED[:300][torch.randperm(300)[:n]], CLUSTERED[torch.randperm(500)[:m]]  # of one cluster
    made = made + 0.5 * torch.randn_like(made)
    found = distances(made, real)
    for k, names in ((3, ("precision", "recall")), (5, ("density", "coverage"))):
        theirs = compute_prdc(real.double().numpy(), made.double().numpy(), nearest_k=k)
        for name in names:
            assert getattr(found, name).value == pytest.approx(theirs[name], abs=1e-4)
            assert 0.05 < theirs[name] < 0.99 or name == "density"
    moments = [m for x in (made.double(), real.double()) for m in (x.mean(0), torch.cov(x.T))]
    assert found.frechet.value == pytest.approx(float(_compute_fid(*moments)), rel=1e-4)
    least = min(n, m)  # theirs takes sets of equal size
    theirs_kernel = poly_mmd(real[:least].double(), made[:least].double())
    assert distances(made[:least], real[:least]).kernel.value == pytest.approx(float(theirs_kernel), rel=1e-4)


def test_identical_sets_are_as_near_as_can_be() -> None:
    found = distances(CLUSTERED, CLUSTERED.flip(0))
    assert found.n == 500
    assert found.frechet.value == pytest.approx(0, abs=1e-6)
    assert [found.precision.value, found.recall.value, found.coverage.value] == [1, 1, 1]
    assert found.kernel.value <= 0  # unbiased: pairs of an observation and itself are left out of one side only
    assert found.diversity == pytest.approx(1)


def test_every_value_lies_in_its_interval() -> None:
    found = distances(torch.randn(80, 5) + 0.3, torch.randn(90, 5))
    estimates = [value for value in vars(found).values() if isinstance(value, Estimate)]
    assert len(estimates) == 6
    assert all(e.low < e.value < e.high for e in estimates)


def test_density_is_one_for_real_data_and_falls_outside_its_manifold() -> None:
    real = torch.randn(600, 4)
    assert distances(torch.randn(600, 4), real).density.value == pytest.approx(1, abs=0.15)
    assert distances(torch.randn(600, 4) * 3, real).density.value < 0.3


def test_neighbours_look_at_no_more_than_5_000_of_each_drawn_at_random() -> None:
    real = torch.randn(400, 3)
    made = torch.cat([torch.randn(5_000, 3), torch.randn(5_000, 3) + FAR])
    found = distances(made, real)
    assert found.n == 10_000
    assert found.precision.value == pytest.approx(0.5, abs=0.05)
    n = 5_000 / (found.precision.value * (1 - found.precision.value)) ** 0.5
    assert found.precision.high - found.precision.low == pytest.approx(2 * 1.96 * 5_000**0.5 / n, rel=0.05)


def test_a_set_that_is_not_finite_or_too_small_is_refused() -> None:
    x = torch.randn(30, 4)
    broken = x.clone()
    broken[3, 1] = torch.nan
    with pytest.raises(DataError, match="1 of 30"):
        distances(broken, x)
    with pytest.raises(RequestError, match="Ask for more samples"):
        distances(x[:5], x)


# ---- all together, within conditions


def world(n: int, seed: int) -> Dataset:
    condition = WORLD.conditions(n, seed).select(["side"])
    return drawn(WORLD.conditions(n, seed), condition, seed)


def drawn(truth: Condition, shown: Condition, seed: int) -> Dataset:
    return Dataset(WORLD.sample(truth, torch.Generator().manual_seed(seed)), shown)


TRAIN, TEST = world(1_600, seed=1), world(1_200, seed=2)


def as_set(data: Dataset) -> FeatureSet:
    """The two coordinates are features enough."""
    return FeatureSet(data.floats, data.condition)


def measured(made: Dataset, train: Dataset = TRAIN, test: Dataset = TEST) -> Fidelity:
    return fidelity(as_set(made), as_set(test), as_set(train))


def test_held_out_data_is_at_the_floor() -> None:
    found = measured(world(1_200, seed=3))
    pairs = [(found.overall, found.floor), *((w.made, w.floor) for w in found.within)]
    assert len(pairs) == 5
    for made, floor in pairs:
        assert made.n == floor.n
        for name in ("frechet", "kernel", "precision", "recall", "density", "coverage"):
            assert not apart(getattr(made, name), getattr(floor, name)), name
        assert made.diversity == pytest.approx(floor.diversity, abs=0.1)


def test_a_generator_that_ignores_its_condition_looks_fine_overall_and_is_bad_within() -> None:
    made = world(1_200, seed=3)
    ignorant = replace(made, condition=made.condition[torch.randperm(1_200)])
    found = measured(ignorant)
    for name in ("frechet", "precision", "recall", "coverage"):
        assert not apart(getattr(found.overall, name), getattr(found.floor, name))
        assert all(apart(getattr(w.made, name), getattr(w.floor, name)) for w in found.within if name != "recall")
    assert found.intra_frechet > 20 * found.intra_frechet_floor
    assert found.intra_precision < 0.5 * found.intra_precision_floor


def test_a_generator_that_drops_a_mode_of_every_condition_loses_recall_and_coverage_and_no_precision() -> None:
    truth = WORLD.conditions(1_200, seed=3)
    x = WORLD.modes(truth)[:, 0] + WORLD.scale * torch.randn(1_200, 2)
    found = measured(Dataset(x, truth.select(["side"])))
    for w in found.within:
        assert not w.made.precision.high < w.floor.precision.low
        assert w.made.recall.high < w.floor.recall.low
        assert w.made.coverage.high < w.floor.coverage.low
        assert w.made.coverage.value < 0.75
    assert found.intra_coverage == pytest.approx(np.mean([w.made.coverage.value for w in found.within]))
    assert found.intra_recall == pytest.approx(np.mean([w.made.recall.value for w in found.within]))


def test_conditions_are_named_and_one_bad_one_is_found() -> None:
    made = world(1_200, seed=3)
    west = made.condition.values["side"] == 2
    found = measured(replace(made, observations=torch.where(west[:, None], made.x + 1, made.x)))
    assert [w.condition for w in found.within] == ["side=east", "side=north", "side=west", "side=south"]
    assert [apart(w.made.frechet, w.floor.frechet) for w in found.within] == [False, False, True, False]


def test_samples_and_training_data_are_compared_in_equal_numbers_drawn_at_random() -> None:
    made = world(1_200, seed=3)
    in_order = made[made.condition.values["side"].argsort()]
    found = measured(in_order, train=TRAIN[:300])
    assert found.overall.n == found.floor.n == 300
    assert found.overall.recall.value > 0.85  # the first 300 in order would show one side only
    assert all(w.made.n == w.floor.n <= 300 for w in found.within)
    assert measured(made).overall.n == 1_200


def test_labels_are_told_apart_by_each_sets_own_condition_whatever_its_order() -> None:
    order = torch.randperm(1_200)
    found = measured(TEST[order])
    assert found.overall.frechet.value == pytest.approx(0, abs=1e-6)
    assert found.overall.diversity == pytest.approx(1, rel=1e-4)
    assert found.intra_frechet < 0.02


def test_diversity_is_that_within_a_condition() -> None:
    sides = TEST.condition.values["side"].long()
    centres = torch.stack([TEST.floats[sides == k].mean(0) for k in range(4)])
    copies = replace(TEST, observations=centres[sides])
    assert measured(copies).overall.diversity == pytest.approx(0, abs=1e-6)
    assert distances(copies.x, TEST.x).diversity > 0.5


def test_with_several_attributes_the_common_combinations_are_measured() -> None:
    names = ["side", "far"]
    made, train, test = (drawn(truth := WORLD.conditions(600, seed), truth.select(names), seed) for seed in (3, 1, 2))
    found = measured(made, train, test)
    assert len(found.within) == 8
    assert {"side=east, far=no", "side=south, far=yes"} <= {w.condition for w in found.within}


def test_what_leaves_an_attribute_free_counts_overall_and_within_no_condition() -> None:
    free = replace(TEST, condition=TEST.condition.drop(torch.arange(1_200)[:, None] % 2 == 0))
    found = measured(TEST, test=free)
    assert found.overall.n == 1_200
    assert sum(w.made.n for w in found.within) <= 600
    assert found.overall.frechet.value == pytest.approx(0, abs=1e-6)
    assert found.overall.diversity == pytest.approx(1, abs=0.05)


def test_without_attributes_there_is_an_overall_distance_and_nothing_within() -> None:
    made, real, floor = (FeatureSet(torch.randn(60, 3), Condition.free(Schema(), 60)) for _ in range(3))
    found = fidelity(made, real, floor, name="pixels")
    assert found.features == "pixels"
    assert found.within == ()
    assert np.isnan(found.intra_frechet)
    assert found.overall.diversity == pytest.approx(1, abs=0.2)


def test_sets_labelled_differently_are_refused() -> None:
    other = Schema(attributes=(Flag(name="side"),))
    strange = FeatureSet(torch.randn(40, 2), Condition.free(other, 40))
    with pytest.raises(RequestError, match="labelled differently"):
        fidelity(strange, as_set(TEST), as_set(TRAIN))
    renamed = Schema(attributes=(Categorical(name="side", values=("north", "east", "west", "south")),))
    swapped = FeatureSet(TEST.floats, replace(TEST.condition, schema=renamed))
    with pytest.raises(RequestError, match="labelled differently"):
        fidelity(swapped, as_set(TEST), as_set(TRAIN))


def test_sets_of_other_features_are_refused() -> None:
    wider = FeatureSet(torch.randn(1_200, 3), TEST.condition)
    with pytest.raises(RequestError, match="2 and 3 features"):
        fidelity(wider, as_set(TEST), as_set(TRAIN))


def test_features_need_a_condition_each_and_must_be_finite() -> None:
    with pytest.raises(RequestError, match="30 observations but 1200"):
        FeatureSet(torch.randn(30, 2), TEST.condition)
    with pytest.raises(DataError, match="1200 of 1200"):
        FeatureSet(torch.full((1_200, 2), torch.inf), TEST.condition)


def test_measuring_leaves_the_global_stream_alone_and_repeats_exactly() -> None:
    made = world(400, seed=3)
    torch.manual_seed(5)
    first = measured(made)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), after)
    assert measured(made) == first


# ---- what cannot be trusted


def test_enough_observations_give_no_warning() -> None:
    assert too_few(measured(world(1_200, seed=3)), as_set(TEST)) == []


def test_too_few_samples_for_a_number_are_named_with_what_to_do() -> None:
    width = 300
    rows = torch.arange(400)
    real = FeatureSet(torch.randn(400, width), TEST.condition[rows])
    warnings = too_few(fidelity(real, real, real, name="judge"), real)
    assert [w.split()[0] for w in warnings] == ["Fréchet", "Precision,", "Fewer"]
    assert "600" in warnings[0]
    assert "1,000" in warnings[1]
    assert "side=" in warnings[2]


def test_a_condition_that_was_never_asked_for_is_missed() -> None:
    made = world(1_200, seed=3)
    found = measured(made[(made.condition.values["side"] != 2).nonzero()[:, 0]])
    assert [w.condition for w in found.within] == ["side=east", "side=north", "side=south"]
    assert any("within side=west" in text for text in too_few(found, as_set(TEST)))


def test_combinations_that_are_all_rare_are_missed() -> None:
    made, train, test = (drawn(c := WORLD.conditions(300, seed), c, seed) for seed in (3, 1, 2))
    found = measured(made, train, test)
    assert found.within == ()
    assert any("no combination of side, far, angle" in text for text in too_few(found, as_set(test)))


# ---- by a judge


def by_judge(samples: Samples) -> Fidelity:
    torch.manual_seed(0)
    return fidelity_in_judge_features(Judge(TEST.schema, (2,), width=16), samples, TRAIN, TEST)


def as_samples(data: Dataset, change: Callable[[Tensor], Tensor] = lambda x: x) -> Samples:
    return Samples(change(data.floats), data.condition, torch.arange(len(data)), torch.zeros(len(data)).long())


def test_fresh_real_data_is_as_near_as_the_floor_says_in_a_judges_features() -> None:
    found = by_judge(as_samples(world(1_200, seed=3)))
    assert found.features == "judge"
    assert not apart(found.overall.frechet, found.floor.frechet)
    assert found.overall.diversity == pytest.approx(1, abs=0.1)


def test_the_floor_is_the_distance_of_as_many_training_observations_drawn_at_random() -> None:
    torch.manual_seed(0)
    judge = Judge(TEST.schema, (2,), width=16)
    in_order = TRAIN[TRAIN.condition.values["side"].argsort()]
    floor = fidelity_in_judge_features(judge, as_samples(TEST[:400]), in_order, TEST).floor
    ordered = frechet_distance(features(judge, in_order.floats[:400]), features(judge, TEST.floats))
    assert floor.n == 400
    assert floor.frechet.value < ordered / 20


def test_samples_that_are_all_alike_have_no_diversity_and_cover_nothing() -> None:
    found = by_judge(as_samples(TEST, lambda x: x[:1].expand_as(x).contiguous()))
    assert found.overall.diversity == pytest.approx(0, abs=1e-6)
    assert found.overall.recall.value < 0.05
    assert found.overall.coverage.value < 0.05
    assert found.overall.frechet.value > 20 * found.floor.frechet.value


def test_features_are_those_of_a_judge_that_has_stopped_learning(people: Schema) -> None:
    judge, x = Judge(people, (1, 8, 8), width=8), torch.rand(12, 1, 8, 8)
    judge.train()
    seen = features(judge, x)
    torch.testing.assert_close(features(judge, x, batch=5), seen)
    torch.testing.assert_close(seen, judge.eval().features(x))
    assert seen.shape == (12, 8)
    assert not seen.requires_grad
