"""Evaluation of trained models: judges, metrics of obedience, fidelity and diversity, reports, comparisons,
diagnoses.
"""

from condgen.evaluation.comparison.comparison import Comparison, compare
from condgen.evaluation.doctor import diagnose
from condgen.evaluation.findings import Finding
from condgen.evaluation.judge.judge import Judge, judge_for, train_judge
from condgen.evaluation.measure import Evaluation, evaluate
from condgen.evaluation.metrics.artefacts import Artefacts, artefacts
from condgen.evaluation.metrics.codes import CodeMatch, match_codes
from condgen.evaluation.metrics.distances import frechet_distance, precision_recall, spread_within
from condgen.evaluation.metrics.feature_sets import Fidelity, fidelity, fidelity_in_judge_features
from condgen.evaluation.metrics.latents import (
    LatentReport,
    active_units,
    class_overlap,
    kl_per_dimension,
    latent_report,
    linear_probe,
    posterior,
    without_prior,
)
from condgen.evaluation.metrics.memorisation import Memorisation, memorisation
from condgen.evaluation.metrics.obedience import Obedience, obedience
from condgen.evaluation.metrics.usefulness import Usefulness, usefulness
from condgen.evaluation.protocol import EvaluationConfig, MeasuringProtocol
from condgen.evaluation.report import Report

__all__ = [
    "Artefacts",
    "CodeMatch",
    "Comparison",
    "Evaluation",
    "EvaluationConfig",
    "Fidelity",
    "Finding",
    "Judge",
    "LatentReport",
    "MeasuringProtocol",
    "Memorisation",
    "Obedience",
    "Report",
    "Usefulness",
    "active_units",
    "artefacts",
    "class_overlap",
    "compare",
    "diagnose",
    "evaluate",
    "fidelity",
    "fidelity_in_judge_features",
    "frechet_distance",
    "judge_for",
    "kl_per_dimension",
    "latent_report",
    "linear_probe",
    "match_codes",
    "memorisation",
    "obedience",
    "posterior",
    "precision_recall",
    "spread_within",
    "train_judge",
    "usefulness",
    "without_prior",
]
