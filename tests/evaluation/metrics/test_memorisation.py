import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from condgen.data import Mixture, Splits
from condgen.errors import DataError
from condgen.evaluation.metrics.estimate import Estimate
from condgen.evaluation.metrics.memorisation import memorisation, nearest

WORLD = Mixture()


def world(n: int, seed: int) -> Tensor:
    return WORLD.sample(WORLD.conditions(n, seed), torch.Generator().manual_seed(seed))


def noise(x: Tensor, scale: float) -> Tensor:
    return x + scale * torch.randn(x.shape, generator=torch.Generator().manual_seed(9))


def within(estimate: Estimate, value: float) -> bool:
    return estimate.low <= value <= estimate.high


TRAIN, HELD_OUT, FRESH = world(3_000, 1), world(600, 2), world(600, 3)


@pytest.fixture(scope="module")
def images(digits: Splits) -> tuple[Tensor, Tensor, Tensor]:
    """Training images, held-out ones, and others that were held out like them, all drawn alike."""
    x = torch.cat([digits.train.floats, digits.validation.floats, digits.test.floats])
    return tuple(x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))].split([1197, 300, 300]))  # type: ignore[return-value]


# ---- what is not to be accused


def test_fresh_points_are_not_accused() -> None:
    found = memorisation(FRESH, TRAIN, HELD_OUT)
    assert found.copies.value == pytest.approx(found.copies_real.value, abs=0.05)
    assert found.copies.value > 0.05  # by chance, in two dimensions
    assert within(found.nearer, 0.5)
    assert found.duplicates.value == pytest.approx(found.duplicates_real.value, abs=0.05)


def test_fresh_images_are_not_accused(images: tuple[Tensor, Tensor, Tensor]) -> None:
    train, held_out, fresh = images
    found = memorisation(fresh, train, held_out)
    assert max(found.copies.value, found.copies_real.value, found.duplicates.value) < 0.02
    assert within(found.nearer, 0.5)


def test_blur_and_averages_are_not_taken_for_copies(images: tuple[Tensor, Tensor, Tensor]) -> None:
    train, held_out, fresh = images
    blurred = avg_pool2d(fresh, 3, stride=1, padding=1)
    averages = (fresh + fresh.roll(1, 0)) / 2
    for made in (blurred, averages):
        found = memorisation(made, train, held_out)
        assert found.copies.value == 0
        assert within(found.nearer, 0.5)


def test_training_images_that_occur_twice_change_nothing(images: tuple[Tensor, Tensor, Tensor]) -> None:
    train, held_out, fresh = images
    assert memorisation(fresh, train.repeat(2, 1, 1, 1), held_out) == memorisation(fresh, train, held_out)
    twice = train.repeat_interleave(2, dim=0)
    assert memorisation(train[:200], twice, held_out).copies.value == 1


def test_data_on_a_grid_where_everything_has_been_seen_before_is_not_memorised() -> None:
    """Every distance is a tie: nothing tells training data and held-out data apart."""
    train, held_out, fresh = ((x * 2).round() for x in (TRAIN, HELD_OUT, FRESH))
    train = torch.cat([train, held_out.unique(dim=0), fresh.unique(dim=0)])
    held_out = torch.cat([held_out, fresh.unique(dim=0)])
    found = memorisation(fresh, train, held_out)
    assert found.copies.value == found.copies_real.value == 1
    assert within(found.nearer, 0.5)
    assert found.duplicates.value == pytest.approx(found.duplicates_real.value, abs=0.05)


def test_the_interval_of_nearer_holds_half_about_nineteen_times_in_twenty() -> None:
    """Even where many samples share few neighbours, so that they are far from independent."""
    repeats = 60
    sets = [world(1_400, seed).split([1_000, 300, 100]) for seed in range(100, 100 + repeats)]
    held = sum(within(memorisation(made, train, held_out).nearer, 0.5) for made, train, held_out in sets)
    assert held >= 0.87 * repeats


# ---- what is to be caught


def test_training_rows_are_copies(images: tuple[Tensor, Tensor, Tensor]) -> None:
    train, held_out, _ = images
    for made, seen, rest in ((train[:300], train, held_out), (TRAIN[:600], TRAIN, HELD_OUT)):
        found = memorisation(made, seen, rest)
        assert found.copies.value == 1
        assert found.nearer.value == 1
        assert found.nearer.low > 0.9
        assert found.copies_real.value < 0.3


def test_training_images_under_a_little_noise_are_copies(images: tuple[Tensor, Tensor, Tensor]) -> None:
    train, held_out, _ = images
    found = memorisation(noise(train[:300], 0.03), train, held_out)
    assert found.copies.value > 0.95
    assert found.nearer.low > 0.9


def test_noise_that_hides_a_copy_from_its_distances_does_not_hide_whose_neighbour_it_is(
    images: tuple[Tensor, Tensor, Tensor],
) -> None:
    train, held_out, _ = images
    found = memorisation(noise(train[:300], 0.15), train, held_out)
    assert found.copies.value < 0.3
    assert found.nearer.low > 0.8


def test_copies_of_any_training_row_count_however_small_the_held_out_part_is() -> None:
    """Compared with as small a part of the training data, hardly any copy would find its original."""
    assert memorisation(TRAIN[:600], TRAIN, HELD_OUT[:50]).nearer.low > 0.65


