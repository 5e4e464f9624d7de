"""Measurements: judges and what they say about samples, and what latents hold."""

from condgen.evaluation.judge import Judge, judge_for, train_judge
from condgen.evaluation.latents import (
    LatentReport,
    active_units,
    class_overlap,
    kl_per_dimension,
    latent_report,
    linear_probe,
    posterior,
    without_prior,
)
from condgen.evaluation.obedience import Obedience, obedience

__all__ = [
    "Judge",
    "LatentReport",
    "Obedience",
    "active_units",
    "class_overlap",
    "judge_for",
    "kl_per_dimension",
    "latent_report",
    "linear_probe",
    "obedience",
    "posterior",
    "train_judge",
    "without_prior",
]
