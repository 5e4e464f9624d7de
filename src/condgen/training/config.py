"""The config.json of a run: its header for people and other programs to read. Condgen reads the checkpoint alone."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from condgen.files import write_text
from condgen.schema import Schema
from condgen.training.checkpoint import Info

FILE = "config.json"


def write_config(folder: Path, info: Info, schema: Schema) -> Path:
    """Write it into the folder of a run. Raises RunError."""
    return write_text(folder / FILE, json.dumps(config(info, schema), indent=2, ensure_ascii=False) + "\n")


def config(info: Info, schema: Schema) -> dict[str, Any]:
    """Model, attributes with an example each, data, settings, position and versions."""
    return {
        **info.recipe,
        "shape": list(info.shape),
        "attributes": {attribute.name: attribute.example for attribute in schema},
        "training": info.training,
        "arithmetic": str(info.arithmetic),
        "data": {name: value for name, value in info.data.items() if name != "schema" and value is not None},
        "trained_against": [each.name for each in info.against],
        **({"borrowed": [asdict(each) for each in info.borrowed]} if info.borrowed else {}),
        "images": info.images,
        "total": info.total,
        "seconds": round(info.seconds, 1),
        "versions": info.versions,
    }
