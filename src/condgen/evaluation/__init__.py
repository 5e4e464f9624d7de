"""The proof: judges and what they say about samples, how real and varied these are, reports, comparisons, diagnoses."""

from condgen.evaluation.comparison.comparison import Comparison, compare
from condgen.evaluation.doctor import Finding, diagnose
from condgen.evaluation.judge.judge import Judge, judge_for, train_judge
from condgen.evaluation.measure import Evaluation, EvaluationConfig, evaluate
from condgen.evaluation.metrics.codes import CodeMatch, match_codes
from condgen.evaluation.metrics.fidelity import (
    Fidelity,
    fidelity,
    frechet_distance,
    judged,
    precision_recall,
    spread_within,
)
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
from condgen.evaluation.report import Recipe, Report

__all__ = [
    "CodeMatch",
    "Comparison",
    "Evaluation",
    "EvaluationConfig",
    "Fidelity",
    "Finding",
    "Judge",
    "LatentReport",
    "Memorisation",
    "Obedience",
    "Recipe",
    "Report",
    "Usefulness",
    "active_units",
    "class_overlap",
    "compare",
    "diagnose",
    "evaluate",
    "fidelity",
    "frechet_distance",
    "judge_for",
    "judged",
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
