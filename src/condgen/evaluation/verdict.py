"""The verdict on a run's obedience, and the headline that states it."""

import math
from statistics import fmean

from condgen.evaluation.metrics.attribute_obedience import AS_REAL, AttributeObedience, confused, ignored, telling
from condgen.evaluation.metrics.estimate import errors_apart
from condgen.evaluation.metrics.obedience import Obedience
from condgen.evaluation.metrics.rare import Rare, RareObedience
from condgen.units import number, percent

SELDOM = 0.2  # if the judge finds all attributes in less of real data, the joint share is no measure
CERTAIN = 3.0  # standard errors below real data from which on a run falls short: by chance one in 700 does
POOR = 0.9  # an attribute with a smaller score relative to real data is an exception among many
OBEYED = "Requests are obeyed"
MOSTLY = "Requests are mostly obeyed"
UNKNOWN = "Whether requests are obeyed cannot be told"
VERDICTS = (
    (AS_REAL, OBEYED),
    (0.9, MOSTLY),
    (0.6, "Requests are often missed"),
    (-math.inf, "Requests are not obeyed"),
)
NOTHING_WRONG = "Nothing is wrong as far as can be measured."
NO_FAULT = "No fault was found; worth knowing:"  # before findings that are not grave


def headline(obedience: Obedience | None, model: str, rare: Rare | None = None) -> str:
    """The obedience to requests in one sentence, with the judge's own skill, and the worst combination in another if it
    falls short of real images by more than noise.
    """
    if obedience is None:
        return f"This model ({model}) cannot be asked for anything; only how real its samples look was measured."
    said = verdict(obedience, rare)
    if said == UNKNOWN:
        return f"{said}: the judge can hardly tell the attributes in held-out real data itself."
    least = rare.worst(obedience) if rare else None
    return f"{said}: {_on_average(obedience) if one_by_one(obedience) else _at_once(obedience)}{_named(least)}"


def verdict(obedience: Obedience, rare: Rare | None = None) -> str:
    """The obedience relative to real data, over the attributes that the judge can read.

    rare: the obedience to rare combinations. A faulty one keeps the verdict from praise.
    """
    told = [a for a in obedience.attributes if telling(a)]
    if not told or not math.isfinite(ratio := share_of_real(obedience)):
        return UNKNOWN
    said = next(words for least, words in VERDICTS if ratio >= least)
    poor = one_by_one(obedience) and worst(obedience).relative < POOR
    least = rare.worst(obedience) if rare else None
    exceptions = poor or (least is not None and least.faulty) or any(ignored(a) or confused(a) for a in told)
    return MOSTLY if said == OBEYED and exceptions else said


def one_by_one(obedience: Obedience) -> bool:
    """Whether the judge rarely finds all attributes at once even in real data, so that each is judged alone."""
    return not obedience.joint_real.value >= SELDOM


def worst(obedience: Obedience) -> AttributeObedience:
    """The attribute with the lowest score relative to real data, among those that the judge can read."""
    return min(comparable(obedience), key=lambda a: a.relative)


def comparable(obedience: Obedience) -> list[AttributeObedience]:
    """The attributes that the judge can read and that can be compared with real data."""
    return [a for a in obedience.attributes if telling(a) and math.isfinite(a.relative)]


def share_of_real(obedience: Obedience) -> float:
    """The obedience divided by that of real data. 1 for all attributes at once if the difference may be noise."""
    if not one_by_one(obedience):
        joint, real = obedience.joint, obedience.joint_real
        return 1.0 if errors_apart(joint, real) < CERTAIN else joint.value / real.value
    parts = [min(a.relative, 1.0) for a in comparable(obedience)]  # scores above real data do not offset others
    return fmean(parts) if parts else math.nan


def _at_once(obedience: Obedience) -> str:
    parts, joint = obedience.attributes, obedience.joint
    all_of_them = "both attributes" if len(parts) == 2 else f"all {len(parts)} attributes"
    what = parts[0].name if len(parts) == 1 else f"{all_of_them} at once"
    low, high = (number(100 * min(max(end, 0.0), 1.0), ".1f") for end in (joint.low, joint.high))
    return (
        f"{percent(joint.value)} of samples show {what} as asked (95\u202f% interval {low}–{high}), "
        f"by a judge who finds {percent(obedience.joint_real.value)} of held-out real data as labelled."
    )


def _named(least: RareObedience | None) -> str:
    """The worst combination in a sentence. Empty without one."""
    if least is None:
        return ""
    return (
        f" The combination missed most is {least.request}: {percent(least.made.value)} of its samples show all of it "
        f"(real images: {percent(least.real.value)})."
    )


def _on_average(obedience: Obedience) -> str:
    """The attributes one by one: the only one that can be compared, or the average of several and the worst."""
    parts, least = comparable(obedience), worst(obedience)
    if len(parts) == 1:
        return f"{parts[0].name} is {_beside_real(parts[0])}"
    return (
        f"on average over {len(parts)} attributes, samples reach {percent(share_of_real(obedience))} of the score of "
        f"held-out real data. The worst is {least.name}, {_beside_real(least)}"
    )


def _beside_real(a: AttributeObedience) -> str:
    made, real = a.shown(a.asked.value), a.shown(a.real.value)
    return f"{made if a.measured else f'as asked in {made} of samples'}; in real data {real}."
