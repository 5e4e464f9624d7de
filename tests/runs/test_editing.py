import inspect

import pytest
import torch

from condgen.data import Splits, as_float
from condgen.errors import RequestError
from condgen.runs.editing import SIZE, STRENGTH, STRONGEST, EditOptions, edited, parse_strength, strengths, within
from condgen.runs.run import Run
from condgen.schema import Condition, Continuous, Flag, Schema


def test_an_edit_that_changes_nothing_gives_back_the_original(run: Run, digits: Splits) -> None:
    x, c = as_float(digits.test.x[:6]), digits.test.condition[:6]
    torch.testing.assert_close(edited(run.model, x, c, c, EditOptions()), x)
    assert not torch.allclose(edited(run.model, x, c, c, EditOptions(decoded=True)), x, atol=0.05)


def test_the_change_is_put_onto_the_original_as_strongly_as_asked(run: Run, digits: Splits) -> None:
    x, c = as_float(digits.test.x[:6]), digits.test.condition[:6]
    target = c.with_codes("digit", (c.values["digit"] + 1) % 10)
    with torch.inference_mode():
        change = run.model.edit(x, c, target) - run.model.edit(x, c, c)  # type: ignore[operator]
    for strength in (0.5, 2):
        made = edited(run.model, x, c, target, EditOptions(strength=strength))
        torch.testing.assert_close(made, (x + strength * change).clamp(0, 1))


def test_batches_change_nothing(run: Run, digits: Splits) -> None:
    x, c = as_float(digits.test.x[:7]), digits.test.condition[:7]
    target = c.with_codes("digit", torch.zeros(7))
    torch.testing.assert_close(edited(run.model, x, c, target, batch=3), edited(run.model, x, c, target))


def test_a_model_that_loses_nothing_is_asked_for_all_of_the_edit(run: Run, flow: Run) -> None:
    assert EditOptions.suited(flow.model).decoded
    assert EditOptions.suited(run.model) == EditOptions()


AGED = Schema(attributes=(Flag(name="bright"), Continuous(name="age", low=0, high=100)))


def of(n: int, **values: float) -> Condition:
    return Condition.of(AGED, [{"bright": 0, "age": 20} | values] * n)


def test_small_changes_are_exaggerated_until_they_show() -> None:
    changes = torch.tensor([0.5, SIZE / 2, SIZE / 3, 0.001, 0.0])
    change = changes[:, None, None, None] * torch.ones(5, 3, 4, 4)
    found = strengths(change, of(5), of(5, bright=1))
    torch.testing.assert_close(found.flatten(), torch.tensor([STRENGTH, 2.0, 3.0, STRONGEST, STRONGEST]))


def test_a_number_that_was_asked_for_is_not_overshot() -> None:
    change = torch.full((2, 3, 4, 4), 0.001)
    target = Condition.cat([of(1, age=30), of(1, bright=1)])
    assert strengths(change, of(2), target).flatten().tolist() == [STRENGTH, STRONGEST]


def test_each_image_of_an_edit_has_its_own_strength(run: Run, digits: Splits) -> None:
    x, c = as_float(digits.test.x[:6]), digits.test.condition[:6]
    target = c.with_codes("digit", torch.zeros(6))
    with torch.inference_mode():
        change = run.model.edit(x, c, target) - run.model.edit(x, c, c)  # type: ignore[operator]
    made = edited(run.model, x, c, target, EditOptions(strength="auto"), batch=4)
    torch.testing.assert_close(made, (x + strengths(change, c, target) * change).clamp(0, 1))
    torch.testing.assert_close(edited(run.model, x, c, c, EditOptions(strength="auto")), x)


def test_changes_of_vectors_have_no_common_scale() -> None:
    with pytest.raises(RequestError, match="is for images"):
        strengths(torch.ones(2, 3), of(2), of(2, bright=1))


