"""Samples of compared runs: the same requests, the same seeds, a row per run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from condgen.evaluation.comparison.comparison import Comparison, compare
from condgen.pages.comparison import save
from condgen.pages.side_by_side import side_by_side
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from tests.browser import Page, in_browser
from tests.evaluation.comparison.test_comparison import report
from tests.pages.looks import check_looks


def compared(*runs: Run | str, **changes: Any) -> Comparison:
    paths = [str(run.path) if isinstance(run, Run) else run for run in runs]
    return compare([report(seed=k, path=path, **changes) for k, path in enumerate(paths)])


def test_every_run_is_asked_for_the_same_with_the_same_seeds(run: Run, flow: Run) -> None:
    sheet = side_by_side(compared(run, flow))
    assert sheet is not None
    assert [label for label, _ in sheet.rows] == ["cvae · seed 0", "cvae · seed 1"]
    captions = [[picture.caption for picture in pictures] for _, pictures in sheet.rows]
    assert captions[0] == captions[1] == sorted(set(captions[0]))
    assert len(captions[0]) == 10  # every digit
    for (_, pictures), each in zip(sheet.rows, (run, flow), strict=True):
        wanted = torch.cat([each.sample(c.caption, 1, k).x for k, c in enumerate(pictures)])
        shown = np.stack([np.asarray(picture.image.convert("L")) for picture in pictures])
        assert np.abs(shown / 255 - wanted[:, 0].numpy()).max() <= 1.01 / 255


def test_a_run_is_sampled_as_it_was_measured(flow: Run) -> None:
    how = SamplingOptions(guidance={"digit": 4.0}, interval=(0.0, 0.5), steps=2)
    saved = json.loads(json.dumps(how.given))
    assert SamplingOptions.loaded({**how.dump(), **saved, "guide": "a run", "of_a_later_version": 1}) == how
    sheet = side_by_side(compared(flow, sampling=saved))
    assert sheet is not None
    (first, *_) = sheet.rows[0][1]
    wanted = flow.sample(first.caption, 1, 0, guidance={"digit": 4.0}, interval=(0.0, 0.5), steps=2).x[0, 0]
    assert np.abs(np.asarray(first.image.convert("L")) / 255 - wanted.numpy()).max() <= 1.01 / 255


def test_a_run_that_cannot_be_asked_shows_samples_without_requests(run: Run, unconditional: Run) -> None:
    sheet = side_by_side(compared(unconditional, run))
    assert sheet is not None
    free, asked = ([picture.caption for picture in pictures] for _, pictures in sheet.rows)
    assert free == [""] * len(asked)
    assert all(caption.startswith("digit=") for caption in asked)


def test_what_cannot_be_shown_is_left_out(run: Run, points: Run, tmp_path: Path) -> None:
    assert side_by_side(compared(points)) is None
    assert side_by_side(compared("nowhere")) is None
    sheet = side_by_side(compared(run, "nowhere"))
    assert sheet is not None
    assert len(sheet.rows) == 1
    assert "Side by side" not in save(compared("nowhere"), tmp_path).read_text(encoding="utf-8")
    assert "Side by side" in save(compared(run), tmp_path).read_text(encoding="utf-8")


@in_browser
@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1200, "light")])
def test_all_of_a_comparison_can_be_seen_by_everybody(
    page: Page, run: Run, flow: Run, tmp_path: Path, width: int, scheme: str
) -> None:
    check_looks(page, save(compared(run, flow), tmp_path), width, scheme)
