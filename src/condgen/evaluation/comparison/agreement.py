"""Agreement of protocols: numbers are compared only if they were measured in the same way."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields

from condgen.errors import RequestError
from condgen.evaluation.comparison.settings import short, text
from condgen.evaluation.protocol import EvaluationConfig, MeasuringProtocol
from condgen.messages import call

# Parts of a protocol that are arguments of evaluation.
TOLD = ("samples", "labels", "features", "pairs", "useful", "judge_images", "seed", "combinations", "folds")


def must_agree(protocols: Mapping[str, MeasuringProtocol]) -> None:
    """Raise RequestError if the protocols of runs, given by path, differ. It names the difference and the way to mend
    it.
    """
    must_share_data({path: protocol.reference for path, protocol in protocols.items()})
    found = {f.name: _by_value(protocols, f.name) for f in fields(MeasuringProtocol)}
    differing = {name: by for name, by in found.items() if len(by) > 1}
    if not differing:
        return
    parts = [f"{name} is {_versus(by)}" for name, by in differing.items()]
    first, wanted = max(protocols.items(), key=lambda item: item[1].version)  # older ones are measured no more
    wrong = [path for path, protocol in protocols.items() if protocol != wanted]
    raise RequestError(
        f"These runs are not measured by the same protocol, so their numbers cannot be compared: {'; '.join(parts)}. "
        f"Measure them like {first}: {_mending(wanted, list(differing), wrong)}."
    )


def must_share_data(references: Mapping[str, str]) -> None:
    """Raise RequestError if runs are measured on different data. references: fingerprint of each run's, by path."""
    by = _grouped(references)
    if len(by) > 1:
        raise RequestError(
            "These runs are measured on different data, so their numbers cannot be compared: "
            f"{' against '.join(', '.join(runs) for runs in by.values())}. Measure all of them on the same "
            "(`data='DATA'`), or compare runs that were trained on the same, read and split alike."
        )


def _by_value(protocols: Mapping[str, MeasuringProtocol], name: str) -> dict[str, list[str]]:
    """The runs, grouped by their value of a part of the protocol."""
    return _grouped({path: text(getattr(protocol, name)) for path, protocol in protocols.items()})


def _grouped(values: Mapping[str, str]) -> dict[str, list[str]]:
    """The runs by their value."""
    by: dict[str, list[str]] = {}
    for path, value in values.items():
        by.setdefault(value, []).append(path)
    return by


def _versus(by: Mapping[str, Sequence[str]]) -> str:
    return " but ".join(f"{value} for {', '.join(runs)}" for value, runs in by.items())


def as_entered(told: MeasuringProtocol | EvaluationConfig, named: Collection[str]) -> dict[str, str]:
    """The arguments of an evaluation with these settings, as they are entered. At their default they are left out,
    unless they are among those named.
    """
    values = {name: getattr(told, name) for name in dict.fromkeys((*TOLD, *named))}
    return {
        name: short(value)
        for name, value in values.items()
        if value is not None and (name in named or value != getattr(EvaluationConfig, name))
    }


def _mending(wanted: MeasuringProtocol, differing: Sequence[str], runs: Sequence[str]) -> str:
    """Advice about differing parts of a protocol."""
    arguments = [name for name in TOLD if (name if name != "judge_images" else "judge") in differing]
    advice = call("evaluate", "RUN" if len(runs) > 1 else runs[0], **as_entered(wanted, arguments))
    advice += f" for each of {', '.join(runs)}" if len(runs) > 1 else ""
    if {"held_out", "judge"} & set(differing):
        advice += ", on the same data and by the same judge"
    return advice
