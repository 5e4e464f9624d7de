"""What is wrong with a model: findings, each with its evidence and the one thing to try first.

A finding compares a number with what held-out real data scores, or with chance; where the judge itself cannot tell,
nobody is accused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from condgen.evaluation.metrics.counterfactuals import Leakage
from condgen.evaluation.metrics.fidelity import Fidelity, Within
from condgen.evaluation.metrics.latents import LatentSummary
from condgen.evaluation.metrics.memorisation import Memorisation
from condgen.evaluation.metrics.obedience import AttributeObedience, Obedience
from condgen.units import percent

TELLING = 0.2  # share of the way from chance to perfection that a judge must go on real data to accuse anyone
HEEDED = 0.6  # share of swapped pairs told apart, of which half are by chance, below which an attribute is ignored
LEAKS = 0.1  # change of an attribute that was not asked to, beyond what noise does
VARIED = 0.6  # diversity relative to real data below which samples are too alike
COVERED = 0.7  # share of the covered real data, relative to real against real, below which a part is missing
COLLAPSED = 0.1  # nats that all latent dimensions together carry, below which they carry nothing
CLEARER = 1.2  # times the log-odds of real data, from which on samples are clearer than life


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a model, or (not `grave`) worth knowing.

    name: the field's word for it. evidence: the numbers, in a sentence. advice: the one thing to try first.
    """

    name: str
    evidence: str
    advice: str
    grave: bool = True


@dataclass(frozen=True)
class Evidence:
    """All that the doctor looks at.

    log: entries of the run's log. complaints: what the model says of its players. guidance: the largest weight in use.
    epochs: how often training saw each example. labels: whether the run can be asked for anything.
    """

    obedience: Obedience | None
    fidelity: Fidelity
    memorisation: Memorisation
    latents: LatentSummary | None = None
    log: Sequence[Mapping[str, Any]] = ()
    complaints: Sequence[str] = ()
    guidance: float = 1.0
    epochs: float = float("inf")
    model: Mapping[str, Any] = field(default_factory=dict)


def diagnose(case: Evidence) -> tuple[Finding, ...]:
    """All findings, the grave ones first."""
    found = [finding for look in LOOKS for finding in look(case)]
    return tuple(sorted(found, key=lambda f: not f.grave))


# ---- does it heed its condition?


def _condition(case: Evidence) -> Iterator[Finding]:
    """Attributes that are ignored, taken for each other, or whose values are."""
    if case.obedience is None:
        return
    judged = [a for a in case.obedience.attributes if telling(a)]
    swapped = list(_swapped(judged, case.obedience.leakage))
    for a, b in swapped:
        yield Finding(
            "swapped attributes",
            f"Asking for another {a} changes {b}, and asking for another {b} changes {a}; neither changes itself.",
            "Check the order of the columns that the model was given: labels and names have come apart.",
        )
    named = {name for pair in swapped for name in pair}
    for attribute in judged:
        if attribute.name not in named:
            yield from [_ignores(attribute)] if _ignored(attribute) else _values(attribute)


def telling(a: AttributeObedience) -> bool:
    """Whether the judge can tell this attribute in real data, so that it may be asked about samples."""
    return _skill(a, a.real.value) >= TELLING


def _skill(a: AttributeObedience, score: float) -> float:
    """How far a score is on the way from chance to perfection."""
    return (score - a.chance) / (1 - a.chance) if a.choices else 1 - score / a.chance if a.chance else 0.0


def _ignored(a: AttributeObedience) -> bool:
    if a.swap is not None:
        return a.swap.value < HEEDED
    return _skill(a, a.asked.value) < 0.1 * _skill(a, a.real.value)


def _ignores(a: AttributeObedience) -> Finding:
    pairs = (
        "" if a.swap is None else f"of pairs that differ in it alone, {percent(a.swap.value, 0)} can be told apart; "
    )
    return Finding(
        "ignored condition",
        f"Samples do not heed {a.name}: {pairs}it is as asked in {_score(a, a.asked.value)}, where "
        f"{_score(a, a.chance)} is chance and real data has {_score(a, a.real.value)}.",
        "Train with another mechanism (--mechanism film) or more embedding (--set embedding=64); for a GAN, a "
        "model with another head.",
    )


