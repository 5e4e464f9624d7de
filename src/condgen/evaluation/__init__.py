"""Measurements: judges and what they say about samples."""

from condgen.evaluation.judge import Judge, judge_for, train_judge
from condgen.evaluation.obedience import Obedience, obedience

__all__ = ["Judge", "Obedience", "judge_for", "obedience", "train_judge"]
