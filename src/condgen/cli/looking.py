"""Commands that show something: data, recipes."""

import json
from typing import Any

from condgen.cli.options import Attributes, Broken, Data, DataDir, Json, Resize, SchemaFile, Size, load_data


def inspect(
    data: Data,
    attributes: Attributes = None,
    size: Size = None,
    schema: SchemaFile = None,
    data_dir: DataDir = None,
    resize: Resize = "crop",
    broken: Broken = 0.05,
    as_json: Json = False,
) -> None:
    """Show what condgen understands of DATA: attributes, counts, balance, problems."""
    from condgen.data.inspect import summary

    found = summary(load_data(data, attributes, size, schema, data_dir=data_dir, resize=resize, broken=broken))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _show_summary(found)


def datasets() -> None:
    """List the datasets that have a name and what else DATA can be."""
    from condgen.data import BUILTIN, PUBLISHED
    from condgen.data.readers import KINDS
    from condgen.data.readers.hub import USAGE

    print("Built in:")
    for name, entry in BUILTIN.items():
        print(f"  {name:14} {entry.description}")
    print("\nDownloaded on first use, or read from a local copy (--data-dir):")
    for name, published in PUBLISHED.items():
        print(f"  {name:14} {published.description}")
    print("\nDATA can also be:")
    for kind in KINDS:
        print(f"  {kind.description};")
    print(f"  {USAGE}.")
    print("A schema.json beside the data is used in place of guessing.")


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
