"""Objects show themselves in a few useful lines, and completion finds what they have."""

import inspect
import linecache

import numpy as np
import pytest
import torch

import condgen
from condgen.data import Dataset, Splits, load
from condgen.errors import RequestError
from condgen.progress.lines import Lines
from condgen.runs.editing import EditOptions
from condgen.runs.run import Run
from condgen.schema import Categorical, Condition, Flag, Schema


def test_data_shows_its_parts_and_attributes(digits: Splits) -> None:
    first, second = repr(digits).split("\n")
    assert first == "Data digits: 1,439 training, 89 validation, 269 test images of shape (1, 8, 8)"
    assert second == "  attributes, as you may ask for them: digit=9"
    assert repr(digits.train).split("\n") == ["1,439 images of shape (1, 8, 8)", second]


def test_data_shows_what_was_guessed_or_changed_and_loading_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = np.full((60, 10, 10), 9, dtype=np.uint8), {"heads": ["yes", "no"] * 30}
    note = "Note: Images are 10×10; cropped and resized to 8×8, since sides must divide by 4."
    data = load(images, labels=labels)
    assert note in " ".join(capsys.readouterr().err.split())
    assert repr(data).endswith(f"\n  {note}")
    load(images, labels=labels, progress=Lines())  # whoever gives a progress tells the notes
    assert capsys.readouterr().err == ""


def test_many_attributes_and_conditions_are_cut() -> None:
    schema = Schema(attributes=tuple(Flag(name=f"f{k}") for k in range(10)))
    assert schema.example.endswith("f7=yes; and 2 more")
    assert Schema().example == "nothing"
    digit = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")),))
    condition = Condition.of(digit, [{"digit": k} for k in range(5)])
    assert repr(condition) == "5 conditions\n  digit=0; digit=1; digit=2; digit=3 …"
    assert repr(condition[:1]) == "1 condition\n  digit=0"


def test_vectors_are_called_vectors() -> None:
    data = Dataset(load("mixture").train.x, load("mixture").train.condition)
    assert " vectors of shape (2,)\n" in repr(data)


def test_completion_knows_what_a_result_has(digits: Splits) -> None:
    found = condgen.inspect(digits)
    assert {"problems", "advice", "schema", "save"} <= set(dir(found))
    assert len(repr(found).split("\n")) == 3


def test_runs_and_samples_are_two_lines(run: Run) -> None:
    assert len(repr(run).split("\n")) == len(repr(run.sample(n=2)).split("\n")) == 2


def test_images_are_within_0_and_1(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run.sample(n=4)
    edited = run.edit(first.x, first.condition, "digit=3", editing=EditOptions(strength=100))
    assert (float(edited.x.min()), float(edited.x.max())) == (0, 1)  # the change alone goes far beyond
    beyond = torch.tensor([-1.0, 2.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8)
    monkeypatch.setattr(run.model, "sample", lambda condition, rng, **how: beyond)
    assert run.sample(n=2).x[:, 0, 0, 0].tolist() == [0, 1]


def test_a_notebook_shows_the_line_that_was_wrong_and_the_message() -> None:
    code = compile("\n\nrun_of_mine = load('digts')", "<cell>", "exec")
    linecache.cache["<cell>"] = (1, None, ["\n", "\n", "run_of_mine = load('digts')\n"], "<cell>")
    with pytest.raises(RequestError) as caught:
        exec(code, {"load": inspect.unwrap(load)})
    shown = caught.value._render_traceback_()
    assert shown == ["----> 3 run_of_mine = load('digts')", f"RequestError: {caught.value}"]
    assert "Did you mean digits" in shown[1]
