"""Samples of compared runs side by side: the same requests and the same seeds, a row per run."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from condgen.evaluation.comparison.comparison import Comparison, TableRow
from condgen.evaluation.comparison.settings import SAMPLED
from condgen.evaluation.metrics.combinations import named_codes
from condgen.pages.html import Picture, Sheet
from condgen.pictures import pil_image
from condgen.rng import Rng, Stream
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Condition

COLUMNS, ROWS = 10, 24
DRAWN = 500  # requests among which the most frequent are chosen
CAPTION = 40  # letters of a request

Sampled = tuple[str, Run, SamplingOptions]  # a label, a run, and the way in which it was sampled


def side_by_side(comparison: Comparison) -> Sheet | None:
    """The sheet of all runs that are still in their folders. None for vectors, and if there are no such runs."""
    runs = list(_runs(comparison))[:ROWS]
    if not runs or len(runs[0][1].model.shape) != 3:
        return None
    asked = _requests(next((run for _, run, _ in runs if run.model.conditional), runs[0][1]))
    captions = [textwrap.shorten(text, CAPTION, placeholder=" …") for text in asked.describe()]
    rows = tuple((label, _pictures(run, how, asked, captions)) for label, run, how in runs)
    return Sheet("Side by side", "The same requests with the same seeds. Not chosen.", rows)


def _runs(comparison: Comparison) -> Iterator[Sampled]:
    for row in comparison.rows:
        how = _sampling(row)
        for seed, path in zip(row.seeds, row.runs, strict=True):
            if Path(path).exists():
                yield row.label + (f" · seed {seed}" if len(row.seeds) > 1 else ""), Run.open(path), how


def _sampling(row: TableRow) -> SamplingOptions:
    """The way in which a row was sampled."""
    sampled = {name: value for name, value in row.settings.items() if name.startswith(SAMPLED)}
    return SamplingOptions.loaded({name.removeprefix(SAMPLED): value for name, value in sampled.items()})


def _requests(run: Run) -> Condition:
    """A complete condition for each of the most frequent combinations of named values, in their order."""
    drawn = run.joint.draw({}, Rng(range(DRAWN)))
    _, place, counts = named_codes(drawn).unique(dim=0, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        return drawn[:COLUMNS]
    usual = counts.argsort(descending=True, stable=True)[:COLUMNS].sort().values
    return drawn[torch.stack([(place == k).nonzero()[0, 0] for k in usual])]


def _pictures(run: Run, how: SamplingOptions, asked: Condition, captions: list[str]) -> tuple[Picture, ...]:
    seeds = torch.arange(len(asked))
    fits = run.model.conditional and run.schema == asked.schema
    told = asked if fits else run.joint.draw({}, Stream.FILLED.rng(seeds))
    shown: Mapping[bool, list[str]] = {True: captions, False: [""] * len(captions)}
    images = run.answer(told, seeds, how)
    return tuple(Picture(pil_image(x), text) for x, text in zip(images, shown[fits], strict=True))
