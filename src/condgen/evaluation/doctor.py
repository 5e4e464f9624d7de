"""The doctor: findings about a model from each metric, from several together, and from its training.

A finding compares a number with that of held-out real data, or with chance. If the judge cannot tell on real data,
there is no finding.
"""

from collections.abc import Callable, Iterator

from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.metrics.fidelity import FIDELITY, narrower
from condgen.evaluation.metrics.obedience import OBEDIENCE, clearer
from condgen.evaluation.metrics.registry import measured
from condgen.units import percent

MIN_EPOCHS = 10  # fewer passes over the data count as short training
MIN_LOOKS = 4  # smallest number of validation losses for a trend
MAX_RISE = 0.2  # share of its total fall by which a validation loss has risen again
MIN_FALL = 0.02  # share of its total fall, over the last two looks, at which it still falls
MIN_OBEYED = 0.9  # samples with a smaller obedience relative to real data are poor
MAX_FRECHET = 10  # samples farther than this multiple of real data's distance are poor


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """All findings, the grave ones first."""
    found = [f for metric, result in measured(evidence.results) for f in metric.findings(result, evidence)]
    found += [finding for look in LOOKS for finding in look(evidence)]
    return tuple(sorted(found, key=lambda f: not f.grave))


def _boundaries(evidence: Evidence) -> Iterator[Finding]:
    """Samples that are clearer than real data: guidance that is too strong, or a generator rewarded for easy
    classification.
    """
    a, fidelity = clearer(OBEDIENCE.of(evidence.results)), FIDELITY.first(evidence.results)
    if a is None or fidelity is None or not narrower(fidelity):
        return
    made, floor = fidelity.overall, fidelity.floor
    said = (
        f"Samples are clearer cases of {a.name} than real ones (log-odds {a.confidence:.1f} against "
        f"{a.real_confidence:.1f}) and cover less of the real data (recall {made.recall.value:.2f} against "
        f"{floor.recall.value:.2f})."
    )
    if evidence.guidance > 1:
        yield Finding("over-strong guidance", said, f"Try `guidance={1 + (evidence.guidance - 1) / 2:g}`.")
    elif evidence.model.get("generator_weight"):
        yield Finding(
            "samples avoid class boundaries",
            said,
            "Lower the weight of the generator's classification term (`generator_weight=0.1`), or use a model with "
            "another head.",
        )
    else:
        yield Finding("samples avoid rare cases", said, "Train longer; for a GAN, try another head.", grave=False)


def _players(evidence: Evidence) -> Iterator[Finding]:
    for text in evidence.complaints:
        name = "critic overpowering" if "overpowers" in text else "classifier collapse"
        fault, _, advice = text.partition("; try ")
        yield Finding(name, f"{fault[0].upper()}{fault[1:]}.", f"Try {advice or 'training again'}".rstrip(".") + ".")


def _losses(evidence: Evidence) -> Iterator[Finding]:
    """Whether the validation loss was still falling at the end of training, or had long been rising."""
    series = [float(e["validation/loss"]) for e in evidence.log if "validation/loss" in e]
    series = series if len(series) >= MIN_LOOKS else []
    gained = max(series[0] - min(series), 1e-12) if series else 0.0
    if series and series[-1] > min(series) + MAX_RISE * gained:
        yield Finding(
            "over-fitting",
            f"The validation loss rose from {min(series):.4g} at its best to {series[-1]:.4g} at the end.",
            "Train for fewer images, or with more data.",
        )
    elif poor := _poor(evidence):
        falling = series and series[-2] - series[-1] > MIN_FALL * gained
        if falling:
            said = (
                f"and the validation loss was still falling when training ended ({series[-2]:.4g} to {series[-1]:.4g} "
                "at its last look)"
            )
        else:
            said = f"after seeing each training example {evidence.epochs:.1f} times"
        if falling or evidence.epochs < MIN_EPOCHS:
            yield Finding("under-training", f"{poor}, {said}.", "Train longer (twice the `seconds` or `images`).")


def _poor(evidence: Evidence) -> str:
    """A sentence about the fault of the samples, or an empty text."""
    obedience, fidelity = OBEDIENCE.of(evidence.results), FIDELITY.first(evidence.results)
    if obedience and obedience.joint.value < MIN_OBEYED * obedience.joint_real.value:
        return f"Only {percent(obedience.joint.value)} of samples are as asked"
    made, floor = (fidelity.overall.frechet.value, fidelity.floor.frechet.value) if fidelity else (0.0, 0.0)
    return f"The Fréchet distance is {made / floor:.0f} times that of real data" if made > MAX_FRECHET * floor else ""


LOOKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (_boundaries, _players, _losses)
