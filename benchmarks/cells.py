"""Cells of a table: each is measured once and kept, so that a benchmark can be interrupted and repeated."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from condgen.data import Splits
from condgen.presets import preset
from condgen.runs.arguments import overridden
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.units import parse_duration

Cell = dict[str, float]


def kept(path: Path, measure: Callable[[], Cell]) -> Cell:
    """What was measured before, or is measured now; printed either way."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(measure()))
    found: Cell = json.loads(path.read_text())
    print(path.stem, *(f"{k} {v:.4g}" for k, v in found.items()), flush=True)
    return found


def shown(cells: Sequence[Cell], key: str, form: str) -> str:
    """Mean ± standard deviation of one quantity over cells."""
    values = [cell[key] for cell in cells]
    return f"{mean(values):{form}} ± {stdev(values) if len(values) > 1 else 0:{form}}"


def table(title: str, columns: dict[str, tuple[str, str]], rows: dict[str, list[Cell]]) -> None:
    """Print a Markdown table; columns: heading → (quantity, format)."""
    print(f"\n| {title} | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for label, cells in rows.items():
        print(f"| {label} | {' | '.join(shown(cells, key, form) for key, form in columns.values())} |")


def settings_of(text: str) -> dict[str, str]:
    """Settings as written: `outputs=spectrum,channels=48`. An empty text has none."""
    return dict(part.split("=", 1) for part in text.split(",")) if text else {}


def trained(data: Splits, name: str, folder: Path, seed: int, budget: str | None, **settings: Any) -> Run:
    """The run of a preset, trained as `condgen train --preset NAME` does, or opened where it has been."""
    finished = folder.with_suffix(".trained")
    if not finished.exists():
        shutil.rmtree(folder, ignore_errors=True)
        options = {"seed": seed, **({"seconds": parse_duration(budget)} if budget else {}), **settings}
        recipe, _ = overridden(preset(name), options)
        train(recipe.pop("model"), data, folder, **recipe)
        finished.touch()
    return Run.open(folder)
