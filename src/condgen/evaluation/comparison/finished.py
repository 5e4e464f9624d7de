"""Reports of finished runs for a comparison. Errors are raised before the first measurement."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.comparison.agreement import TOLD, as_entered, must_agree, must_share_data
from condgen.evaluation.comparison.comparison import Failure
from condgen.evaluation.comparison.settings import as_saved, must_differ, short
from condgen.evaluation.independence import must_be_independent
from condgen.evaluation.judge.features import NAMES
from condgen.evaluation.judge.features import identity as named
from condgen.evaluation.measure import identity, kept_report, must_fit
from condgen.evaluation.protocol import EvaluationConfig, MeasuringProtocol
from condgen.evaluation.report import Report
from condgen.messages import call
from condgen.runs.run import Run

Load = Callable[[Run], Splits]
Measure = Callable[[Run, Splits, EvaluationConfig], Report]


def reports_of(
    runs: Sequence[Run], load: Load, measure: Measure, asked: Mapping[str, Any], anew: bool = False
) -> list[Report]:
    """The reports in the folders of runs, and new ones for runs without a report of their weights.

    load: the data to measure a run on.
    measure: measures one run.
    asked: fields of `EvaluationConfig`. The others are those of the reports in the folders, if there are any.
    anew: measure every run, even if it has a report.

    Raises RequestError before any measurement for fewer than two runs, for runs that are one and the same, for data
    that does not fit, for features that a run was trained against, and for protocols that would differ.
    """
    if len(runs) < 2:
        raise RequestError("Name at least two runs to compare.")
    kept = [None if anew else kept_report(run) for run in runs]
    protocols = {str(run.path): report.protocol for run, report in zip(runs, kept, strict=True) if report}
    must_agree(protocols)
    must_differ([report or Failure(identity(run), "not measured") for run, report in zip(runs, kept, strict=True)])
    data = _loaded([run for run, report in zip(runs, kept, strict=True) if report is None], load)
    references = {path: protocol.reference for path, protocol in protocols.items()}
    must_share_data(references | {path: splits.test.fingerprint for path, splits in data.items()})
    config = _in_agreement(protocols, asked)
    for run in runs:
        must_be_independent(run, config.features)
    must_agree(protocols | {path: config.protocol(splits) for path, splits in data.items()})
    return [report or measure(run, data[str(run.path)], config) for run, report in zip(runs, kept, strict=True)]


def _in_agreement(there: Mapping[str, MeasuringProtocol], asked: Mapping[str, Any]) -> EvaluationConfig:
    """The settings of new measurements: the given ones, and else those of the reports that are there.

    Raises RequestError for given ones that differ from a report, which would ignore them.
    """
    config = EvaluationConfig(**asked)
    if not there:
        return config
    path, protocol = next(iter(there.items()))
    known = set(protocol.features) <= set(NAMES)
    told = {name: getattr(protocol, name) for name in TOLD if known or name != "features"}
    wanted = EvaluationConfig(**{**told, **asked})
    if ignored := [name for name in TOLD if name in asked and _told(config, name) != getattr(protocol, name)]:
        differing = ", ".join(f"{name} {_shown(getattr(protocol, name))}" for name in ignored)
        again = call("evaluate", path, **as_entered(wanted, asked))
        raise RequestError(
            f"{path} has a report already, measured with {differing}, and reports are not measured again here. Measure "
            f"it again ({again}), or leave out {', '.join(f'`{name}`' for name in ignored)}."
        )
    return wanted


def _shown(value: Any) -> str:
    """A part of a protocol for people. None stands for what suits the data."""
    return "as usual" if value is None else short(value)


def _told(config: EvaluationConfig, name: str) -> Any:
    """A setting in the form of a protocol."""
    value = getattr(config, name)
    return tuple(map(named, value)) if name == "features" else value


def _loaded(runs: Sequence[Run], load: Load) -> dict[str, Splits]:
    """The data of every run by its path, loaded once for runs of the same data. Raises RequestError unless it fits."""
    loaded: dict[str, Splits] = {}
    found: dict[str, Splits] = {}
    for run in runs:
        source = as_saved(run.info.data)
        if source not in loaded:
            loaded[source] = load(run)
        must_fit(run, loaded[source])
        found[str(run.path)] = loaded[source]
    return found
