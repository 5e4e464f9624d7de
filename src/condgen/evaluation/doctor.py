"""The doctor: findings about a model from each metric, from several together, and from its training.

A finding compares a number with that of held-out real data, or with chance. If the judge cannot tell on real data,
there is no finding.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from condgen.evaluation.comparison.columns import ratio
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.metrics.fidelity import FIDELITY, narrower
from condgen.evaluation.metrics.obedience import OBEDIENCE, clearer
from condgen.evaluation.metrics.rare import RARE
from condgen.evaluation.metrics.registry import METRICS, measured
from condgen.evaluation.verdict import OBEYED, UNKNOWN, comparable, share_of_real, verdict, worst
from condgen.models.remedies import LONGER, less_guidance, sentence
from condgen.units import number, percent

UNDER_TRAINING = "under-training"
# Faults of models that have only begun to learn; advice against each would contradict "train longer".
OF_LITTLE_TRAINING = {
    "ignored condition",
    "missed values",
    "missed combinations",
    "toned-down extremes",
    "leakage",
    "mode collapse",
    "dropped mode",
    "less varied than real data",
}
BECAUSE_OF_IT = "This is probably because of the under-training: train longer first."
MIN_EPOCHS = 10  # fewer passes over the data count as short training
MIN_LOOKS = 4  # smallest number of validation losses for a trend
MAX_RISE = 0.2  # share of its total fall by which a validation loss has risen again
MIN_FALL = 0.02  # share of its total fall, over the last two looks, at which it still falls
MIN_OBEYED = 0.9  # samples with a smaller obedience relative to real data are poor
MAX_FRECHET = 10  # samples farther than this multiple of real data's distance are poor


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """All findings, the grave ones first, and under-training before what probably comes of it."""
    found = _of_metrics(evidence)
    found += [finding for look in LOOKS for finding in look(evidence)]
    if not any(f.grave for f in found):
        found += _disobeyed(evidence)
    if any(f.name == UNDER_TRAINING for f in found):
        found = [_explained(f) for f in found]
    return tuple(sorted(dict.fromkeys(found), key=lambda f: (not f.grave, f.name != UNDER_TRAINING)))


def _explained(f: Finding) -> Finding:
    """A finding about a model that was trained too little."""
    return replace(f, advice=BECAUSE_OF_IT) if f.name in OF_LITTLE_TRAINING else f


def _of_metrics(evidence: Evidence) -> list[Finding]:
    found: list[Finding] = []
    for metric, result in measured(evidence.results):
        try:
            found += metric.findings(result, evidence)
        except Exception as error:  # in a metric of another package
            METRICS.excuse(metric.name, error)
    return found


def _boundaries(evidence: Evidence) -> Iterator[Finding]:
    """Samples that are clearer than real data: guidance that is too strong, or a generator rewarded for easy
    classification.
    """
    a, fidelity = clearer(OBEDIENCE.of(evidence.results)), FIDELITY.first(evidence.results)
    if a is None or fidelity is None or not narrower(fidelity):
        return
    made, floor = fidelity.overall, fidelity.floor
    clear, real = a.confidence or 0.0, a.real_confidence or 0.0
    said = (
        f"Samples are clearer cases of {a.name} than real ones (log-odds {number(clear, '.1f')} against "
        f"{number(real, '.1f')}) and cover less of the real data (recall {number(made.recall.value, '.2f')} against "
        f"{number(floor.recall.value, '.2f')})."
    )
    trained = evidence.trained
    if evidence.over_guided:
        yield Finding("over-strong guidance", said, f"Try {less_guidance(evidence.guidance)}.")
    elif trained.in_effect.get("generator_weight"):
        yield Finding("samples avoid class boundaries", said, trained.against_paid_clarity)
    else:
        advice = sentence("Train with", [trained.another_head]) or LONGER
        yield Finding("samples avoid rare cases", said, advice, grave=False)


def _players(evidence: Evidence) -> Iterator[Finding]:
    """Complaints of the players in training, grave unless the samples were measured and are good all the same."""
    harmless = _good(evidence)
    for each in evidence.complaints:
        said = each.evidence.rstrip(".") + ", and the samples do not suffer." if harmless else each.evidence
        yield Finding(each.name, said, evidence.trained.against(each), grave=not harmless)


def _crowding(evidence: Evidence) -> Iterator[Finding]:
    """Numbers that a stretched range squeezes together."""
    for text in evidence.crowding:
        said, _, advice = text.rpartition(". ")
        yield Finding("crowded numbers", f"{said}.", advice)


def _losses(evidence: Evidence) -> Iterator[Finding]:
    """Whether the validation loss was still falling at the end of training, or had long been rising."""
    series = [float(e["validation/loss"]) for e in evidence.log if "validation/loss" in e]
    series = [loss for loss in series if math.isfinite(loss)]
    series = series if len(series) >= MIN_LOOKS else []
    gained = max(series[0] - min(series), 1e-12) if series else 0.0
    if series and series[-1] > min(series) + MAX_RISE * gained:
        best, last = (number(loss, ".4g") for loss in (min(series), series[-1]))
        yield Finding(
            "over-fitting",
            f"The validation loss rose from {best} at its best to {last} at the end.",
            "Train for fewer images, or with more data.",
        )
    elif poor := _poor(evidence):
        falling = series and series[-2] - series[-1] > MIN_FALL * gained
        if falling:
            said = (
                f"and the validation loss was still falling when training ended ({number(series[-2], '.4g')} to "
                f"{number(series[-1], '.4g')} at its last look)"
            )
        else:
            said = f"after seeing each training example {number(evidence.epochs, '.1f')} times"
        if falling or evidence.epochs < MIN_EPOCHS:
            yield Finding(UNDER_TRAINING, f"{poor}, {said}.", LONGER)


def _good(evidence: Evidence) -> bool:
    """Whether the samples were measured and nothing about them is gravely wrong."""
    wrong = _poor(evidence) or any(f.grave for f in _of_metrics(evidence))
    return FIDELITY.first(evidence.results) is not None and not wrong


def _poor(evidence: Evidence) -> str:
    """A sentence about the fault of the samples, or an empty text."""
    obedience, fidelity = OBEDIENCE.of(evidence.results), FIDELITY.first(evidence.results)
    if obedience and share_of_real(obedience) < MIN_OBEYED:
        return f"Only {percent(obedience.joint.value)} of samples are as asked"
    times = ratio(fidelity.overall.frechet.value, fidelity.floor.frechet.value) if fidelity else 0.0
    far = MAX_FRECHET < times < math.inf
    return f"The Fréchet distance is {number(times, '.0f')} times that of real data" if far else ""


def _disobeyed(evidence: Evidence) -> Iterator[Finding]:
    """Requests that are not obeyed, if no other finding explains it."""
    obedience = OBEDIENCE.of(evidence.results)
    said = verdict(obedience, RARE.of(evidence.results)) if obedience else OBEYED
    if obedience and said not in (OBEYED, UNKNOWN):
        least = worst(obedience) if comparable(obedience) else None
        which = f"; the least obeyed attribute is {least.name}" if least and len(obedience.attributes) > 1 else ""
        yield Finding("missed requests", f"{said}{which}.", evidence.trained.against_an_idle_condition)


LOOKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (_boundaries, _players, _losses, _crowding)
