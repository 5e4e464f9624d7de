"""The forms in which a run can be exported, each in one file in `condgen/export/` or in another package."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from condgen.errors import RequestError, unknown
from condgen.files import must_be_writable
from condgen.parameters import keyword_arguments
from condgen.registry import Registry
from condgen.stores.copies import must_be_new, place


@dataclass(frozen=True)
class Exporter:
    """A form of exported runs.

    sentence: its contents in a few words.
    suffix: of the file, such as `.onnx`. Empty for a folder.
    others: settings that change the suffix, with the one that they give.
    write: called with the opened run and an unused path. Its keyword-only arguments are the form's settings.
    """

    sentence: str
    suffix: str
    write: Callable[..., object]
    others: Mapping[str, str] = field(default_factory=dict)

    def suffix_with(self, settings: Mapping[str, Any]) -> str:
        """The suffix of what is written with some settings."""
        return next((suffix for name, suffix in self.others.items() if settings.get(name)), self.suffix)


EXPORTERS: Registry[Exporter] = Registry(
    "form of export",
    "condgen.exporters",
    {
        "weights": "condgen.export.weights:WEIGHTS",
        "onnx": "condgen.export.onnx:ONNX",
        "hub": "condgen.hub.folder:HUB",
        "space": "condgen.hub.space:SPACE",
        "web": "condgen.studio.web.folder:WEB",
    },
    accepts=lambda entry: isinstance(entry, Exporter),
    wanted="condgen.runs.exporting.Exporter",
)


def export(run: Any, to: str, path: str | Path, **settings: Any) -> Path:
    """Export a run in a form, to a new path, and return the path.

    Raises RequestError for an unknown form or setting, another suffix than the form's, or a path that is in use, and
    RunError for a place that cannot be written.
    """
    exporter, path = EXPORTERS[to], place(path)
    taken = keyword_arguments(exporter.write)
    for name in settings:
        if name not in taken:
            told = [each for each in taken if each != "progress"]  # it is no setting of what is written
            raise unknown(f"setting of exporting to {to}:", name, told)
    suffix = exporter.suffix_with(settings)
    ending = path.suffix if path.suffix[1:2].isalpha() else ""  # that of my-model-1.5 is none
    if ending.casefold() != suffix:
        meant = path.with_name(path.name.removesuffix(ending) + suffix)
        kind = f"a file ({meant})" if suffix else f"a folder ({meant})"
        raise RequestError(f"Exporting to {to} writes {kind}, not '{path}'.")
    must_be_new(path, "the export")
    if path.exists():
        raise RequestError(f"{path} is there already; nothing was overwritten. Choose a new name.")
    must_be_writable(path.parent)
    exporter.write(run, path, **settings)
    return path
