"""Commands that show something: data, recipes."""

import json
from typing import Any

from condgen.cli.options import Attributes, Data, Json, SchemaFile, Size, load_data

SOURCES = """\
DATA can also be:
  a folder with one folder of images per class (attribute: label);
  a folder of images with a metadata.csv: file_name, and one column per attribute;
  a CSV or Parquet file with a column of image paths or of encoded images, or columns x0, x1, … of a vector;
  a folder with train.parquet and, if you like, test.parquet."""


def inspect(
    data: Data, attributes: Attributes = None, size: Size = None, schema: SchemaFile = None, as_json: Json = False
) -> None:
    """Show what condgen understands of DATA: attributes, counts, balance, problems."""
    from condgen.data.inspect import summary

    found = summary(load_data(data, attributes, size, schema))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _show_summary(found)


def datasets() -> None:
    """List the built-in datasets and what else DATA can be."""
    from condgen.data import BUILTIN

    width = max(map(len, BUILTIN))
    for name, entry in BUILTIN.items():
        print(f"{name:{width}} {entry.description}")
    print(f"\n{SOURCES}")


def presets() -> None:
    """List the named recipes, with the result and the time to expect."""
    from condgen.presets import PRESETS

    width = max(map(len, PRESETS))
    for name, recipe in PRESETS.items():
        settings = ", ".join(f"{k}={v}" for k, v in recipe.items() if k not in ("model", "expect"))
        print(f"{name:{width}} {recipe['model']}: {settings}\n{'':{width}} {recipe['expect']}")


def _show_summary(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, emoji=False, highlight=False)  # names may hold brackets and colons
    sizes = ", ".join(f"{n:,} {name}" for name, n in found["examples"].items())
    console.print(f"{found['source']}: shape {tuple(found['shape'])}; {sizes}")
    table = Table("attribute", "kind", "values in the training part", "missing")
    for a in found["attributes"]:
        table.add_row(a["name"], a["kind"], _values(a), f"{a['missing']:,}")
    console.print(table)
    combinations = found["combinations"]
    if len(found["attributes"]) > 1 and combinations["possible"]:
        console.print(
            f"{combinations['present']:,} of {combinations['possible']:,} combinations of named values occur."
        )
    for problem in found["problems"]:
        console.print(f"• {problem}")


def _values(attribute: dict[str, Any]) -> str:
    if attribute["kind"] == "continuous":
        low, first, middle, third, high = attribute["quartiles"] or [float("nan")] * 5
        return f"{low:g} … {high:g}, half of them in {first:g} … {third:g}, median {middle:g}"
    counts = sorted(attribute["counts"].items(), key=lambda each: -each[1]) if len(attribute["counts"]) > 12 else None
    shown = [f"{value} {n:,}" for value, n in (counts or attribute["counts"].items())][:12]
    return ", ".join(shown) + (f", … ({len(attribute['counts'])} in all)" if counts else "")
