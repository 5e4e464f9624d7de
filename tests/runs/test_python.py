"""A run and its samples as a person meets them in Python."""

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import condgen
from condgen.data import load
from condgen.errors import RequestError
from condgen.progress import SILENT
from condgen.runs.run import Run
from tests.unchecked import unchecked


def test_keywords_ask_like_words(run: Run) -> None:
    by_words, by_keywords = run.sample("digit=7", n=3, seed=2), run.sample(digit=7, n=3, seed=2)
    assert torch.equal(by_words.x, by_keywords.x)
    assert len(run.sample(digit=[3, 8], n=4)) == 4
    assert run.sample(Digit=7, n=1).condition.describe() == ["digit=7"]
    assert torch.equal(run.sample(digit=None, n=3).x, run.sample(n=3).x)


def test_the_signature_of_sample_names_the_attributes_of_the_run(run: Run) -> None:
    assert "digit" in inspect.signature(run.sample).parameters


def test_options_of_sampling_are_explicit_keywords() -> None:
    assert {"n", "seed", "guidance", "steps", "sampler"} <= set(inspect.signature(Run.sample).parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"digt": 7}, "attribute or option of sampling 'digt'. Did you mean digit"),
        ({"guidence": 2}, "Did you mean guidance"),
        ({"asked": "digit=3", "digit": 7}, "not both"),
    ],
)
def test_keywords_that_mean_nothing_are_refused(run: Run, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        run.sample(**arguments)  # type: ignore[arg-type]


def test_samples_index_and_iterate(run: Run) -> None:
    samples = run.sample("digit=*", n=2, seed=4)
    assert len(samples[3]) == len(samples[-1]) == 1
    assert samples[3].condition.describe() == ["digit=1"]
    assert samples[-1].seeds.tolist() == [5]
    assert torch.equal(samples[2:6].x, samples.x[2:6])
    assert len(samples[samples.seeds == 4]) == 10
    assert [len(s) for s in samples] == [1] * 20
    with pytest.raises(IndexError, match="20 samples"):
        samples[20]


def test_images_leave_as_pictures_arrays_and_frames(run: Run) -> None:
    samples = run.sample("digit=*", n=2)
    assert [p.size for p in samples.to_pil()] == [(8, 8)] * 20
    array = samples.numpy()
    assert array.shape == (20, 8, 8, 1)
    assert 0 <= array.min() <= array.max() <= 1
    assert list(samples.to_pandas().columns) == ["seed", "digit"]
    assert isinstance(samples.grid(), Image.Image)
    assert samples.grid().height > samples[:2].grid().height


def test_vectors_leave_with_their_names(points: Run) -> None:
    samples = points.sample(n=3)
    assert samples.numpy().shape == (3, 2)
    assert list(samples.to_pandas().columns)[:3] == ["x0", "x1", "seed"]
    with pytest.raises(RequestError, match="vectors, not images"):
        samples.grid()


def test_samples_save_themselves_as_data(run: Run, tmp_path: Path) -> None:
    folder = run.sample("digit=*", n=12).save(tmp_path / "made")
    data = load(folder)
    assert (data.schema, data.shape) == (run.schema, (1, 8, 8))
    assert (folder / "grid.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "keywords", "said"),
    [
        (("digit=7", "digit=3"), {"n": 4}, "requests go in one list"),
        (("digit=7", "digit=3"), {}, "requests go in one list"),
        ((7,), {}, "A request is a text, such as 'digit="),
        (([7],), {}, "A request is a text, such as 'digit="),
        ((), {"n": "4"}, "whole number, not '4'"),
        ((), {"seed": 0.5}, "seed must be a whole number"),
    ],
)
def test_requests_given_in_another_form_are_explained(run: Run, arguments: Any, keywords: Any, said: str) -> None:
    with unchecked(), pytest.raises(RequestError, match=re.escape(said)):
        run.sample(*arguments, **keywords)


def test_they_show_themselves_in_two_useful_lines(run: Run, points: Run) -> None:
    assert repr(run).splitlines()[0].endswith("images of digits")
    assert "digit=" in repr(run).splitlines()[1]
    assert " rows of " in repr(points).splitlines()[0]
    samples = run.sample("digit=*", n=1)
    assert repr(samples).splitlines()[0] == "10 images of shape (1, 8, 8)"
    assert "and 6 more" in repr(samples)
    assert repr(samples[0]).startswith("1 image of shape")
    assert samples._repr_html_().startswith('<img alt="10 images')
    assert "<table" in points.sample(n=3)._repr_html_()


def test_values_promised_between_zero_and_one_are(run: Run) -> None:
    wild = Run(run.model, run.joint, run.info, run.path)
    with torch.no_grad():
        x = wild.answer(run.joint.draw({}, condgen.Rng(range(4))), torch.arange(4))
    assert 0 <= x.min() <= x.max() <= 1


def test_the_package_completes_its_names() -> None:
    assert {"train", "load", "Run"} <= set(dir(condgen))
    assert np.all([hasattr(condgen, name) for name in dir(condgen)])


def test_a_preset_is_trained_with_arguments_in_place_of_its_entries(tmp_path: Path) -> None:
    made = condgen.train("digits", tmp_path / "a", preset="digits-cvae", images=64, latent=3, progress=SILENT)
    arguments = made.info.recipe["arguments"]
    assert (made.info.recipe["model"], arguments["prior"], arguments["latent"]) == ("cvae", "flow", 3)
    with pytest.raises(RequestError, match="Unknown preset 'digit'"):
        condgen.train("digits", tmp_path / "b", preset="digit")
