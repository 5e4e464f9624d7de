"""Settings of runs: what defines a row of a comparison, its label, and runs that are one and the same."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from condgen.errors import RequestError

NO_SETTING = ("seed", "checkpoint_seconds")  # fields of TrainingConfig that do not distinguish rows
EVERYWHERE = ("model", "mechanism", "prior", "images", "seconds")  # settings that rows of different models share
BARE = ("model", "mechanism", "prior")  # settings shown by their value alone
SAMPLED = "sampled with "  # prefix of sampling options among the settings
INTERVAL = f"{SAMPLED}interval"  # shown as its option takes it: 0.2..0.8


@runtime_checkable
class Described(Protocol):
    """A run's identity as in `Report.run`, and its way of sampling. Reports and failures have both."""

    @property
    def run(self) -> dict[str, Any]:
        """The run's identity, and its training."""

    @property
    def sampling(self) -> dict[str, Any]:
        """The options of sampling that were given."""


def settings(of: Described) -> dict[str, Any]:
    """The settings that define a run's row: model, arguments, training except the seed, data, and sampling."""
    run = of.run
    training = {k: v for k, v in run["training"].items() if k not in NO_SETTING}
    data = {k: run["data"].get(k) for k in ("fingerprint", "teacher") if run["data"].get(k)}
    if "teacher" in data:  # the digest of its weights is left out: earlier runs have none
        data["teacher"] = {k: v for k, v in data["teacher"].items() if k != "weights"}
    sampled = {SAMPLED + k: v for k, v in of.sampling.items() if v is not None}
    return {"model": run["model"], **run["arguments"], **training, **sampled, **data}


def labels(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short name for each row's settings: differences between rows of its model, and settings that all models have.

    With one row, or if nothing else identifies a row, its model.
    """
    return [_label(row, rows) for row in rows]


def _label(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    family = [each for each in rows if each["model"] == row["model"]]
    shown = [
        _setting(name, value)
        for name, value in row.items()
        if value is not None
        and (
            _varies(name, family)
            or (name in EVERYWHERE and _varies(name, [each for each in rows if name in each]))
            or (name.startswith(SAMPLED) and _varies(name, rows))
        )
    ]
    return " · ".join(shown) or str(row["model"])


def _varies(name: str, rows: Iterable[Mapping[str, Any]]) -> bool:
    return len({as_saved(row.get(name)) for row in rows}) > 1


def _setting(name: str, value: Any) -> str:
    if name in BARE:
        return str(value)
    shown = "..".join(map(short, value)) if name == INTERVAL else text(value)
    return f"{name.removeprefix(SAMPLED)}={shown}"


def common(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that all rows share."""
    return {k: v for k, v in rows[0].items() if all(k in row for row in rows) and not _varies(k, rows)}


def must_differ(runs: Sequence[Described]) -> None:
    """Raise RequestError for duplicate runs, whose zero spread would make any difference look certain."""
    found: dict[tuple[str, int], str] = {}
    for each in runs:
        path, key = str(each.run["path"]), (as_saved(settings(each)), seed_of(each))
        if key in found:
            raise RequestError(
                f"{found[key]} and {path} have the same settings and the same seed, {seed_of(each)}: they are one run, "
                "not two. Leave one of them out, or train with another seed (`seed`)."
            )
        found[key] = path


def seed_of(run: Described) -> int:
    """The seed of a run's training."""
    return int(run.run["training"]["seed"])


def text(value: object) -> str:
    """A setting as text for people."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else short(value)


def short(value: object) -> str:
    """A setting without thousands separators, so that it can be entered again."""
    if isinstance(value, tuple | list):
        return ",".join(map(short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_saved(value: object) -> str:
    """A text that is equal for values that are equal after a round trip through JSON."""
    return json.dumps(value, sort_keys=True, default=str)
