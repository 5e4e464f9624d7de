"""Tables of many rows take little memory for each."""

from pathlib import Path

import pyarrow as pa
import pytest

from condgen.data.readers import table
from condgen.data.readers.files import columns_of, read_file
from condgen.data.storage.images import Chosen, EncodedImage, Joined
from condgen.errors import DataError


@pytest.mark.parametrize(
    "cells", [["red", None, "dark " + "red"], [1.5, None, 2.5], [True, None, False], [10**12, None, 3]], ids=str
)
def test_equal_cells_are_one_object(cells: list[object]) -> None:
    chunks = pa.chunked_array([pa.array(cells * 50), pa.array(cells * 50)])
    found = columns_of(Path("a.parquet"), pa.table({"a": chunks}))[0]["a"]
    assert found == cells * 100
    assert len({*map(id, found)}) == len(cells)


def test_cells_that_all_differ_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condgen.data.readers.files.MANY", 5)
    found = columns_of(Path("a.parquet"), pa.table({"a": pa.array([*range(20), None])}))[0]["a"]
    assert found == [*range(20), None]


def test_images_of_a_table_are_made_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def noted(name: str, content: Path) -> EncodedImage:
        made.append(content.name)
        return EncodedImage(name, content)

    monkeypatch.setattr(table, "EncodedImage", noted)
    monkeypatch.setattr(table, "_LOOKED_AT", 3)
    for k in range(200):
        (tmp_path / f"{k}.png").touch()
    (tmp_path / "a.csv").write_text("file_name,color\n" + "".join(f"{k}.png,{'rg'[k % 2]}\n" for k in range(200)))
    images = read_file(tmp_path / "a.csv").train.images
    assert len(made) < 50  # whose files are looked for, and some that the checks of types look at
    assert images is not None
    assert images[4].content == tmp_path / "4.png"
    assert images[-1].name == f"{tmp_path / '199.png'} (in row 200 of {tmp_path / 'a.csv'})"
    assert [image.content.name for image in images[2:4]] == ["2.png", "3.png"]  # type: ignore[union-attr]


def test_a_path_with_a_zero_byte_is_named_at_once() -> None:
    with pytest.raises(DataError, match="row 7 of t holds a zero byte"):
        table.Named(Path("t"), Path(), ["a.png", "b\0.png"], first=5)


def test_joined_and_chosen_images_are_those_of_their_parts() -> None:
    images = [EncodedImage(str(k), b"") for k in range(10)]
    both = Joined([images[:4], [], images[4:]])
    assert [*both] == images
    assert both[-10] == images[0]
    assert [*both[2:7]] == images[2:7]
    assert [*Chosen(both, [9, 0, 4])[1:]] == [images[0], images[4]]
    assert len(Joined([])) == 0
    with pytest.raises(IndexError):
        both[10]
