"""The files of an inspection: schema.json to edit, inspection.html to view, inspection.json for scripts."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from condgen.files import write_text
from condgen.inspection import Inspection
from condgen.inspection.labels import LabelCheck
from condgen.pages.inspection import inspection_page, pictures_of_values


def as_json(found: Inspection, checks: Sequence[LabelCheck] = (), pictures: bool = False) -> str:
    """The inspection as indented JSON. With checks also `labels`, with suspects by row of the source.

    pictures: also `value_pictures`, a picture of each value by attribute and value, as data URIs.
    """
    labels = {"labels": [asdict(check) for check in checks]} if checks else {}
    shown = {"value_pictures": pictures_of_values(found)} if pictures else {}
    return json.dumps(found.as_dict() | labels | shown, indent=2) + "\n"


def save(found: Inspection, checks: Sequence[LabelCheck], folder: Path) -> list[str]:
    """Write the three files into a folder, which is created if needed, and report it in sentences.

    The page and the JSON are replaced. A schema.json that differs may have been edited and is kept. Each file is
    written atomically. Raises RunError for a folder that cannot be written.
    """
    write_text(folder / "inspection.json", as_json(found, checks))
    page = write_text(folder / "inspection.html", inspection_page(found, checks))
    schema, text = folder / "schema.json", found.schema.dumps() + "\n"
    if schema.is_file() and schema.read_text(encoding="utf-8") != text:
        return [f"{page} is written. {schema} differs from what was inferred; it is kept."]
    write_text(schema, text)
    return [f"{page} is written; edit {schema} to change what was understood (`schema='{schema}'`)."]
