"""Findings about a model, and the evidence for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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


@dataclass(frozen=True)
class Evidence:
    """The basis of all findings.

    results: of every metric, by its name.
    log: entries of the run's log.
    complaints: the model's advice about its players.
    guidance: the largest weight in use.
    epochs: number of passes over the training data.
    model: arguments of the model.
    """

    results: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]] = ()
    complaints: Sequence[str] = ()
    guidance: float = 1.0
    epochs: float = float("inf")
    model: Mapping[str, Any] = field(default_factory=dict)
