"""Odd content of tables and odd names: understood or refused in a paragraph."""

import json
from pathlib import Path

import pytest
from PIL import Image

from condgen.data import load
from condgen.errors import DataError, RequestError
from condgen.inspection import inspect


def table(folder: Path, cells: list[object], file_name: str = "0.png") -> Path:
    Image.new("L", (8, 8)).save(folder / "0.png")
    rows = [json.dumps({"file_name": file_name, "n": cell, "c": "ab"[k % 2]}) for k, cell in enumerate(cells)]
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    return folder


@pytest.mark.parametrize("base", [2**63, -(2**70), 10**400])
def test_integers_of_any_size_are_names_if_they_are_no_different_numbers(tmp_path: Path, base: int) -> None:
    found = table(tmp_path, [base + k % 15 for k in range(30)])
    assert str(base) in load(str(found)).schema["n"].choices
    assert inspect(str(found)).schema["n"].choices


def test_a_path_that_no_file_can_have_is_a_missing_image(tmp_path: Path) -> None:
    for name in ("a" * 5_000, "a" * 5_000 + ".png"):
        with pytest.raises(DataError):
            load(str(table(tmp_path, [0, 1] * 10, name)))


@pytest.mark.parametrize("name", ["/tmp/" + "a" * 5_000, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load(name)


def test_an_attribute_without_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x0,,c\n" + "\n".join(f"{k},{k % 3},{k % 2}" for k in range(40)))
    for names in ([""], ["c", ""]):
        with pytest.raises((DataError, RequestError)):
            load(str(tmp_path / "t.csv"), attributes=names)
