"""The report: every number about a trained model, with the protocol that it was measured by."""

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from statistics import fmean
from types import GenericAlias
from typing import Any

from pydantic import TypeAdapter, ValidationError

from condgen.errors import RunError
from condgen.evaluation.findings import Finding
from condgen.evaluation.metrics.edits import EDITS, Edits
from condgen.evaluation.metrics.fidelity import FIDELITY, Fidelity
from condgen.evaluation.metrics.latents import LATENTS, LatentSummary
from condgen.evaluation.metrics.memorisation import MEMORISATION, Memorisation
from condgen.evaluation.metrics.obedience import OBEDIENCE, Obedience
from condgen.evaluation.metrics.registry import METRICS
from condgen.evaluation.metrics.requests import REQUESTS, RequestObedience
from condgen.evaluation.metrics.usefulness import USEFULNESS, Usefulness
from condgen.evaluation.protocol import MeasuringProtocol
from condgen.files import write_text
from condgen.units import percent

FORMAT = 1
FILE = "report.json"
SPELLED = {"protocol": "recipe"}  # fields of a report that its file calls otherwise


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is known of a run.

    headline: how well requests are obeyed, in a sentence. watch: what to watch, in another; empty if nothing.
    run:      where the run is, what it is and how it was trained. sampling: as asked for; empty: the run's own way.
    results:  of every metric by its name, see `METRICS`; None where it was not measured, and `skipped` says why.
    warnings: which numbers are not to be trusted, and why.

    In report.json the results stand beside the other fields, each under its metric's name.
    """

    headline: str
    watch: str
    run: dict[str, Any]
    sampling: dict[str, Any]
    protocol: MeasuringProtocol
    results: dict[str, Any]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def obedience(self) -> Obedience | None:
        """How far samples show what was asked; None for a model that cannot be asked for anything."""
        return OBEDIENCE.of(self.results)

    @property
    def asked(self) -> tuple[RequestObedience, ...]:
        """Requests that were measured as a whole."""
        return REQUESTS.of(self.results) or ()

    @property
    def fidelity(self) -> tuple[Fidelity, ...]:
        """What samples are like beside real data, in every kind of features."""
        return FIDELITY.of(self.results) or ()

    @property
    def memorisation(self) -> Memorisation:
        """What samples owe to single training observations."""
        result: Memorisation = self.results[MEMORISATION.name]
        return result

    @property
    def usefulness(self) -> Usefulness | None:
        """What can be learned from samples."""
        return USEFULNESS.of(self.results)

    @property
    def edits(self) -> Edits | None:
        """How well held-out observations are edited."""
        return EDITS.of(self.results)

    @property
    def latents(self) -> LatentSummary | None:
        """What the latent says of an attribute."""
        return LATENTS.of(self.results)

    def with_results(self, **results: Any) -> "Report":
        """The same report with other results of these metrics."""
        return replace(self, results={**self.results, **results})

    def dumps(self) -> str:
        """The report as indented JSON."""
        return json.dumps(_without_nan(_spread(asdict(self))), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def loads(cls, text: str, source: str = "report") -> "Report":
        """The report in a JSON text. Raises RunError that names the source and what is wrong."""
        try:
            content = json.loads(text)
            version = content.get("format") if isinstance(content, dict) else None
            if isinstance(version, int) and version > FORMAT:
                raise RunError(f"{source} was written by a newer condgen; update condgen to read it.")
            return TypeAdapter(cls).validate_python(_gathered(content))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RunError(f"{source} is not a report that condgen can read: {first['msg']} (at {where}).") from None
        except (ValueError, TypeError):
            raise RunError(f"{source} is not a report that condgen can read: it is not JSON.") from None

    @classmethod
    def load(cls, path: Path) -> "Report":
        """The report in a file. Raises RunError."""
        try:
            return cls.loads(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(
                f"The report {path} cannot be read: {error}. Make it with `condgen.evaluate(RUN)`."
            ) from None

    def save(self, folder: Path) -> Path:
        """Write report.json into a folder, in one piece. Raises RunError when it cannot be written."""
        return write_text(folder / FILE, self.dumps() + "\n")


def _spread(content: dict[str, Any]) -> dict[str, Any]:
    """A report's fields as its file has them: results beside the others."""
    results = content.pop("results")
    return {SPELLED.get(name, name): value for name, value in content.items()} | results


def _gathered(content: Any) -> Any:
    """A file's entries as a report's fields: what is not one of the other fields is a metric's result."""
    if not isinstance(content, dict):
        return content
    own = {SPELLED.get(f.name, f.name): f.name for f in fields(Report) if f.name != "results"}
    others = {name: value for name, value in content.items() if name not in own}
    known = {own[name]: value for name, value in content.items() if name in own}
    return {"results": {name: _result(name, value) for name, value in others.items()}} | known


def _result(name: str, value: Any) -> Any:
    """A metric's result out of a file; of a metric that is not installed, as it is. Raises ValidationError."""
    if value is None or name not in METRICS:
        return value
    kind: Any = GenericAlias(dict, (str, METRICS[name].result))
    return TypeAdapter(kind).validate_python({name: value})[name]


def _without_nan(value: Any) -> Any:
    """JSON knows neither NaN nor infinities: they become words that are read as numbers where a number is expected."""
    if isinstance(value, dict):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return value


SELDOM = 0.2  # share of real data that shows all attributes at once below which that is no measure


def headline(obedience: Obedience | None, model: str) -> str:
    """How well requests are obeyed, in one sentence, with the judge's own skill in it."""
    if obedience is None:
        return f"This model ({model}) cannot be asked for anything; only how real its samples look was measured."
    parts = obedience.attributes
    joint, real = obedience.joint, percent(obedience.joint_real.value)
    what = parts[0].name if len(parts) == 1 else f"all {len(parts)} attributes at once"
    return (
        f"{_verdict(obedience)}: {percent(joint.value)} of samples show {what} as asked (95\u202f% interval "
        f"{100 * joint.low:.1f}–{100 * joint.high:.1f}), by a judge who finds {real} of held-out real data as labelled."
    )


def _verdict(obedience: Obedience) -> str:
    """Beside real data; attribute by attribute where the judge seldom finds all of them even in that."""
    ratio = obedience.joint.value / max(obedience.joint_real.value, 1e-9)
    if obedience.joint_real.value < SELDOM:
        ratio = fmean(a.relative for a in obedience.attributes)
    for least, words in (
        (0.98, "Requests are obeyed"),
        (0.9, "Requests are mostly obeyed"),
        (0.6, "Requests are often missed"),
    ):
        if ratio >= least:
            return words
    return "Requests are not obeyed"
