"""The metrics of an evaluation, in order. Other packages can add theirs."""

from collections.abc import Iterator, Mapping
from typing import Any

from condgen.evaluation.metrics.artefacts import ARTEFACTS
from condgen.evaluation.metrics.best_of import BEST_OF
from condgen.evaluation.metrics.critic import CRITIC
from condgen.evaluation.metrics.edits import EDITS
from condgen.evaluation.metrics.extremes import EXTREMES
from condgen.evaluation.metrics.fidelity import FIDELITY
from condgen.evaluation.metrics.latents import LATENTS
from condgen.evaluation.metrics.memorisation import MEMORISATION
from condgen.evaluation.metrics.metric import Metric
from condgen.evaluation.metrics.obedience import OBEDIENCE
from condgen.evaluation.metrics.rare import RARE
from condgen.evaluation.metrics.requests import REQUESTS
from condgen.evaluation.metrics.usefulness import USEFULNESS
from condgen.registry import Registry

OWN: tuple[Metric[Any], ...] = (
    OBEDIENCE,
    EXTREMES,
    RARE,
    REQUESTS,
    FIDELITY,
    ARTEFACTS,
    MEMORISATION,
    CRITIC,
    USEFULNESS,
    EDITS,
    LATENTS,
    BEST_OF,
)

METRICS: Registry[Metric[Any]] = Registry(
    what="metric",
    group="condgen.metrics",
    own={metric.name: metric for metric in OWN},
    accepts=lambda entry: isinstance(entry, Metric) and all(hasattr(entry, a) for a in ("name", "title", "result")),
    wanted="Metric with a name, a title and a result (condgen.evaluation.metrics.metric)",
    called=lambda entry: entry.name,
)


def measured(results: Mapping[str, Any]) -> Iterator[tuple[Metric[Any], Any]]:
    """The metrics that were measured, in order, each with its result."""
    for metric in METRICS.values():
        if (result := metric.of(results)) is not None:
            yield metric, result