def _score(a: AttributeObedience, value: float) -> str:
    return f"{percent(value)}" if a.choices else f"an error of {value:.3g}"


def _swapped(judged: Sequence[AttributeObedience], leakage: Leakage | None) -> Iterator[tuple[str, str]]:
    """Pairs of attributes of which each follows what is asked of the other, and hardly what is asked of itself."""
    if leakage is None:
        return
    place = [leakage.names.index(a.name) for a in judged if a.name in leakage.names]
    for i, j in combinations(place, 2):
        if _follows_other(leakage, i, j) and _follows_other(leakage, j, i):
            yield leakage.names[i], leakage.names[j]


def _follows_other(leakage: Leakage, asked: int, other: int) -> bool:
    """Whether asking for another value changes another attribute at least twice as often as its own."""
    return _excess(leakage, asked, other) > max(LEAKS, 2 * _excess(leakage, asked, asked))


def _excess(leakage: Leakage, row: int, column: int) -> float:
    return leakage.changed[row][column] - leakage.still[column]


def _values(a: AttributeObedience) -> Iterator[Finding]:
    """Values that come out as another one more often than as themselves."""
    mostly = {k: max(range(len(row)), key=row.__getitem__) for k, row in enumerate(a.confusion) if sum(row) >= 20}
    wrong = {k: seen for k, seen in mostly.items() if seen != k and _real_share(a, k) > 0.5}
    if not wrong:
        return
    told = ", ".join(
        f"{a.choices[k]} shows {a.choices[seen]} ({percent(a.confusion[k][seen] / sum(a.confusion[k]), 0)})"
        for k, seen in wrong.items()
    )
    permuted = all(wrong.get(seen) is not None for seen in wrong.values())
    yield Finding(
        "permuted values" if permuted else "missed values",
        f"Of {a.name}, asking for {told}.",
        "Check the order of the values in schema.json against the labels."
        if permuted
        else "Train longer, and look whether these values have enough examples (condgen inspect).",
    )


def _real_share(a: AttributeObedience, k: int) -> float:
    """Share of a value's real observations that the judge gets right."""
    row = a.real_confusion[k] if a.real_confusion else ()
    return row[k] / sum(row) if sum(row) else 0.0


def _leaks(case: Evidence) -> Iterator[Finding]:
    """Attributes that change although nobody asked."""
    leakage = case.obedience.leakage if case.obedience else None
    if leakage is None or case.obedience is None:
        return
    heeded = {a.name for a in case.obedience.attributes if telling(a) and not _ignored(a)}
    for i, a in enumerate(leakage.names):
        for j, b in enumerate(leakage.names):
            if i != j and {a, b} <= heeded and _excess(leakage, i, j) > LEAKS:
                yield Finding(
                    "leakage",
                    f"Asking for another {a} also changes {b} in {percent(leakage.changed[i][j], 0)} of samples (other "
                    f"noise: {percent(leakage.still[j], 0)}; in the data {b} depends on {a} by "
                    f"{percent(leakage.data[i][j], 0)}).",
                    "Balance the combinations in the training data, or ask with a weight per attribute "
                    f"(--guidance {b}=2).",
                )


# ---- is what it makes varied, and its own?