@pytest.mark.parametrize("strength", [0, -1, float("inf"), float("nan")])
def test_a_strength_that_cannot_be_meant_is_refused(strength: int | float) -> None:
    with pytest.raises(RequestError, match="above 0"):
        EditOptions(strength=strength)


def test_a_strength_in_words_is_a_number_or_auto() -> None:
    assert [parse_strength(text) for text in ("2", "0.5", "auto")] == [2.0, 0.5, "auto"]
    with pytest.raises(RequestError, match="not 'strong'"):
        parse_strength("strong")


def test_a_strength_that_decoding_anew_would_not_use_is_refused() -> None:
    with pytest.raises(RequestError, match="leave out `decoded` or `strength`"):
        EditOptions(decoded=True, strength=2.0)


def test_a_mask_keeps_what_is_outside_of_it(run: Run, digits: Splits) -> None:
    x, c = as_float(digits.test.x[:4]), digits.test.condition[:4]
    mask = torch.zeros(x.shape[2:])
    mask[:4] = 1
    mask[4] = 0.5
    whole, top = (run.edit(x, c, "digit=8", mask=m).x for m in (None, mask))
    torch.testing.assert_close(top[:, :, :4], whole[:, :, :4])
    torch.testing.assert_close(top[:, :, 4], (x + whole)[:, :, 4] / 2)
    torch.testing.assert_close(top[:, :, 5:], x[:, :, 5:])


def test_each_image_may_have_a_mask_of_its_own() -> None:
    x, changed = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    mask = torch.stack([torch.zeros(4, 4), torch.ones(4, 4)])
    assert within(mask, x, changed).flatten(1).sum(1).tolist() == [0, 48]


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 4), (1, 3, 4, 4)])
def test_a_mask_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match="does not fit observations of 3 × 4 × 4"):
        within(torch.ones(shape), torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4))


@pytest.mark.parametrize("value", [255, -0.5, float("nan")])
def test_a_mask_is_of_numbers_from_0_to_1(value: int | float) -> None:
    mask = torch.ones(4, 4)
    mask[1, 2] = value
    with pytest.raises(RequestError, match="numbers from 0 to 1"):
        within(mask, torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4))


# ---- arguments


def test_samples_and_parts_of_data_are_edited_by_keywords(run: Run, digits: Splits) -> None:
    """They have a condition, so nothing needs to be said but the change."""
    for some in (run.sample("digit=7", n=3), digits.test[:3]):
        whole = run.edit(as_float(some.x), some.condition, "digit=1")
        assert whole.condition.describe() == ["digit=1"] * 3
        for edited_ in (run.edit(some, digit=1), run.edit(some, "digit=1"), run.edit(some, {"digit": 1})):
            assert torch.equal(edited_.x, whole.x)


def test_bare_observations_are_read_first(run: Run, digits: Splits) -> None:
    some = digits.test[:3]
    expected = run.edit(as_float(some.x), run.read(as_float(some.x)), "digit=1")
    assert torch.equal(run.edit(some.x, digit=1).x, expected.x)


def test_wrong_arguments_of_an_edit_are_named(run: Run, digits: Splits) -> None:
    some = digits.test[:2]
    for wrong, message in (
        (lambda: run.edit(some), "Say what to change"),
        (lambda: run.edit(some, "digit=1", digit=2), "not both"),
        (lambda: run.edit(some, strenght=2), "setting of an edit 'strenght'"),
        (lambda: run.edit(some, "digit=1", "digit=2"), "is a condition"),
    ):
        with pytest.raises(RequestError, match=message):
            wrong()


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (2, 3, 8, 8), (2, 1, 4, 4), (8, 8)])
def test_observations_that_do_not_fit_are_refused(run: Run, shape: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match=r"one or more observations of shape \(n, 1, 8, 8\), not"):
        run.edit(torch.zeros(shape), digit=1)


def test_a_notebook_completes_the_attributes_of_an_edit(run: Run) -> None:
    assert {"digit", "mask"} <= inspect.signature(run.edit).parameters.keys()
