import numpy as np
import pytest
import torch
from torch import Tensor

from condgen.data import Dataset, Splits
from condgen.evaluation.judge.judge import Judge, Reading, train_judge
from condgen.evaluation.metrics.latents import posterior
from condgen.pages.html import Picture
from condgen.pages.sheets import MAX_COLUMNS, by_request, edits_sheet, nearest_training, traversals, worst_mistakes
from condgen.runs.run import Run
from condgen.schema import Condition, Schema


def pixels(picture: Picture) -> Tensor:
    return torch.from_numpy(np.array(picture.image))


@pytest.fixture(scope="module")
def judge(digits: Splits) -> Judge:
    return train_judge(digits.train.x, digits.train.condition, images=20_000)


def test_every_picture_answers_the_request_it_is_labelled_with(digits: Splits) -> None:
    sheet = by_request(digits.test)
    assert [label for label, _ in sheet.rows] == [f"digit={k}" for k in range(10)]
    for label, shown in sheet.rows:
        members = digits.test.x[digits.test.condition.values["digit"] == int(label[-1])][:MAX_COLUMNS]
        assert len(shown) == len(members)
        for picture, image in zip(shown, members, strict=True):
            assert torch.equal(pixels(picture), image[0])


def test_numbers_that_were_asked_stand_below_the_pictures(people: Schema) -> None:
    rows = [{"color": "red", "glasses": "no", "age": 20}, {"color": "blue", "glasses": "yes", "age": 70}]
    sheet = by_request(Dataset(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), Condition.of(people, rows)))
    assert [label for label, _ in sheet.rows] == ["color=red, Eyeglasses=no", "color=blue, Eyeglasses=yes"]
    assert [shown[0].caption for _, shown in sheet.rows] == ["age=20", "age=70"]


def test_only_mistakes_are_shown_the_surest_first(judge: Judge, digits: Splits) -> None:
    part = digits.test[:100]
    labels = part.condition.values["digit"].clone()
    labels[:7] = (labels[:7] + 1) % 10
    claimed = Dataset(part.x, part.condition.with_codes("digit", labels))
    read = judge.read(claimed.x)
    sheet = worst_mistakes(claimed, read)
    ((_, shown),) = sheet.rows
    wrong = int((read.condition.values["digit"] != labels).sum())
    assert len(shown) == min(wrong, 24)
    assert f"reads {wrong} otherwise" in sheet.note
    assert all(" reads " in p.caption for p in shown)
    doubt = read.log_prob("digit", labels)
    surest = [i for i in doubt.argsort().tolist() if read.condition.values["digit"][i] != labels[i]]
    for picture, i in zip(shown, surest, strict=False):
        assert torch.equal(pixels(picture), claimed.x[i][0])


def test_a_mistake_says_what_is_wrong_and_not_what_is_nearly_right(people: Schema) -> None:
    asked = Condition.of(people, [{"color": "red", "glasses": "no", "age": 20}] * 2)
    outputs = {
        "color": torch.tensor([[0.98, 0.01, 0.01], [0.01, 0.01, 0.98]]).log(),
        "Eyeglasses": torch.tensor([[0.9, 0.1], [0.9, 0.1]]).log(),
        "age": torch.tensor([[60.0], [21.0]]),
    }
    read = Reading(people, torch.zeros(2, 1), outputs, {"age": 5.0})
    ((_, shown),) = worst_mistakes(Dataset(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), asked), read).rows
    assert [p.caption for p in shown] == ["age=20 reads 60", "color=red reads blue"]


def test_without_mistakes_there_is_no_row(judge: Judge, digits: Splits) -> None:
    read: Reading = judge.read(digits.test.x)
    agreed = Dataset(digits.test.x, read.condition)
    assert worst_mistakes(agreed, read).rows == ()


def test_each_sample_stands_beside_the_training_images_nearest_to_it(digits: Splits) -> None:
    copies = Dataset(digits.train.x[5:8].clone(), digits.train.condition[5:8])
    others = digits.test[:20]
    made = Dataset(torch.cat([others.x, copies.x]), Condition.cat([others.condition, copies.condition]))
    rows = nearest_training(made, digits.train).rows
    for _, (sample, first, *_) in rows[:3]:
        assert torch.equal(pixels(sample), pixels(first))  # the copies come first, beside what they are copies of
        assert first.caption == "at 0.00"
    _, (sample, *neighbours) = rows[3]
    distance = (digits.train.floats - pixels(sample) / 255).flatten(1).norm(dim=1)
    assert torch.equal(pixels(neighbours[0]), digits.train.x[distance.argmin()][0])


def test_traversals_move_one_dimension_through_the_image_itself(run: Run, digits: Splits) -> None:
    sheet = traversals(run.model, digits.test[:200], dimensions=3)
    assert len(sheet.rows) == 3
    for label, shown in sheet.rows:
        assert label.startswith("dimension ")
        assert [p.caption for p in shown][0::4] == ["-2.5", "+0.0", "+2.5"]
        assert not torch.equal(pixels(shown[0]), pixels(shown[-1]))
    used = [float(label.split("(")[1].split()[0]) for label, _ in sheet.rows]
    assert used == sorted(used, reverse=True)


def test_the_middle_of_a_traversal_is_nearer_to_the_image_itself_than_its_ends(run: Run, digits: Splits) -> None:
    data, model = digits.test[:200], run.model
    with torch.inference_mode():
        itself = model.decode(posterior(model, data[:1]).mean, data[:1].condition)[0, 0] * 255
    rows = [[float((pixels(p) - itself).norm()) for p in shown] for _, shown in traversals(model, data, 3).rows]
    middle, ends = [row[4] for row in rows], [(row[0] + row[-1]) / 2 for row in rows]
    assert all(m < e / 2 for m, e in zip(middle, ends, strict=True))


def test_the_sheet_of_edits_shows_each_original_beside_its_edit(run: Run, digits: Splits) -> None:
    sheet = edits_sheet(run, digits.test, rows=3)
    assert [label for label, _ in sheet.rows] == digits.test.condition[:3].describe()
    for label, (original, edit) in sheet.rows:
        assert original.caption == "original"
        assert edit.caption.startswith("digit=")
        assert edit.caption != label
