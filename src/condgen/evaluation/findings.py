"""Findings about a model, and the evidence for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from condgen.models.complaint import Complaint
from condgen.models.remedies import TrainedAs
from condgen.notebook import told


@dataclass(frozen=True)
class Finding:
    """A fault of a model, or (not `grave`) a fact worth knowing.

    name: the field's word for it.
    evidence: the numbers, in a sentence.
    advice: the first thing to try.
    """

    name: str
    evidence: str
    advice: str
    grave: bool = True

    def _repr_html_(self) -> str:
        return str(Markup("<p><b>{}</b>: {} {}</p>").format(self.name, told(self.evidence), told(self.advice)))


@dataclass(frozen=True)
class Evidence:
    """The basis of all findings.

    results: of every metric, by its name.
    log: entries of the run's log.
    complaints: the model's own, about its players.
    guidance: the largest weight in use.
    epochs: number of passes over the training data.
    trained: the family and its arguments.
    crowding: sentences on attributes whose values can hardly be told apart. The last sentence of each is the advice.
    """

    results: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]] = ()
    complaints: Sequence[Complaint] = ()
    guidance: float = 1.0
    epochs: float = float("inf")
    trained: TrainedAs = field(default_factory=TrainedAs)
    crowding: Sequence[str] = ()

    @property
    def over_guided(self) -> bool:
        """Whether samples are guided, so that less guidance may help."""
        return self.guidance > 1 and self.trained.guided