def test_a_copy_every_fourth_time_is_seen_as_that(images: tuple[Tensor, Tensor, Tensor]) -> None:
    train, held_out, fresh = images
    found = memorisation(torch.cat([train[:75], fresh[:225]]), train, held_out)
    assert found.copies.value == pytest.approx(0.25, abs=0.02)


def test_the_same_sample_again_and_again_is_a_duplicate_and_says_nothing_of_training() -> None:
    found = memorisation(FRESH[:1].repeat(500, 1), TRAIN, HELD_OUT)
    assert found.duplicates.value == 1
    assert found.duplicates_real.value < 0.2
    assert within(found.nearer, 0.5)


@pytest.mark.parametrize("copies", [1, 10, 50, 90])
def test_nearer_is_within_its_interval_however_few_samples_are_independent(copies: int) -> None:
    """Samples that fall on two places count as about two, of which no whole number is a share such as 5 %."""
    place, other = TRAIN[:1].repeat(copies, 1), HELD_OUT[:1].repeat(1_000 - copies, 1)
    found = memorisation(torch.cat([place, other]), TRAIN, HELD_OUT).nearer
    assert found.low <= found.value <= found.high


def test_every_sample_twice_is_a_duplicate_under_noise_too(images: tuple[Tensor, Tensor, Tensor]) -> None:
    train, held_out, fresh = images
    found = memorisation(torch.cat([fresh[:150], noise(fresh[:150], 0.005)]), train, held_out)
    assert found.duplicates.value == 1
    assert found.duplicates_real.value < 0.02
    assert found.copies.value < 0.02


def test_twins_are_looked_for_among_as_many_samples_as_held_out_observations() -> None:
    """Among more, points lie nearer to each other, which would be held against the samples."""
    found = memorisation(world(2_000, 5), TRAIN, HELD_OUT[:200])
    assert found.duplicates.value == pytest.approx(found.duplicates_real.value, abs=0.06)


def test_what_comes_first_does_not_stand_for_the_rest() -> None:
    made = torch.cat([FRESH[:1].repeat(300, 1), FRESH[:300]])
    assert memorisation(made, TRAIN, HELD_OUT[:300]).duplicates.value == pytest.approx(0.5, abs=0.1)


# ---- how


def test_measuring_repeats_exactly_and_leaves_the_global_stream_alone() -> None:
    torch.manual_seed(5)
    first, after = memorisation(FRESH, TRAIN, HELD_OUT, most=100), torch.rand(3)
    second = memorisation(FRESH, TRAIN, HELD_OUT, most=100)
    torch.manual_seed(5)
    assert first == second
    assert first != memorisation(FRESH, TRAIN, HELD_OUT, most=100, seed=1)
    assert torch.equal(torch.rand(3), after)


def test_bytes_and_floats_of_the_same_images_measure_the_same(digits: Splits) -> None:
    x = digits.train.x
    assert memorisation(x[:50], x[100:400], x[50:100]) == memorisation(
        x[:50].float() / 255, x[100:400].float() / 255, x[50:100].float() / 255
    )


@pytest.mark.parametrize(("train", "held_out"), [(TRAIN[:1], HELD_OUT), (TRAIN, HELD_OUT[:1].repeat(5, 1))])
def test_data_with_nothing_to_compare_are_refused(train: Tensor, held_out: Tensor) -> None:
    with pytest.raises(DataError, match="fewer than two different observations"):
        memorisation(FRESH, train, held_out)


@pytest.mark.parametrize("batch", [3, 50, 1_000])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_nearest_finds_what_comparing_all_finds(k: int, batch: int) -> None:
    made, train = torch.randn(40, 7), torch.randn(130, 7)
    distance, index = nearest(made, train, k, batch)
    expected = torch.cdist(made.double(), train.double()).sort()
    torch.testing.assert_close(distance, expected.values[:, :k].float())
    assert torch.equal(index, expected.indices[:, :k])


def test_distances_keep_their_digits_far_from_the_origin() -> None:
    made, train = 0.01 * torch.randn(30, 3, dtype=torch.double), 0.01 * torch.randn(300, 3, dtype=torch.double)
    far, near = nearest((made + 100).float(), (train + 100).float()), nearest(made.float(), train.float())
    assert (far[1] == near[1]).float().mean() > 0.95
    torch.testing.assert_close(far[0], near[0], rtol=0.05, atol=1e-4)
    assert nearest((train + 100).float(), (train + 100).float())[0].max() == 0


def test_an_image_is_nearest_to_itself_at_distance_zero(digits: Splits) -> None:
    x = digits.train.floats[:200]
    distance, index = nearest(x[50:60], x, 3)
    assert torch.equal(index[:, 0], torch.arange(50, 60))
    assert torch.equal(distance[:, 0], torch.zeros(10))
    assert (distance.diff(dim=1) >= 0).all()


def test_large_images_are_compared_by_their_pooled_pixels() -> None:
    made, train = torch.rand(3, 3, 64, 96), torch.rand(5, 3, 64, 96)
    pooled = [x.reshape(len(x), 3, 32, 2, 32, 3).mean((3, 5)).flatten(1) for x in (made, train)]
    torch.testing.assert_close(nearest(made, train)[0], torch.cdist(*pooled).min(1, keepdim=True).values)
    checks = torch.zeros(1, 1, 64, 64)
    checks[..., ::2, ::2] = checks[..., 1::2, 1::2] = 1
    assert nearest(checks, 1 - checks)[0].item() == 0
    assert nearest(checks[..., :32, :32], 1 - checks[..., :32, :32])[0].item() == pytest.approx(math.sqrt(32 * 32))
