"""Findings: what is wrong with a model, and the evidence that a doctor looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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
    """All that findings rest on.

    results:    of every metric, by its name. log: entries of the run's log.
    complaints: what the model says of its players. guidance: the largest weight in use.
    epochs:     how often training saw each example. model: arguments of the model.
    """

    results: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]] = ()
    complaints: Sequence[str] = ()
    guidance: float = 1.0
    epochs: float = float("inf")
    model: Mapping[str, Any] = field(default_factory=dict)
