"""One measurement of everything: a run and its data in, a report and a page out."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from condgen.data import Dataset, Splits
from condgen.errors import RequestError
from condgen.evaluation.doctor import Evidence, Finding, diagnose, telling
from condgen.evaluation.judge.features import extract, extractor
from condgen.evaluation.judge.held_out import judged
from condgen.evaluation.judge.judge import VERSION as JUDGE
from condgen.evaluation.judge.judge import Judge, judge_for
from condgen.evaluation.metrics.edits import Edits, can_be_measured, edits
from condgen.evaluation.metrics.fidelity import FeatureSet, Fidelity, fidelity, too_few
from condgen.evaluation.metrics.latents import LatentSummary, latent_summary
from condgen.evaluation.metrics.memorisation import Memorisation, memorisation
from condgen.evaluation.metrics.obedience import Obedience, obedience
from condgen.evaluation.metrics.requests import Asked, ask
from condgen.evaluation.metrics.usefulness import Usefulness, usefulness
from condgen.evaluation.report import Recipe, Report, headline
from condgen.evaluation.subject import EvaluatedRun, as_in_data, counterfactuals, never_seen, uniform
from condgen.files import read_log
from condgen.models.flow.guidance import named_weights
from condgen.models.protocols import Discovers, Encodes, Guided
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Condition, Continuous, Schema
from condgen.training.machine import versions

LABELS = ("data", "uniform")
REQUESTED = 2_000  # samples at most of a request that is measured as a whole
HELD = 2_000  # samples at most of combinations that were held out
FEWEST = 100  # samples in all below which nothing is worth saying

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How a run is measured.

    samples:  how many are generated and judged. labels: what they are asked for, in the held-out data's own proportions
              (`data`) or every combination as often as any other (`uniform`). Distances always use the former.
    features: what distances are measured on, see `extractor`. pairs: counterfactual samples per attribute.
    useful:   images that a predictor is trained on to see whether samples can stand in for data; 0 leaves that out.
    edits:    held-out observations edited per attribute, where a model can; 0 leaves that out.
    latents:  training observations encoded for probes of the latent, and held-out ones to read, where a model can
              encode; 0 leaves that out, which a flow in the pixels of photographs would take long over.
    ask:      requests in a person's words, each measured as a whole, see `ask`.
    seed:     of sample 0, and of what is asked.

    Raises RequestError for numbers and names that cannot be meant.
    """

    samples: int = 10_000
    labels: str = "data"
    features: tuple[str, ...] = ("judge",)
    pairs: int = 1_000
    useful: int = 60_000
    edits: int = 200
    latents: int = 5_000
    ask: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < FEWEST:
            raise RequestError(f"{self.samples} samples are too few; take at least {FEWEST} (--samples 10000).")
        if self.labels not in LABELS:
            raise RequestError(f"Labels are asked for as in the '{LABELS[0]}' or '{LABELS[1]}', not '{self.labels}'.")
        if not self.features or min(self.pairs, self.useful, self.edits, self.latents, self.seed) < 0:
            raise RequestError(
                "There must be features to measure on; pairs, useful, edits, latents and seed cannot be negative."
            )

    def recipe(self, data: Splits, judge: Judge) -> Recipe:
        """The recipe of what is measured like this on this data."""
        return Recipe(
            samples=self.samples,
            labels=self.labels,
            features=tuple(extractor(name, judge).name for name in self.features),
            reference=data.test.fingerprint,
            held_out=len(data.test),
            judge=f"{judged(data).train.fingerprint}-v{JUDGE}",
            pairs=self.pairs,
            useful=self.useful,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Evaluation:
    """A report and what its numbers are of.

    subject: who was measured. judge: by whom. samples: what was judged. config: how. log: the entries of its training.
    """

    report: Report
    subject: EvaluatedRun
    judge: Judge
    samples: Dataset
    config: EvaluationConfig
    log: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class _Measured:
    """The numbers of a report; `coarse`: which of them rest on too few observations."""

    obedience: Obedience | None
    fidelity: tuple[Fidelity, ...]
    memorisation: Memorisation
    usefulness: Usefulness | None
    latents: LatentSummary | None
    edits: Edits | None
    asked: tuple[Asked, ...]
    coarse: tuple[str, ...]


def _quiet(text: str) -> None:
    """Says nothing."""


def evaluate(
    run: Run,
    data: Splits,
    how: EvaluationConfig | None = None,
    *,
    sampling: SamplingOptions | None = None,
    say: Say = _quiet,
) -> Evaluation:
    """Measure a run on data that it was not trained on.

    sampling: of guided runs; the run's own way unless given. say: is told what is going on.

    Raises RequestError for data that the run cannot be measured on, and for sampling that it does not know.
    """
    start, how = time.monotonic(), how or EvaluationConfig()
    _must_fit(run, data)
    subject = EvaluatedRun(run, data, sampling or SamplingOptions())
    subject.sampling.validate_for(run.model)
    run.requests(list(how.ask))  # refuses now what it would refuse in the end
    say("The judge: a predictor of the attributes, trained on real data once and then kept …")
    judge = judge_for(data)
    say(f"{how.samples:,} samples …")
    made = subject.answer(as_in_data(data.test, how.samples, how.seed), _seeds(how))
    measured, log = _measure(subject, judge, made, how, say), _log(run)
    findings = diagnose(_case(subject, measured, log))
    report = Report(
        headline=headline(measured.obedience, run.info.recipe["model"]),
        watch=_watch(findings),
        run=_identity(run),
        sampling=_plain(subject.sampling),
        recipe=how.recipe(data, judge),
        obedience=measured.obedience,
        fidelity=measured.fidelity,
        memorisation=measured.memorisation,
        usefulness=measured.usefulness,
        latents=measured.latents,
        edits=measured.edits,
        asked=measured.asked,
        findings=findings,
        warnings=tuple(_warnings(measured, subject)),
        seconds=time.monotonic() - start,
        versions=versions(),
    )
    return Evaluation(report, subject, judge, made, how, log)


def _seeds(how: EvaluationConfig) -> Int[Tensor, " n"]:
    return torch.arange(how.seed, how.seed + how.samples)


def _measure(subject: EvaluatedRun, judge: Judge, made: Dataset, how: EvaluationConfig, say: Say) -> _Measured:
    data, asked = subject.data, subject.conditional
    say("Obedience …")
    found = _obedience(subject, judge, made, how) if asked else None
    say("Fidelity, diversity, memorisation …")
    near = [_fidelity(name, judge, made, data, asked) for name in how.features]
    owed = memorisation(made.x, data.train.observations, _held_out(data).observations)
    useful = _useful(subject, made, how, say)
    coarse = tuple(text for _, texts in near for text in texts)
    edited, words = _edits(subject, judge, how, say), _asked(subject, judge, how, say)
    latents = _latents(subject, how, say)
    return _Measured(found, tuple(f for f, _ in near), owed, useful, latents, edited, words, coarse)


def _useful(subject: EvaluatedRun, made: Dataset, how: EvaluationConfig, say: Say) -> Usefulness | None:
    """What a predictor learns from the samples."""
    if not how.useful or not subject.conditional:
        return None
    say("Usefulness: a predictor trained on the samples …")
    return usefulness(made, subject.data.train, subject.data.test, images=how.useful)


def _edits(subject: EvaluatedRun, judge: Judge, how: EvaluationConfig, say: Say) -> Edits | None:
    """Edits of held-out data, in the features asked for other than the judge's, which know little but attributes."""
    if not how.edits or not can_be_measured(subject.run, subject.data.test):
        return None
    say("Edits of held-out data …")
    features = next((name for name in how.features if name != "judge"), None)
    return edits(subject.run, subject.data.test, judge, n=how.edits, features=features, seed=how.seed)


def _asked(subject: EvaluatedRun, judge: Judge, how: EvaluationConfig, say: Say) -> tuple[Asked, ...]:
    """What becomes of requests as a whole."""
    if not how.ask:
        return ()
    say("Requests as a whole …")
    n = min(how.samples, REQUESTED)
    return tuple(ask(subject.run, judge, subject.data, list(how.ask), n, how.seed, subject.sampling))


def _case(subject: EvaluatedRun, measured: _Measured, log: Sequence[Mapping[str, Any]]) -> Evidence:
    """What the doctor looks at."""
    run = subject.run
    return Evidence(
        obedience=measured.obedience,
        fidelity=measured.fidelity[0],
        memorisation=measured.memorisation,
        latents=measured.latents,
        log=log,
        complaints=run.model.complaints(_last(log)),
        guidance=_guidance(run, subject.sampling),
        epochs=run.info.images / subject.data.train.epoch,
        model=run.info.recipe.get("arguments", {}),
    )


def _must_fit(run: Run, data: Splits) -> None:
    """Raises RequestError for data that the run cannot be measured on."""
    if run.model.shape != data.shape:
        raise RequestError(
            f"{run.path} makes observations of shape {run.model.shape}, the data has {data.shape}. Evaluate on data "
            "like that it was trained on (--data, --size)."
        )
    if not isinstance(run.model, Discovers) and run.schema != data.schema:
        raise RequestError(
            f"{run.path} knows the attributes {', '.join(run.schema.names) or 'none'}, the data has "
            f"{', '.join(data.schema.names) or 'none'}, or their values differ. Evaluate on data labelled alike."
        )
    if len(data.test) < 2 or not len(data.schema):
        raise RequestError("The data has no held-out labelled part to compare with; give more of it (--data).")


def _obedience(subject: EvaluatedRun, judge: Judge, made: Dataset, how: EvaluationConfig) -> Obedience:
    data, joint, pairs = subject.data, subject.joint, how.pairs
    if how.labels == "uniform":
        made = subject.answer(uniform(joint, how.samples, how.seed), _seeds(how))
    asked = joint.fill(as_in_data(data.test, pairs, how.seed + 1), _streams(pairs)) if pairs else None
    several = len([a for a in data.schema if not isinstance(a, Continuous)]) > 1
    absent = never_seen(joint, min(how.samples, 1_000), how.seed) if several else None
    found = obedience(
        judge,
        made,
        data.test,
        counterfactuals=None if asked is None else counterfactuals(subject, asked, how.seed),
        trained=joint,
        unseen=None if absent is None else subject.answer(absent, torch.arange(how.seed, how.seed + len(absent))),
    )
    return replace(found, held=_held(subject, judge, how))


def _held(subject: EvaluatedRun, judge: Judge, how: EvaluationConfig) -> Obedience | None:
    """Obedience on the combinations that were held out, where there are any, beside examples the judge did not see."""
    real = judged(subject.data).held
    if real is None:
        return None
    n = min(how.samples, HELD)
    asked = as_in_data(real, n, how.seed)
    return obedience(judge, subject.answer(asked, torch.arange(how.seed, how.seed + n)), real)


def _streams(n: int) -> Rng:
    return Rng(range(n))


def _fidelity(name: str, judge: Judge, made: Dataset, data: Splits, conditional: bool) -> tuple[Fidelity, list[str]]:
    """Fidelity on one kind of features, and what of it is not to be trusted."""
    network = extractor(name, judge)
    n = len(made)
    train = data.train[torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:n]]
    sets = [FeatureSet(extract(network, part.observations), part.condition) for part in (made, data.test, train)]
    if not conditional:  # nothing was asked, so there is nothing to be within
        free = Schema(attributes=())
        sets = [FeatureSet(s.x, Condition.free(free, len(s))) for s in sets]
    samples, real, floor = sets
    found = fidelity(samples, real, floor, network.name)
    return found, too_few(found, real)


