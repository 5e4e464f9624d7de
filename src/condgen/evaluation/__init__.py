"""Measurements: judges and what they say about samples, and what latents hold."""

from condgen.evaluation.codes import CodeMatch, match_codes
from condgen.evaluation.fidelity import Fidelity, fidelity, frechet_distance, precision_recall, spread_within
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
    "CodeMatch",
    "Fidelity",
    "Judge",
    "LatentReport",
    "Obedience",
    "active_units",
    "class_overlap",
    "fidelity",
    "frechet_distance",
    "judge_for",
    "kl_per_dimension",
    "latent_report",
    "linear_probe",
    "match_codes",
    "obedience",
    "posterior",
    "precision_recall",
    "spread_within",
    "train_judge",
    "without_prior",
]
