"""Rows without any label: kept when data is loaded, used where the family can, left out with a note where not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from condgen.data import Dataset, Splits, load, load_source
from condgen.errors import DataError, RequestError
from condgen.evaluation.comparison.grid import cells
from condgen.evaluation.measure import must_fit
from condgen.hub.card import card
from condgen.models.abilities import Guided
from condgen.models.registry import instead
from condgen.progress import Silent
from condgen.runs.data import elsewhere
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Continuous, Schema
from condgen.training.health import real_diversity
from tests.conftest import FLOW, SMALL


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def hidden(data: Splits, share: float) -> Splits:
    """The same data, with the labels of the first part of the training images hidden."""
    part = data.train
    mask = torch.arange(len(part))[:, None] < share * len(part)
    return replace(data, train=Dataset(part.x, part.condition.drop(mask)))


def test_loading_keeps_unlabelled_rows(tmp_path: Path) -> None:
    lines = ["file_name,color,glasses"]
    for k in range(40):
        Image.new("RGB", (8, 8), (6 * k, 0, 0)).save(tmp_path / f"{k}.png")
        lines.append(f"{k}.png," + (f"{('red', 'blue')[k % 2]},{'yn'[k % 2]}" if k % 4 else ","))
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    data = load(str(tmp_path))
    parts = [data.train, data.validation, data.test]
    assert sum(map(len, parts)) == 40
    assert sum(int((~part.labelled).sum()) for part in parts) == 10
    assert data.schema.names == ["color", "glasses"]


@pytest.mark.parametrize("embedding", [0, 8])
def test_a_model_that_they_would_harm_leaves_unlabelled_rows_out_and_says_so(
    embedding: int, digits: Splits, tmp_path: Path
) -> None:
    progress, data = Notes(), hidden(digits, 0.5)
    labelled = data.train[data.train.labelled.nonzero()[:, 0]]
    settings = {**SMALL, "embedding": embedding, "images": 512}
    few = train("cvae", data, tmp_path / "few", progress=progress, **settings)
    alone = train("cvae", replace(data, train=labelled), tmp_path / "alone", **settings)
    assert few.sample("digit=3", n=2).x.equal(alone.sample("digit=3", n=2).x)
    (note,) = [note for note in progress.notes if "no labels" in note]
    assert note.startswith(
        f"{int(0.5 * len(data.train)) + len(data.train) % 2} of {len(data.train):,} training examples"
    )
    assert "`model='flow'`" in note
    assert resume(tmp_path / "few", data).info.images == 512


@pytest.mark.parametrize(("model", "settings"), [("flow", FLOW), ("vae", SMALL)])
def test_models_that_can_use_unlabelled_rows_do(
    model: str, settings: dict[str, Any], digits: Splits, tmp_path: Path
) -> None:
    progress, data = Notes(), hidden(digits, 0.5)
    labelled = data.train[data.train.labelled.nonzero()[:, 0]]
    full = train(model, data, tmp_path / "full", images=512, progress=progress, **settings)
    alone = train(model, replace(data, train=labelled), tmp_path / "alone", images=512, **settings)
    assert not full.sample(n=2).x.equal(alone.sample(n=2).x)
    assert not any("no labels" in note for note in progress.notes)


def test_without_any_label_there_is_nothing_to_condition_on(digits: Splits, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No training example has a label"):
        train("cvae", hidden(digits, 1.0), tmp_path / "none", images=512, **SMALL)


def test_the_diversity_within_a_condition_is_that_of_labelled_rows(digits: Splits) -> None:
    data = hidden(digits, 0.9)
    labelled = data.train[data.train.labelled.nonzero()[:, 0]]
    assert real_diversity(data.train) == real_diversity(labelled)


def test_numbers_crowded_by_outliers_are_said_before_training(tmp_path: Path) -> None:
    prices = torch.tensor([*range(100, 196), *[999_999] * 2]).float()
    for high in (999_999, 200):
        schema = Schema(attributes=(Continuous(name="price", low=100, high=high, clip=True),))
        data = load(torch.rand(len(prices), 1, 8, 8), labels={"price": prices}, schema=schema)
        progress = Notes()
        train("cvae", data, tmp_path / str(high), progress=progress, **{**SMALL, "images": 64})
        assert any("hardly tell them apart" in note for note in progress.notes) == (high > 200)


def test_models_that_need_no_labels_learn_from_data_that_has_none(digits: Splits, tmp_path: Path) -> None:
    data = digits.select([])
    for model in ("infogan", "gan"):
        run = train(model, data, tmp_path / model, progress=Silent(), images=256, **SMALL)
        assert len(run.sample(n=3)) == 3
        again = resume(run.path, budget="+1s", data=data, progress=Silent())
        assert again.info.images > run.info.images
    with pytest.raises(RequestError, match="no attributes"):
        train("cvae", data, tmp_path / "cvae", progress=Silent(), images=256, **SMALL)


def test_they_are_measured_on_labelled_data_and_on_no_other(digits: Splits, tmp_path: Path) -> None:
    run = train("infogan", digits.select([]), tmp_path / "run", progress=Silent(), images=256, **SMALL)
    with pytest.raises(RequestError, match="no labels, from which a judge learns"):
        must_fit(run, digits.select([]))
    other = elsewhere(run.info, "digits")
    must_fit(run, load_source(other))


def test_a_comparison_of_models_needs_labels_before_anything_is_trained(digits: Splits) -> None:
    with pytest.raises(RequestError, match=r"no labels.*Train each model on its own"):
        cells(digits.select([]), ["gan", "infogan"], images=256)


@pytest.fixture(scope="module")
def unasked(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model that has nothing to ask for."""
    folder = tmp_path_factory.mktemp("runs") / "gan"
    return train("gan", digits.select([]), folder, progress=Silent(), images=256, **SMALL)


def test_how_real_its_samples_look_is_measured_on_labelled_data(unasked: Run) -> None:
    must_fit(unasked, load_source(elsewhere(unasked.info, "digits")))


def test_a_model_with_nothing_to_ask_for_says_so_and_advises_no_other(unasked: Run, digits: Splits) -> None:
    assert "selected: none" in repr(unasked)
    with pytest.raises(RequestError, match=r"there are no attributes\. Ask without a request"):
        unasked.sample("a red car")
    with pytest.raises(RequestError, match="no attributes, so there is nothing to change"):
        unasked.edit(digits.train.x[:1], "digit=7")
    with pytest.raises(RequestError, match=r"takes no guidance, steps or sampler\.$"):
        unasked.sample(guidance=2.0)
    assert instead(Guided, unasked.schema, "does") == ""
    assert "model='flow'" in instead(Guided, digits.schema, "does")


def test_its_card_speaks_of_no_combination_and_one_of_codes_counts_no_examples(
    unasked: Run, digits: Splits, tmp_path: Path
) -> None:
    assert "combination" not in card(unasked, None, name="somebody/digits")
    assert f"{len(digits.train):,} examples".replace(",", "\u202f") in card(unasked, None, name="somebody/digits")
    codes = train("infogan", digits.select([]), tmp_path / "codes", progress=Silent(), images=256, **SMALL)
    assert "10\u202f000 examples" not in card(codes, None, name="somebody/digits")
