"""Complaints: faults that show while a model is trained."""

from dataclasses import dataclass

COLLAPSE, IDLE = "collapse", "ignored condition"  # names of faults that have remedies
OVERPOWERING, CLASSIFIER = "critic overpowering", "classifier collapse"


@dataclass(frozen=True)
class Complaint:
    """A fault that shows in training.

    name: the field's word for it, by which `TrainedAs.against` finds a remedy.
    evidence: the numbers, in a sentence.
    advice: the first thing to try. Empty to leave that to the remedies.
    """

    name: str
    evidence: str
    advice: str = ""
