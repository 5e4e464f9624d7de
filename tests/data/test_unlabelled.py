"""Data without any label: loaded with a schema that has nothing to ask for, and said to be so."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from torch.utils.data import Dataset
from typer.testing import CliRunner

from condgen.cli.app import app
from condgen.cli.spelling import spell
from condgen.data import Splits, load, load_source, stream
from condgen.data.source import DataSource, StreamConfig
from condgen.errors import DataError
from condgen.inspection import inspect
from condgen.recommendation import recommend
from condgen.schema import Flag, Schema

N = 60
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 8, 8), dtype=np.uint8)
PICTURES = [Image.fromarray(pixels) for pixels in PIXELS]
VECTORS = np.random.default_rng(1).normal(size=(N, 2)).astype("float32")


def png(k: int) -> bytes:
    file = io.BytesIO()
    PICTURES[k].save(file, "PNG")
    return file.getvalue()


def flat(folder: Path) -> Path:
    for k in range(N):
        (folder / f"{k}.png").write_bytes(png(k))
    return folder


def in_one_folder(folder: Path) -> Path:
    (folder / "all").mkdir()
    flat(folder / "all")
    return folder


def stylegan(folder: Path) -> Path:
    (flat(folder) / "dataset.json").write_text(json.dumps({"labels": None}))
    return folder


def parquet(folder: Path) -> Path:
    pq.write_table(pa.table({"image": [png(k) for k in range(N)]}), folder / "a.parquet")
    return folder / "a.parquet"


def tar(folder: Path) -> Path:
    with tarfile.open(folder / "a.tar", "w") as archive:
        for k in range(N):
            member, content = tarfile.TarInfo(f"{k:03}.png"), png(k)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder / "a.tar"


def coordinates(folder: Path) -> Path:
    (folder / "a.csv").write_text("x0,x1\n" + "\n".join(f"{a},{b}" for a, b in VECTORS.tolist()))
    return folder / "a.csv"


class Pictures(Dataset[Image.Image]):
    def __len__(self) -> int:
        return N

    def __getitem__(self, k: int) -> Image.Image:
        return PICTURES[k]


def rows(data: Splits) -> int:
    return sum(map(len, (data.train, data.validation, data.test)))


@pytest.mark.parametrize("make", [flat, stylegan, parquet, tar, coordinates])
def test_files_without_labels_are_loaded_and_load_again(make: Callable[[Path], Path], tmp_path: Path) -> None:
    data = load(str(make(tmp_path)))
    assert (rows(data), len(data.schema)) == (N, 0)
    assert any("no labels" in note for note in data.notes)
    again = load_source(DataSource.read(data.source.dump()))
    assert again.train.fingerprint == data.train.fingerprint


@pytest.mark.parametrize("source", [PIXELS, PICTURES, VECTORS, Pictures()], ids=["array", "list", "vectors", "torch"])
def test_so_is_what_is_in_memory_and_told_how_to_label_it(source: Any) -> None:
    data = load(source)
    assert (rows(data), len(data.schema)) == (N, 0)
    assert any("labels={'digit': y}" in note for note in data.notes)


@pytest.mark.parametrize("make", [parquet, tar])
def test_so_is_a_stream(make: Callable[[Path], Path], tmp_path: Path) -> None:
    data = stream(str(make(tmp_path)), streaming=StreamConfig(sample=30))
    assert len(data.schema) == 0
    assert any("no labels" in note for note in data.notes)


def test_labels_that_are_all_the_same_are_taken_for_a_mistake_unless_none_are_wanted(tmp_path: Path) -> None:
    folder = str(in_one_folder(tmp_path))
    with pytest.raises(DataError, match="name none"):
        load(folder)
    data = load(folder, attributes=[])
    assert (rows(data), len(data.schema)) == (N, 0)
    assert DataSource.read(data.source.dump()).attributes == ()


def test_no_attribute_makes_every_column_of_numbers_a_coordinate(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("a,b,kind\n" + "\n".join(f"{a},{b},{int(a > 0)}" for a, b in VECTORS.tolist()))
    assert load(str(table)).shape == (2,)
    bare = load(str(table), attributes=[])
    assert bare.shape == (3,)
    assert not any("the others are attributes" in note for note in bare.notes)
    assert load("digits", attributes=[]).schema.names == []


@pytest.mark.parametrize("make", [flat, stylegan])
def test_a_schema_beside_images_without_its_labels_is_not_ignored(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "schema.json").write_text(Schema(attributes=(Flag(name="smiling"),)).dumps())
    with pytest.raises(DataError, match=r"has no column 'smiling', .* it has none"):
        load(str(folder))


def test_inspection_says_how_to_label_it_and_what_finds_something_to_ask_for(tmp_path: Path) -> None:
    found = inspect(str(flat(tmp_path)))
    assert any("metadata.csv" in note for note in found.notes)
    assert any("model='infogan'" in line for line in found.advice)
    assert found.recommendation is not None


def test_inspection_names_the_command_that_trains_on_it(tmp_path: Path) -> None:
    folder = str(in_one_folder(tmp_path))
    found = inspect(folder, attributes=[])
    assert found.advice[0].startswith("Train first")
    assert "attributes=[]" in found.advice[0]
    assert spell(found.advice[0]).endswith(f"condgen train {folder} --attributes '' --out {tmp_path.name}-run")
    assert "attributes" not in inspect(str(flat(tmp_path / "all"))).advice[0]
    assert inspect(load(PIXELS)).advice[0].startswith("Train first")


def test_nothing_is_said_of_asking_and_editing_where_there_is_nothing_to_ask_for(tmp_path: Path) -> None:
    assert not any("ask for" in line or "obeys" in line for line in inspect(str(flat(tmp_path))).problems)
    photographs = ((3, 64, 64), 5_000)
    assert "CVAE" not in recommend(*photographs, Schema()).reason
    assert "CVAE" in recommend(*photographs, Schema(attributes=(Flag(name="smiling"),))).reason


def test_labels_that_are_not_there_are_not_checked(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["inspect", str(flat(tmp_path)), "--labels"])
    assert said.exit_code
    assert "Leave out --labels" in str(said.exception) + said.output
