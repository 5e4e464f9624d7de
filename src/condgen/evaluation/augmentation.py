"""Augmentation: the training data with generated examples of an attribute's rare values, and what those are worth."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from statistics import fmean, stdev

import torch
from jaxtyping import Bool
from scipy.stats import ttest_rel
from torch import Tensor

from condgen.data import Dataset, Splits, as_uint8
from condgen.errors import DataError, RequestError
from condgen.evaluation.judge.judge import Judge, train_judge
from condgen.files import write_text
from condgen.progress import SILENT, Progress
from condgen.requests import Request, parse_requests
from condgen.room import must_fit_in_memory
from condgen.runs.run import Run
from condgen.runs.samples import Samples, save_samples
from condgen.runs.sampling import BATCH, SamplingOptions
from condgen.schema import Attribute, Condition
from condgen.units import number, percent

RANGES = 5  # of a measured attribute
REAL = -1  # instead of a seed, for real examples
LEVEL = 0.05  # largest probability of a chance difference that counts as beyond noise
FILE = "augment.json"


@dataclass(frozen=True)
class Share:
    """The examples of one value, or of one range of values.

    request: asks for them.
    there: number of real ones.
    added: number of generated ones.
    """

    request: Request
    there: int
    added: int

    def holds(self, name: str, data: Condition) -> Bool[Tensor, " n"]:
        """A mask of the examples that are known to have this value of the named attribute."""
        return self.request.constraints[name].allows(data.schema[name].hard(data.values[name])) & data.given(name)


def shares(data: Dataset, name: str, to: int | None = None) -> list[Share]:
    """The numbers of examples to generate, so that all values of an attribute are equally frequent.

    Measured attributes are cut into RANGES ranges of equal width.
    to: examples of every value in the end. By default as many as the most frequent value has.

    Raises RequestError for an attribute without values or ranges, and if nothing is missing.
    """
    attribute = data.schema[name]
    asked = [request for text in _values(attribute) for request in parse_requests({attribute.name: text}, data.schema)]
    if not asked:
        raise RequestError(f"'{name}' has no values or ranges to balance. Name an attribute that has some.")
    counts = [int(Share(each, 0, 0).holds(attribute.name, data.condition).sum()) for each in asked]
    to = max(counts) if to is None else to
    found = [Share(each, count, max(to - count, 0)) for each, count in zip(asked, counts, strict=True)]
    if not any(share.added for share in found):
        raise RequestError(
            f"Every value of '{name}' has {min(counts):,} examples or more: nothing is missing. "
            f"Ask for more of each (`to={2 * max(counts)}`)."
        )
    return found


def _values(attribute: Attribute) -> Sequence[str]:
    return ["*"] if attribute.choices else attribute.ranges(RANGES)


@dataclass(frozen=True)
class Worth:
    """The skill of predictors of an attribute on held-out real data, by what they were trained on.

    All are trained alike, on the same number of presentations. The skill is the accuracy, or the mean absolute error of
    a measured attribute in its unit, per value (`values`) and as their mean (`means`), over seeds.

    skills: by training set, [seed][value]. The sets: real examples, real ones with the rare ones repeated, and real
        ones with the generated ones.
    tested: number of held-out examples.
    """

    values: tuple[str, ...]
    skills: Mapping[str, tuple[tuple[float, ...], ...]]
    tested: int
    error: bool  # whether the skill is an error

    def means(self, name: str) -> list[float]:
        """The mean over values, for each seed."""
        return [fmean(each) for each in self.skills[name]]

    @property
    def gain(self) -> float:
        """The mean improvement by generated examples over repeated real ones. Positive is better."""
        difference = fmean(self.means("generated")) - fmean(self.means("repeated"))
        return -difference if self.error else difference

    @property
    def sure(self) -> bool:
        """Whether the gain, or the loss, is beyond the noise of seeds (a paired t-test)."""
        pair = self.means("generated"), self.means("repeated")
        return len(pair[0]) > 1 and pair[0] != pair[1] and bool(ttest_rel(*pair).pvalue < LEVEL)

    def lines(self) -> Iterator[str]:
        """The worth in words."""
        shown = ", ".join(f"{title} {self._shown(self.means(name))}" for name, title in TITLES.items())
        what = "Mean error" if self.error else "Accuracy"
        yield f"{what} on {self.tested:,} held-out real examples, as the mean over values: {shown}."
        for k, value in enumerate(self.values):
            each = (self._shown([seed[k] for seed in self.skills[name]]) for name in TITLES)
            yield f"  {value}: {', '.join(each)}"
        size = self._number(abs(self.gain)) if self.error else f"{100 * abs(self.gain):.1f} points"
        if not self.sure:
            yield f"Against repeating the real ones, no difference beyond noise ({size} {_side(self.gain)})."
        else:
            yield f"The generated examples are {_side(self.gain)} than repeating the real ones, by {size}."

    def _number(self, value: float) -> str:
        return number(value) if self.error else percent(value)

    def _shown(self, values: Sequence[float]) -> str:
        spread = f" ± {self._number(stdev(values))}" if len(values) > 1 else ""
        return f"{self._number(fmean(values))}{spread}"


TITLES = {"real": "real alone", "repeated": "rare ones repeated", "generated": "with generated ones"}


def _side(gain: float) -> str:
    return "better" if gain >= 0 else "worse"


@dataclass(frozen=True, repr=False)
class Augmented:
    """A balanced dataset in a folder, and its worth if that was measured."""

    folder: Path
    attribute: str
    shares: tuple[Share, ...]
    worth: Worth | None = None

    def __repr__(self) -> str:
        real, added = (sum(getattr(share, what) for share in self.shares) for what in ("there", "added"))
        lines = [f"{real:,} real and {added:,} generated examples in {self.folder}"]
        lines += [f"  {s.request.text}: {s.there:,} real, {s.added:,} generated" for s in self.shares]
        return "\n".join([*lines, *(self.worth.lines() if self.worth else ())])

    def note(self, folder: Path) -> None:
        """Write everything as JSON beside the examples."""
        values = [{"request": s.request.text, "real": s.there, "generated": s.added} for s in self.shares]
        told = {"attribute": self.attribute, "values": values, "worth": asdict(self.worth) if self.worth else None}
        write_text(folder / FILE, json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def augment(
    run: Run,
    data: Splits,
    name: str,
    folder: Path,
    *,
    to: int | None = None,
    worth: int = 3,
    images: int | None = None,
    seed: int = 0,
    sampling: SamplingOptions | None = None,
    progress: Progress = SILENT,
) -> Augmented:
    """Write the training part of data into a new folder, with generated examples until an attribute's values are even.

    The folder is a dataset as `save_samples` writes it. Real examples have the seed −1 there, and their attributes as
    they are, also missing ones. Other attributes of generated examples are drawn as in the data.

    to: see `shares`.
    worth: number of seeds for measuring what the generated examples are worth. 0 leaves it out.
    images: presentations for each predictor, by default as for a judge.
    seed: of the first generated sample of each value.

    Raises RequestError as `shares`, for a run that cannot be asked for the attribute, and if the folder is in use.
    """
    name = data.schema[name].name
    if name not in run.schema.names or not run.model.conditional:
        raise RequestError(f"{run.path} cannot be asked for '{name}': it was not trained with it.")
    found = shares(data.train, name, to)
    size = 4 * torch.Size(data.shape).numel()
    must_fit_in_memory(size * sum(s.added for s in found), "The generated examples", "Ask for fewer (`to`).")
    made: list[Samples] = []

    def kept() -> Iterator[Samples]:
        for part in _generated(run, found, seed, sampling, progress):
            made.append(part)
            yield part

    result = Augmented(folder, name, tuple(found))
    labels = ["real", *(share.request.text for share in found)]
    save_samples(chain(_real(data), kept()), data.schema, labels, folder, finish=result.note)
    if worth:
        result = replace(result, worth=measure(data, Samples.cat(made), name, found, range(worth), images, progress))
        result.note(folder)
    return result


def _generated(
    run: Run, found: Sequence[Share], seed: int, sampling: SamplingOptions | None, progress: Progress
) -> Iterator[Samples]:
    done = 0
    with progress.task("generating", sum(share.added for share in found), unit="samples") as task:
        for k, share in enumerate(found, 1):
            if share.added:
                for part in run.stream([share.request], share.added, seed, sampling=sampling):
                    yield replace(part, request=torch.full_like(part.request, k))
                    task.move(done := done + len(part))


def _real(data: Splits) -> Iterator[Samples]:
    """The training examples as samples without a seed."""
    for x, condition in data.train.in_turn(BATCH):
        none = torch.full((len(x),), REAL)
        yield Samples(x, condition, none, torch.zeros_like(none), data.coordinates)


def measure(
    data: Splits,
    made: Samples,
    name: str,
    found: Sequence[Share],
    seeds: Sequence[int],
    images: int | None = None,
    progress: Progress = SILENT,
) -> Worth:
    """The worth of generated examples: predictors of the attribute, trained with and without them.

    Raises DataError if no held-out example has any of the values.
    """
    train, test = data.train.select([name]), data.test.select([name])
    tested = [share for share in found if share.holds(name, test.condition).any()]
    if not tested:
        raise DataError(f"No held-out example has a known '{name}', so what augmentation is worth cannot be measured.")
    x = as_uint8(made.x) if made.images else made.x
    with_made = torch.cat([train.x, x]), Condition.cat([train.condition, made.condition.select([name])])
    sets = {"real": train, "repeated": train[repeated(train, name, found)], "generated": Dataset(*with_made)}

    def skills(each: Dataset, seed: int) -> tuple[float, ...]:
        judge = train_judge(each.observations, each.condition, images=images, seed=seed, progress=progress)
        return _skills(judge, test, name, tested)

    found_skills = {kind: tuple(skills(each, seed) for seed in seeds) for kind, each in sets.items()}
    error = not data.schema[name].choices
    return Worth(tuple(share.request.text for share in tested), found_skills, len(test), error)


def _skills(judge: Judge, test: Dataset, name: str, tested: Sequence[Share]) -> tuple[float, ...]:
    """The accuracy, or the mean error, on the held-out examples of each value."""
    read, attribute = judge.predict(test.observations), test.schema[name]
    errors = attribute.error(read.values[name], test.condition.values[name])
    means = [float(errors[share.holds(name, test.condition)].mean()) for share in tested]
    return tuple(1 - mean if attribute.choices else mean for mean in means)


def repeated(train: Dataset, name: str, found: Sequence[Share]) -> Tensor:
    """An index of all examples, with those of rare values repeated as often as others are generated."""
    members = [torch.where(share.holds(name, train.condition))[0] for share in found]
    more = [own[torch.arange(share.added) % len(own)] for own, share in zip(members, found, strict=True) if len(own)]
    return torch.cat([torch.arange(len(train)), *more])