def _held_out(data: Splits) -> Dataset:
    """What nobody trained on, drawn as the training data was: for a test set of its own, the validation part is."""
    return data.validation if len(data.validation) >= FEWEST else data.test


def _latents(subject: EvaluatedRun, how: EvaluationConfig, say: Say) -> LatentSummary | None:
    """What the latent still says of the first attribute with named values."""
    run, data, joint = subject.run, subject.data, subject.joint
    named = [a.name for a in data.schema if not isinstance(a, Continuous)]
    if not how.latents or not isinstance(run.model, Encodes) or not named or run.schema != data.schema:
        return None
    say("Latents …")
    train, test = (
        Dataset(part.observations, joint.fill(part.condition, _streams(len(part))))
        for part in (data.train[: how.latents], data.test[: how.latents])
    )
    return latent_summary(run.model, train, test, named[0])


def _log(run: Run) -> list[dict[str, Any]]:
    """What training logged; nothing for runs without a log."""
    return [_numbers(e) for e in read_log(run.path / "log.jsonl") if "images" in e]


def _numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry's numbers, and its warning if it is one."""
    return {k: v for k, v in entry.items() if isinstance(v, int | float) or k == "warning"}


def _last(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The last value of every quantity that training logged."""
    return {k: float(v) for entry in log for k, v in entry.items() if isinstance(v, int | float)}


def _guidance(run: Run, how: SamplingOptions) -> float:
    """The largest guidance weight in use; 1 for models without guidance."""
    if not isinstance(run.model, Guided):
        return 1.0
    own = run.model.guidance.weights
    return max(named_weights(run.schema, own if how.weights is None else how.weights).values(), default=1.0)


def _plain(how: SamplingOptions) -> dict[str, Any]:
    """What was asked of sampling, as JSON; a guide is named, not written out."""
    given = {f.name: getattr(how, f.name) for f in fields(how)}
    given["guidance"] = how.weights
    given["guide"] = how.guide.recipe.get("model") if how.guide else None
    return {k: v for k, v in given.items() if v is not None and v is not False}


def _identity(run: Run) -> dict[str, Any]:
    """What the run is and how it was trained."""
    info = run.info
    return {
        "path": str(run.path),
        "model": info.recipe["model"],
        "arguments": info.recipe["arguments"],
        "training": info.training,
        "data": info.data,
        "images": info.images,
        "seconds": info.seconds,
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "weights": fingerprint(run),
        "trained_with": info.versions,
    }


def fingerprint(run: Run) -> str:
    """A hash of a run's weights: a report is of these and no others."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in run.model.state_dict().values():
        digest.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _watch(findings: Sequence[Finding]) -> str:
    """What to watch, in a sentence or two: the gravest finding, and how many more there are."""
    if not findings:
        return ""
    more = f" {len(findings) - 1} more below." if len(findings) > 1 else ""
    return f"Watch: {findings[0].name}. {findings[0].evidence}{more}"


def _warnings(measured: _Measured, subject: EvaluatedRun) -> Iterator[str]:
    """What is not to be trusted, and why."""
    if subject.match is not None:
        m = subject.match
        yield f"Codes were matched to labels, as read from real data: {m.code} stands for {m.attribute}."
    for a in measured.obedience.attributes if measured.obedience else ():
        if not telling(a):
            yield (
                f"The judge can hardly tell {a.name} in real data itself: what it says of samples means little. Give "
                "it more labelled data."
            )
    yield from measured.coarse
