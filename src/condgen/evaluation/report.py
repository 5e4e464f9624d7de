"""The report: every number about a trained model, with the recipe that it was measured by."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import TypeAdapter, ValidationError

from condgen.errors import RunError
from condgen.evaluation.doctor import Finding
from condgen.evaluation.metrics.edits import Edits
from condgen.evaluation.metrics.fidelity import Fidelity
from condgen.evaluation.metrics.latents import LatentSummary
from condgen.evaluation.metrics.memorisation import Memorisation
from condgen.evaluation.metrics.obedience import Obedience
from condgen.evaluation.metrics.requests import Asked
from condgen.evaluation.metrics.usefulness import Usefulness
from condgen.files import write_text
from condgen.units import percent

FORMAT = 1
RECIPE = 1  # version of how things are measured: numbers of different versions are not compared
FILE = "report.json"


@dataclass(frozen=True)
class Recipe:
    """How a report's numbers were measured; reports with different recipes are not compared.

    samples:   how many were judged. labels: what was asked, `data` as in held-out data or `uniform` over combinations.
    features:  which the distances were measured on. reference: fingerprint of the held-out data, of size `held_out`.
    judge:     identity of the judge: the fingerprint of its training data and its version.
    pairs:     counterfactual samples per attribute. useful: images that the predictors of usefulness were trained on.
    """

    samples: int
    labels: str
    features: tuple[str, ...]
    reference: str
    held_out: int
    judge: str
    pairs: int
    useful: int
    seed: int
    version: int = RECIPE


@dataclass(frozen=True)
class Report:
    """What is known of a run.

    headline: how well requests are obeyed, in a sentence. watch: what to watch, in another; empty if nothing.
    run:      where the run is, what it is and how it was trained. sampling: as asked for; empty: the run's own way.
    obedience: None for models that cannot be asked for anything; usefulness, latents, edits: None where not measured.
    asked:    requests that were measured as a whole.
    warnings: which numbers are not to be trusted, and why.
    """

    headline: str
    watch: str
    run: dict[str, Any]
    sampling: dict[str, Any]
    recipe: Recipe
    obedience: Obedience | None
    fidelity: tuple[Fidelity, ...]
    memorisation: Memorisation
    usefulness: Usefulness | None
    latents: LatentSummary | None
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    edits: Edits | None = None
    asked: tuple[Asked, ...] = ()
    format: int = FORMAT

    def dumps(self) -> str:
        """The report as indented JSON."""
        return json.dumps(_plain(asdict(self)), indent=2, ensure_ascii=False, allow_nan=False)

    @classmethod
    def loads(cls, text: str, source: str = "report") -> "Report":
        """The report in a JSON text. Raises RunError that names the source and what is wrong."""
        try:
            content = json.loads(text)
            version = content.get("format") if isinstance(content, dict) else None
            if isinstance(version, int) and version > FORMAT:
                raise RunError(f"{source} was written by a newer condgen; update condgen to read it.")
            return TypeAdapter(cls).validate_python(content)
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
            raise RunError(f"The report {path} cannot be read: {error}. Make it with condgen evaluate.") from None

    def save(self, folder: Path) -> Path:
        """Write report.json into a folder, in one piece. Raises RunError when it cannot be written."""
        return write_text(folder / FILE, self.dumps() + "\n")


def _plain(value: Any) -> Any:
    """JSON knows neither NaN nor infinities: they become words that are read as numbers where a number is expected."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
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