def _variety(case: Evidence) -> Iterator[Finding]:
    """Samples that are all alike, and parts of the data that nothing is like."""
    overall, m = case.fidelity.overall, case.memorisation
    if _collapsed(case):
        yield Finding(
            "mode collapse",
            f"Samples of one condition differ {overall.diversity:.2f} times as much as real data, and "
            f"{percent(m.duplicates.value)} have a twin (real data: {percent(m.duplicates_real.value)}).",
            _against_collapse(case),
        )
        return
    missing = [w for w in case.fidelity.within if _misses(w)]
    if missing:
        worst = min(missing, key=lambda w: w.made.coverage.value / w.floor.coverage.value)
        yield Finding(
            "dropped mode",
            f"{len(missing)} of {len(case.fidelity.within)} conditions lack a part of their real data; most of all "
            f"{worst.condition}, where samples cover {percent(worst.made.coverage.value, 0)} and other real data "
            f"{percent(worst.floor.coverage.value, 0)}.",
            _against_collapse(case),
            grave=len(missing) > len(case.fidelity.within) / 4,
        )
    elif _narrower(case.fidelity) and not _clearer(case):
        yield Finding(
            "less varied than real data",
            f"Samples cover {percent(overall.recall.value, 0)} of real data, where other real data covers "
            f"{percent(case.fidelity.floor.recall.value, 0)} (recall).",
            _against_collapse(case),
            grave=False,
        )


def _collapsed(case: Evidence) -> bool:
    """Whether samples are hardly ever anything new: too alike to cover even a quarter of what other real data covers.

    Where a part of the data is missing but the rest is there, a mode was dropped; and twins are no collapse where they
    are copies of the same training observation.
    """
    f, m = case.fidelity, case.memorisation
    alike = f.overall.diversity < VARIED and not _recalls(f)
    twins = m.duplicates.low - m.duplicates_real.high > 0.05
    return alike or (twins and not _copied(m))


def _recalls(f: Fidelity) -> bool:
    """Whether samples cover at least a quarter of what other real data covers, within conditions if there are any."""
    recall, floor = (
        (f.intra_recall, f.intra_recall_floor) if f.within else (f.overall.recall.value, f.floor.recall.value)
    )
    return recall > 0.25 * floor


def _misses(w: Within) -> bool:
    made, floor = w.made, w.floor
    precise = made.precision.value >= 0.8 * floor.precision.value
    return precise and made.coverage.high < COVERED * floor.coverage.value


def _against_collapse(case: Evidence) -> str:
    if case.guidance > 1:
        return f"Sample with less guidance (--guidance {1 + (case.guidance - 1) / 2:g})."
    if _adversarial(case):
        return "Train with augmentation (--set augment=translation) and a stronger penalty (--set r1=1)."
    if case.model.get("prior") not in (None, "flow"):
        return "Train with an expressive prior (--prior flow --set embedding=64)."
    return "Train longer (--budget twice as long)."


def _adversarial(case: Evidence) -> bool:
    return any(str(key).startswith("critic/") for entry in case.log for key in entry)


def _copies(case: Evidence) -> Iterator[Finding]:
    m = case.memorisation
    if _copied(m):
        yield Finding(
            "memorisation",
            f"{percent(m.copies.value)} of samples are copies of one training observation (held-out data: "
            f"{percent(m.copies_real.value)}), and {percent(m.nearer.value, 0)} are nearer to training data than to as "
            "much held-out data (50\u202f% if it made no difference).",
            "Train on more data or for fewer images; flips or translations help where they are safe.",
        )


def _copied(m: Memorisation) -> bool:
    return m.copies.low > m.copies_real.high + 0.01 or m.nearer.low > 0.6


def _boundaries(case: Evidence) -> Iterator[Finding]:
    """Samples that are clearer than life: over-strong guidance, or a generator paid for being easy to classify."""
    a, overall, floor = _clearer(case), case.fidelity.overall, case.fidelity.floor
    if a is None or not _narrower(case.fidelity):
        return
    evidence = (
        f"Samples are clearer cases of {a.name} than real ones (log-odds {a.confidence:.1f} against "
        f"{a.real_confidence:.1f}) and cover less of the real data (recall {overall.recall.value:.2f} against "
        f"{floor.recall.value:.2f})."
    )
    if case.guidance > 1:
        yield Finding("over-strong guidance", evidence, f"Try --guidance {1 + (case.guidance - 1) / 2:g}.")
    elif case.model.get("generator_weight"):
        yield Finding(
            "samples avoid class boundaries",
            evidence,
            "Lower the weight of the generator's classification term (--set generator_weight=0.1), or use a model with "
            "another head.",
        )
    else:
        yield Finding("samples avoid rare cases", evidence, "Train longer; for a GAN, try another head.", grave=False)


