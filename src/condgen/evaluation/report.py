"""The report: every number about a trained model, with the protocol by which it was measured."""

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import GenericAlias
from typing import Any

from pydantic import TypeAdapter, ValidationError

from condgen.errors import RunError
from condgen.evaluation.findings import Finding
from condgen.evaluation.metrics.artefacts import ARTEFACTS, Artefacts
from condgen.evaluation.metrics.critic import CRITIC, KnownLabels
from condgen.evaluation.metrics.edits import EDITS, Edits
from condgen.evaluation.metrics.extremes import EXTREMES, Extremes
from condgen.evaluation.metrics.feature_sets import Fidelity
from condgen.evaluation.metrics.fidelity import FIDELITY
from condgen.evaluation.metrics.latents import LATENTS, LatentSummary
from condgen.evaluation.metrics.memorisation import MEMORISATION, Memorisation
from condgen.evaluation.metrics.obedience import OBEDIENCE, Obedience
from condgen.evaluation.metrics.rare import RARE, Rare
from condgen.evaluation.metrics.registry import METRICS
from condgen.evaluation.metrics.requests import REQUESTS, RequestObedience
from condgen.evaluation.metrics.usefulness import USEFULNESS, Usefulness
from condgen.evaluation.protocol import MeasuringProtocol
from condgen.evaluation.verdict import OBEYED, verdict
from condgen.files import write_text

FORMAT = 1
FILE = "report.json"
SPELLED = {"protocol": "recipe"}  # fields with another name in the file


@dataclass(frozen=True, kw_only=True)
class Report:
    """All results about a run.

    headline: the obedience to requests, in a sentence.
    watch: the main finding, in another. Empty if there is none.
    run: the run's path, identity and training.
    sampling: the options that were set. Empty for the run's own way.
    results: of every metric by its name (see `METRICS`). None if it was not measured, and `skipped` gives the reason.
    warnings: numbers that are not reliable, and why.
    data: the address of other data on which the run was measured. Empty for its own.

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
    data: str = ""
    format: int = FORMAT

    @property
    def well(self) -> bool:
        """Whether nothing is wrong as far as can be measured: requests are obeyed, if any can be, and nothing grave."""
        obeyed = self.obedience is None or verdict(self.obedience, self.rare) == OBEYED
        return obeyed and not any(f.grave for f in self.findings)

    @property
    def obedience(self) -> Obedience | None:
        """The obedience of samples. None for a model that cannot be asked for anything."""
        return OBEDIENCE.of(self.results)

    @property
    def rare(self) -> Rare | None:
        """The obedience to rare combinations."""
        return RARE.of(self.results)

    @property
    def extremes(self) -> tuple[Extremes, ...]:
        """Both ends of every number."""
        return EXTREMES.of(self.results) or ()

    @property
    def asked(self) -> tuple[RequestObedience, ...]:
        """Requests that were measured as a whole."""
        return REQUESTS.of(self.results) or ()

    @property
    def fidelity(self) -> tuple[Fidelity, ...]:
        """The fidelity of samples to real data, in every feature space."""
        return FIDELITY.of(self.results) or ()

    @property
    def artefacts(self) -> Artefacts | None:
        """Regular patterns of pixels in samples. None for vectors and for small images."""
        return ARTEFACTS.of(self.results)

    @property
    def memorisation(self) -> Memorisation:
        """The dependence of samples on single training observations."""
        result: Memorisation = self.results[MEMORISATION.name]
        return result

    @property
    def critic(self) -> KnownLabels | None:
        """The critic's knowledge of labels. None for models without one."""
        return CRITIC.of(self.results)

    @property
    def usefulness(self) -> Usefulness | None:
        """The usefulness of samples for training."""
        return USEFULNESS.of(self.results)

    @property
    def edits(self) -> Edits | None:
        """The quality of edits of held-out observations."""
        return EDITS.of(self.results)

    @property
    def latents(self) -> LatentSummary | None:
        """The information in the latent about an attribute."""
        return LATENTS.of(self.results)

    def with_results(self, **results: Any) -> "Report":
        """The same report with other results of these metrics."""
        return replace(self, results={**self.results, **results})

    def dumps(self) -> str:
        """The report as indented JSON."""
        return json.dumps(without_nan(_spread(asdict(self))), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def loads(cls, text: str, source: str = "report") -> "Report":
        """The report in a JSON text. Raises RunError that names the source and the fault."""
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
        """Write report.json into a folder atomically. Raises RunError if it cannot be written."""
        return write_text(folder / FILE, self.dumps() + "\n")


def _spread(content: dict[str, Any]) -> dict[str, Any]:
    """A report's fields in the form of its file: results beside the others."""
    results = content.pop("results")
    return {SPELLED.get(name, name): value for name, value in content.items()} | results


def _gathered(content: Any) -> Any:
    """A file's entries as a report's fields. All entries other than fields are results of metrics."""
    if not isinstance(content, dict):
        return content
    own = {SPELLED.get(f.name, f.name): f.name for f in fields(Report) if f.name != "results"}
    others = {name: value for name, value in content.items() if name not in own}
    known = {own[name]: value for name, value in content.items() if name in own}
    return {"results": {name: read_result(name, value) for name, value in others.items()}} | known


def read_result(name: str, value: Any) -> Any:
    """A metric's result from a file. Unchanged for a metric that is not installed. Raises ValidationError."""
    if value is None or name not in METRICS:
        return value
    kind: Any = GenericAlias(dict, (str, METRICS[name].result))
    return TypeAdapter(kind).validate_python({name: value})[name]


def without_nan(value: Any) -> Any:
    """A value for JSON, which has neither NaN nor infinities. They become words that are read back as numbers."""
    if isinstance(value, dict):
        return {str(k): without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return value
