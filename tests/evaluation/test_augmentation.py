"""Augmentation: what is missing, the dataset with generated examples, and what those are worth."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from condgen.data import Dataset, Splits, load
from condgen.errors import DataError, RequestError
from condgen.evaluation.augmentation import REAL, Share, Worth, augment, measure, repeated, shares
from condgen.requests import parse_requests
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.schema import Categorical, Condition, Continuous, Schema, Vector
from tests.conftest import Command

SIDES = Schema(attributes=(Categorical(name="side", values=("left", "right")), Continuous(name="x", low=0, high=10)))


def points(n: int, rare: int, wrong: bool = False, seed: int = 0) -> Dataset:
    """Points at ±1, of which few are on the right. wrong: with the opposite labels."""
    right = torch.arange(n) < rare
    x = torch.where(right, 1.0, -1.0)[:, None] + 0.3 * torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    rows = [{"side": "right" if r != wrong else "left", "x": k % 10} for k, r in enumerate(right.tolist())]
    return Dataset(x, Condition.of(SIDES, rows))


def splits(train: Dataset, test: Dataset) -> Splits:
    return Splits(train, test, test)


def generated(data: Dataset) -> Samples:
    none = torch.zeros(len(data), dtype=torch.long)
    return Samples(data.x, data.condition, none, none)


def test_every_value_is_brought_to_the_number_of_the_commonest() -> None:
    left, right = shares(points(50, rare=8), "side")
    assert (left.request.text, left.there, left.added) == ("side=left", 42, 0)
    assert (right.request.text, right.there, right.added) == ("side=right", 8, 34)
    assert [share.added for share in shares(points(50, rare=8), "side", to=60)] == [18, 52]
    assert [share.added for share in shares(points(50, rare=8), "side", to=20)] == [0, 12]


def test_a_number_is_cut_into_ranges() -> None:
    found = shares(points(50, rare=8), "x", to=30)
    assert [share.request.text for share in found] == [f"x={k}..{k + 2}" for k in range(0, 10, 2)]
    assert [share.there for share in found] == [15, 15, 15, 15, 10]  # the ends of a range belong to it


def test_unknown_values_are_of_no_value() -> None:
    data = points(50, rare=8)
    unknown = Dataset(data.x, data.condition.drop(torch.tensor([[True, False]] * 50)))
    with pytest.raises(RequestError, match="0 examples or more: nothing is missing"):
        shares(unknown, "side")


def test_what_cannot_be_balanced_is_refused() -> None:
    with pytest.raises(RequestError, match=r"25 examples or more.*`to=50`"):
        shares(points(50, rare=25), "side")
    schema = Schema(attributes=(Vector(name="emb", mean=(0.0, 0.0), scale=(1.0, 1.0)),))
    data = Dataset(torch.zeros(2, 2), Condition.of(schema, [{"emb": [0, 1]}] * 2))
    with pytest.raises(RequestError, match="'emb' has no values or ranges"):
        shares(data, "emb")


@pytest.mark.statistical
@pytest.mark.parametrize("wrong", [False, True])
def test_good_examples_are_worth_something_and_wrong_ones_do_harm(wrong: bool) -> None:
    train, test = points(60, rare=3), points(200, rare=100, seed=1)
    data = splits(train, test)
    found = shares(train, "side")
    made = generated(points(54, rare=54, seed=2))
    if wrong:  # they look like the left side
        made = generated(Dataset(-made.x, made.condition))
    worth = measure(data, made, "side", found, range(6), images=4_000)
    assert worth.values == ("side=left", "side=right")
    assert worth.tested == 200
    means = {name: np.mean(worth.means(name)) for name in worth.skills}
    assert means["repeated"] > 0.8
    if wrong:
        assert worth.gain < -0.1
        assert means["generated"] < means["real"]
    else:
        assert means["generated"] > 0.9
        assert worth.gain > -0.05


def test_the_error_of_a_number_is_better_when_it_is_smaller() -> None:
    data = splits(points(60, rare=3), points(60, rare=3))
    worth = measure(data, generated(points(10, rare=3)), "x", shares(data.train, "x", to=14), range(1), images=500)
    assert worth.error
    better = Worth(("x=0..5",), {"real": ((3.0,),), "repeated": ((2.0,),), "generated": ((1.0,),)}, 9, error=True)
    assert better.gain == 1
    assert not better.sure  # one seed


def test_values_without_held_out_examples_are_left_out() -> None:
    data = splits(points(60, rare=3), points(60, rare=0))
    found = shares(data.train, "side")
    assert measure(data, generated(points(5, rare=5)), "side", found, range(1), images=200).values == ("side=left",)
    nobody = Dataset(data.test.x, data.test.condition.drop(torch.ones(60, 2, dtype=torch.bool)))
    with pytest.raises(DataError, match="No held-out example"):
        measure(splits(data.train, nobody), generated(points(5, rare=5)), "side", found, range(1))


def test_a_gain_is_sure_only_beyond_the_noise_of_seeds() -> None:
    def worth(*gains: float) -> Worth:
        repeated = tuple((0.5 + 0.01 * k,) for k in range(len(gains)))
        made = tuple((value + gain,) for (value,), gain in zip(repeated, gains, strict=True))
        return Worth(("side=left",), {"real": repeated, "repeated": repeated, "generated": made}, 99, error=False)

    assert worth(0.10, 0.11, 0.12).sure
    assert (
        "The generated examples are better than repeating the real ones, by 11.0 points."
        in worth(0.1, 0.11, 0.12).lines()
    )
    assert "worse" in list(worth(-0.10, -0.11, -0.12).lines())[-1]
    assert not worth(0.1, -0.1, 0.02).sure
    assert "no difference beyond noise (0.7 points better)" in list(worth(0.1, -0.1, 0.02).lines())[-1]
    assert not worth(0.0, 0.0, 0.0).sure


def test_the_folder_is_a_dataset_of_real_and_generated_examples(
    run: Run, digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(digits, train=digits.train[:300])
    found = augment(run, small, "digit", tmp_path / "out", to=40, worth=1, images=500)
    added = sum(share.added for share in found.shares)
    assert added > 50
    with (tmp_path / "out" / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows[:300]] == [str(REAL)] * 300
    assert [row["digit"] for row in rows[:300]] == [row["digit"] for row in small.train.condition.rows()]
    assert len(rows) == 300 + added
    counts = np.unique([row["digit"] for row in rows], return_counts=True)[1]
    assert set(counts) == {40}
    for k in (0, 299):
        with Image.open(tmp_path / "out" / rows[k]["file_name"]) as image:
            assert np.array_equal(np.asarray(image), small.train.x[k, 0])
    first = next(share for share in found.shares if share.added)
    sample = run.sample(first.request.text, n=1)
    with Image.open(tmp_path / "out" / rows[300]["file_name"]) as image:
        assert np.array_equal(np.asarray(image), np.asarray(sample.to_pil()[0]))
    told = json.loads((tmp_path / "out" / "augment.json").read_text())
    assert sum(value["generated"] for value in told["values"]) == added
    assert set(told["worth"]["skills"]) == {"real", "repeated", "generated"}
    assert load(tmp_path / "out").schema.names == ["digit"]
    assert f"300 real and {added} generated examples" in repr(found)
    monkeypatch.setattr("condgen.evaluation.augmentation._generated", None)  # nothing is generated for a folder in use
    with pytest.raises(RequestError, match="out"):
        augment(run, small, "digit", tmp_path / "out", to=40, worth=0)


def test_a_run_that_does_not_know_the_attribute_is_refused(unconditional: Run, digits: Splits, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be asked for 'digit'"):
        augment(unconditional, digits, "digit", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_was_added_and_what_it_is_worth(command: Command, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "even"
    asked = ("--attribute", "Digit", "--to", 155, "--worth", 1, "--judge-images", "1k", "--out", out)
    result = command("augment", "digits", "--run", run.path, *asked)
    assert result.status == 0
    assert "digit=1: 151 real, 4 generated" in result.out
    assert "Against repeating the real ones" in result.out
    assert command("augment", "digits", "--run", run.path, "--attribute", "hue", "--out", tmp_path / "b").status == 2


def test_the_real_examples_of_rare_values_are_repeated_as_often_as_others_are_generated() -> None:
    data = points(9, rare=2)
    index = repeated(data, "side", shares(data, "side"))
    assert index.tolist() == [*range(9), 0, 1, 0, 1, 0]
    assert repeated(points(9, rare=0), "side", shares(points(9, rare=0), "side")).tolist() == [*range(9)]


def test_a_share_knows_its_examples() -> None:
    (request,) = parse_requests("side=right", SIDES)
    assert Share(request, 3, 0).holds("side", points(9, rare=3).condition).tolist() == [True] * 3 + [False] * 6
