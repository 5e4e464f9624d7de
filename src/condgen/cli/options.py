"""What commands share: the types of their arguments, and how these are read."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from condgen.data import Splits

Data = Annotated[str, typer.Argument(metavar="DATA", help="A built-in name, a folder, a CSV or Parquet file.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `condgen train --out` wrote.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="A new folder for the result.")]
Attributes = Annotated[str | None, typer.Option(help="The only attributes to use: a,b,c.")]
Size = Annotated[int | None, typer.Option(help="Side of the square that images are cropped and resized to.")]
SchemaFile = Annotated[Path | None, typer.Option("--schema", help="A schema.json to use instead of the inferred one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def say(text: str) -> None:
    """Tell a person, beside what the command prints as its result."""
    print(text, file=sys.stderr)


def load_data(data: str, attributes: str | None, size: int | None, schema: Path | None) -> "Splits":
    """The data that a command names; what was guessed or changed on the way is said."""
    from condgen.data import load
    from condgen.schema import Schema

    chosen = [name.strip() for name in attributes.split(",")] if attributes else None
    splits = load(data, attributes=chosen, size=size, schema=Schema.load(schema) if schema else None)
    for note in splits.notes:
        say(f"Note: {note}")
    return splits


def load_again(run: Path) -> "Splits":
    """The data that a run was trained on."""
    from condgen.data import load
    from condgen.errors import RunError
    from condgen.schema import Schema
    from condgen.training import checkpoint

    info, _ = checkpoint.load(run / checkpoint.FILE)
    origin = info.data
    if origin.get("source") is None:
        raise RunError(
            f"{run} was trained from Python on data in memory; go on there (condgen.resume, condgen.distil)."
        )
    given = Schema.model_validate(origin["schema"]) if origin.get("schema") else None
    return load(origin["source"], attributes=origin.get("attributes"), size=origin.get("size"), schema=given)


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`--set key=value` as a dictionary."""
    from condgen.errors import RequestError

    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise RequestError(f"--set takes KEY=VALUE, as in --set latent=16, not '{pair}'.")
        found[key.strip()] = value.strip()
    return found


def origin(data: str, splits: "Splits", size: int | None, schema: Path | None = None) -> dict[str, Any]:
    """How to load the data again: what a run keeps of it."""
    from condgen.data.builtin import is_builtin

    return {
        "source": data if is_builtin(data) else str(Path(data).expanduser().resolve()),
        "attributes": splits.schema.names,
        "size": size,
        "schema": splits.schema.model_dump(mode="json") if schema else None,
    }
