"""Complaints: faults that show while a model is trained."""

from collections.abc import Iterable
from dataclasses import dataclass

COLLAPSE, IDLE = "collapse", "ignored condition"  # names of faults that have remedies
OVERPOWERING, CLASSIFIER = "critic overpowering", "classifier collapse"


@dataclass(frozen=True)
class Complaint:
    """A fault that shows in training.

    name: the field's word for it, by which `TrainedAs.against` finds a remedy.
    evidence: the numbers, in a sentence.
    advice: the first thing to try. Empty to leave that to the remedies.
    after: the number of training steps before which it is no fault yet.
    """

    name: str
    evidence: str
    advice: str = ""
    after: int = 0


def faults(complaints: Iterable[Complaint], steps: int) -> list[Complaint]:
    """The complaints that are faults after this many training steps."""
    return [each for each in complaints if each.after <= steps]