def _clearer(case: Evidence) -> AttributeObedience | None:
    """The first attribute that samples show more clearly than real data does."""
    for a in case.obedience.attributes if case.obedience else ():
        if a.confidence is not None and a.real_confidence and a.confidence > CLEARER * a.real_confidence:
            return a
    return None


def _narrower(f: Fidelity) -> bool:
    """Whether samples cover clearly less of the real data than other real data does."""
    return f.overall.recall.high < 0.8 * f.floor.recall.value


# ---- its latents


def _latents(case: Evidence) -> Iterator[Finding]:
    """A latent that carries nothing is a fault only where samples lack what it should have carried."""
    if case.latents is None or not case.latents.kl:
        return
    total, dimensions = sum(case.latents.kl), case.latents.dimensions
    evidence = f"The latent carries {total:.2f} nats in {case.latents.active} active of {dimensions} dimensions"
    diversity = case.fidelity.overall.diversity
    if total < COLLAPSED or case.latents.active == 0:
        if diversity < VARIED:
            yield Finding(
                "posterior collapse",
                f"{evidence}, and samples differ only {diversity:.2f} times as much as real data.",
                "Weigh the KL term less (--set beta=0.2).",
            )
        else:
            yield Finding(
                "healthy low KL",
                f"{evidence}, yet samples are as varied as real data ({diversity:.2f}): nothing was left to encode.",
                "Nothing needs to be done.",
                grave=False,
            )


# ---- its training


def _training(case: Evidence) -> Iterator[Finding]:
    yield from _players(case)
    yield from _losses(case)


def _players(case: Evidence) -> Iterator[Finding]:
    for text in case.complaints:
        name = "critic overpowering" if "overpowers" in text else "classifier collapse"
        evidence, _, advice = text.partition("; try ")
        yield Finding(
            name, f"{evidence[0].upper()}{evidence[1:]}.", f"Try {advice or 'training again'}".rstrip(".") + "."
        )


def _losses(case: Evidence) -> Iterator[Finding]:
    """Whether the validation loss was still falling when training ended, or had long been rising."""
    series = [float(e["validation/loss"]) for e in case.log if "validation/loss" in e]
    poor = _poor(case)
    if len(series) >= 4:
        gained = max(series[0] - min(series), 1e-12)
        if series[-1] > min(series) + 0.2 * gained:
            yield Finding(
                "over-fitting",
                f"The validation loss rose from {min(series):.4g} at its best to {series[-1]:.4g} at the end.",
                "Train for fewer images, or with more data.",
            )
            return
        if poor and series[-2] - series[-1] > 0.02 * gained:
            yield Finding(
                "under-training",
                f"{poor}, and the validation loss was still falling when training ended ({series[-2]:.4g} to "
                f"{series[-1]:.4g} at its last look).",
                "Train longer (--budget twice as long).",
            )
            return
    if poor and case.epochs < 10:
        yield Finding(
            "under-training",
            f"{poor}, after seeing each training example {case.epochs:.1f} times.",
            "Train longer (--budget twice as long).",
        )


def _poor(case: Evidence) -> str:
    """What is poor about the samples, as a sentence to go on from; empty if nothing is."""
    if case.obedience and case.obedience.joint.value < 0.9 * case.obedience.joint_real.value:
        return f"Only {percent(case.obedience.joint.value)} of samples are as asked"
    overall, floor = case.fidelity.overall.frechet.value, case.fidelity.floor.frechet.value
    return f"The Fréchet distance is {overall / floor:.0f} times that of real data" if overall > 10 * floor else ""


LOOKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    _condition,
    _leaks,
    _variety,
    _copies,
    _boundaries,
    _latents,
    _training,
)
