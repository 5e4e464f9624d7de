"""The map of the latent space: told its condition, a CVAE keeps it out of the latent."""

import pytest
import torch

from condgen.data import Dataset, Splits
from condgen.errors import RequestError
from condgen.evaluation.latent_map import Encoding, encodings, latent_map, untold
from condgen.runs.run import Run
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

KINDS = Schema(attributes=(Categorical(name="letter", values=tuple("abcd")), Continuous(name="age", low=0, high=80)))


def known(letters: torch.Tensor, ages: torch.Tensor) -> Condition:
    return Condition(KINDS, {"letter": letters, "age": ages}, torch.ones(len(letters), 2, dtype=torch.bool))


def example(n: int, seed: int) -> tuple[torch.Tensor, Condition]:
    """Latents whose weakest direction tells the letter, and whose others are the age and noise."""
    generator = torch.Generator().manual_seed(seed)
    letters = torch.randint(4, (n,), generator=generator).float()
    z = torch.randn(n, 4, generator=generator) * torch.tensor([3.0, 2.0, 1.0, 0.05])
    ages = 40 + 10 * z[:, 0]
    z[:, 3] += 0.3 * letters
    return z, known(letters, ages.clamp(0, 80))


def test_a_linear_reader_tells_what_is_in_the_latents_and_nothing_else() -> None:
    (train, seen), (test, condition) = example(800, 0), example(400, 1)
    letters, ages = (latent_map(Encoding(train, test), KINDS[name], seen, condition) for name in ("letter", "age"))
    assert letters.reads > 0.9
    assert letters.chance == pytest.approx(0.25, abs=0.08)
    assert ages.reads > 0.9
    assert (ages.chance, ages.overlap) == (0.0, None)
    shuffled = seen[torch.randperm(len(seen), generator=torch.Generator().manual_seed(2))]
    for name in ("letter", "age"):
        nothing = latent_map(Encoding(train, test), KINDS[name], shuffled, condition)
        assert nothing.reads < 0.5


def test_axes_are_principal_or_tell_the_values_apart() -> None:
    (train, seen), (test, condition) = example(800, 0), example(400, 1)
    plain, telling = (
        latent_map(Encoding(train, test), KINDS["letter"], seen, condition, telling) for telling in (False, True)
    )
    assert plain.points.shape == telling.points.shape == (400, 2)
    assert abs(float(torch.corrcoef(torch.stack([plain.points[:, 0], test[:, 0]]))[0, 1])) > 0.98
    assert abs(float(torch.corrcoef(torch.stack([telling.points[:, 0], plain.codes]))[0, 1])) > 0.95
    number = latent_map(Encoding(train, test), KINDS["age"], seen, condition, telling=True)
    torch.testing.assert_close(number.points, plain.points)


def test_probabilities_are_read_as_the_most_likely_values() -> None:
    sure, z = Schema(attributes=(Flag(name="right"),)), torch.randn(200, 3)
    right, present = (z[:, 1] > 0).float(), torch.ones(200, 1, dtype=torch.bool)
    hard, soft = (Condition(sure, {"right": each}, present) for each in (right, 0.2 + 0.6 * right))
    expected, found = (latent_map(Encoding(z, z), sure["right"], each, each) for each in (hard, soft))
    assert (found.reads, found.chance, found.overlap) == (expected.reads, expected.chance, expected.overlap)
    assert found.reads > 0.9


def test_the_overlap_of_few_observations_is_unknown() -> None:
    (train, seen), (test, condition) = example(100, 0), example(10, 1)
    assert latent_map(Encoding(train, test), KINDS["letter"], seen, condition).overlap is None


@pytest.mark.parametrize("telling", [False, True])
def test_an_attribute_with_a_single_value_has_a_map(telling: bool) -> None:
    (train, seen), (test, condition) = example(100, 0), example(50, 1)
    same = [each.with_codes("letter", torch.zeros(len(each))) for each in (seen, condition)]
    found = latent_map(Encoding(train, test), KINDS["letter"], *same, telling)
    assert (found.reads, found.chance, found.overlap) == (1.0, 1.0, None)


def test_unknown_values_are_left_out() -> None:
    (train, seen), (test, condition) = example(100, 0), example(50, 1)
    lacking = condition.drop(torch.arange(50)[:, None].lt(20) & torch.tensor([True, False]))
    found = latent_map(Encoding(train, test), KINDS["letter"], seen, lacking)
    assert len(found.points) == len(found.codes) == 30


def test_untold_is_free_or_the_same_for_all(run: Run, points: Run) -> None:
    same = untold(run.model, run.joint, 3)
    assert same.complete
    assert len(set(same.describe())) == 1
    assert not untold(points.model, points.joint, 3).present.any()


def test_what_the_encoder_is_told_stays_out_of_the_latent(run: Run, unconditional: Run, digits: Splits) -> None:
    train, test = digits.train[:600], digits.test[:200]
    found = encodings(run.model, run.joint, train, test)
    told, not_told = (
        latent_map(found[name], run.schema["digit"], train.condition, test.condition) for name in ("told", "untold")
    )
    assert not_told.reads > told.reads + 0.1
    assert not_told.overlap < told.overlap  # type: ignore[operator]
    assert [*encodings(unconditional.model, unconditional.joint, train, test)] == ["told"]


def test_a_model_without_an_encoder_is_refused(digits: Splits, run: Run) -> None:
    from condgen import models

    gan = models.build("cgan", digits.schema, (1, 8, 8), channels=8, latent=4).eval()
    with pytest.raises(RequestError, match="cannot encode"):
        encodings(gan, run.joint, Dataset(digits.train.observations[:4], digits.train.condition[:4]), digits.test[:4])
