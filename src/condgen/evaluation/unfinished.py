"""The finished part of an evaluation: its samples and every measured metric, kept in the cache until all is measured.

A killed evaluation therefore goes on where it stopped, with the same numbers.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from inspect import getsourcefile
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from condgen import sealed
from condgen.cache import cache_folder
from condgen.errors import RunError
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.report import read_result, without_nan
from condgen.files import write_text, writing

SAMPLES = "samples.safetensors"


@dataclass(frozen=True)
class Measured:
    """The result of a metric, and the warnings that it gave."""

    result: Any
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Unfinished:
    """The finished part of one evaluation, in a folder of its own."""

    folder: Path

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> "Unfinished":
        """The finished part of the evaluation with this identity: everything that its numbers depend on, as JSON."""
        text = json.dumps(without_nan(identity), sort_keys=True)
        return cls(cache_folder() / "unfinished" / _digest(text.encode()))

    def samples(self, make: Callable[[], Tensor]) -> Tensor:
        """The samples, made now unless they were before."""
        path = self.folder / SAMPLES
        with suppress(OSError, sealed.DamagedError, KeyError):
            return sealed.read(path)[1]["x"]
        x = make()
        with suppress(OSError, SafetensorError), writing(path) as partial:  # without room they are made again
            sealed.write(partial, {"x": x}, {})
        return x

    def result(self, name: str, metric: Metric[Any], case: Measurement) -> Any:
        """The result of a metric of this name, measured now unless it was before. Its warnings are given either way."""
        path = self.folder / f"{_digest(name.encode())}-{_digest(_code(metric))}.json"
        found = _read(path, name) or _measured(metric, case, path)
        for text in found.warnings:
            case.warn(text)
        return found.result

    def forget(self) -> None:
        """Remove everything, since the evaluation is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _measured(metric: Metric[Any], case: Measurement, path: Path) -> Measured:
    warnings: list[str] = []
    found = Measured(metric.measure(replace(case, warn=warnings.append)), tuple(warnings))
    with suppress(RunError, TypeError, ValueError):  # a result that is no JSON is measured again
        write_text(path, json.dumps(without_nan(asdict(found))))
    return found


def _read(path: Path, name: str) -> Measured | None:
    with suppress(OSError, ValueError, TypeError, KeyError, ValidationError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return Measured(read_result(name, found["result"]), tuple(found["warnings"]))
    return None


def _code(metric: Metric[Any]) -> bytes:
    """The source of a metric, whose results are not taken for those of another version of it."""
    with suppress(OSError, TypeError):
        return Path(getsourcefile(type(metric)) or "").read_bytes()
    return b""


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()
