import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

import condgen
from condgen.data import as_uint8, load
from condgen.errors import RequestError, RunError
from condgen.runs.run import Run
from condgen.runs.samples import Samples, save_samples
from condgen.schema import Categorical, Condition, Schema


def save(run: Run, folder: Path, *asked: str, n: int = 3) -> tuple[Path, Samples]:
    found = run.requests(asked)
    shown = save_samples(run.stream(found, n, seed=7, batch=2), run.schema, [r.text for r in found], folder)
    return shown, run.sample(asked, n, seed=7)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_images_come_with_the_condition_and_seed_of_each(run: Run, tmp_path: Path) -> None:
    """Samples must not be saved without their conditions."""
    shown, samples = save(run, tmp_path, "digit=4", "digit=9")
    assert shown == tmp_path / "grid.png"
    names = [f"{k:06d}.png" for k in range(6)]
    assert {p.name for p in tmp_path.iterdir()} == {*names, "grid.png", "metadata.csv", "schema.json"}
    rows = table(tmp_path)
    assert list(rows[0]) == ["file_name", "seed", "digit"]
    assert [row["file_name"] for row in rows] == names
    assert [row["seed"] for row in rows] == ["7", "8", "9"] * 2
    assert [row["digit"] for row in rows] == ["4"] * 3 + ["9"] * 3
    for name, x in zip(names, samples.x, strict=True):
        with Image.open(tmp_path / name) as image:
            written = torch.tensor(list(image.tobytes())).view(1, 8, 8)
        assert (written - as_uint8(x).int()).abs().max() <= 1  # another batch size may round the other way
    assert Schema.load(tmp_path / "schema.json") == run.schema


def test_what_was_sampled_is_a_dataset_with_the_same_labels(run: Run, tmp_path: Path) -> None:
    _, samples = save(run, tmp_path, "digit=*", n=4)
    splits = condgen.load(str(tmp_path))
    assert splits.schema == run.schema
    parts = (splits.train, splits.validation, splits.test)
    found = sorted(
        (*r.values(), *x.flatten().tolist()) for p in parts for r, x in zip(p.condition.rows(), p.x, strict=True)
    )
    asked = sorted(
        (*r.values(), *x.flatten().tolist()) for r, x in zip(samples.condition.rows(), as_uint8(samples.x), strict=True)
    )
    assert [row[0] for row in found] == [row[0] for row in asked]
    assert len(found) == 40


READ_BY_DATASETS = """
import json, sys
import datasets
loaded = datasets.load_dataset("imagefolder", data_dir=sys.argv[1], split="train", cache_dir=sys.argv[2])
digits = [str(v) for v in loaded["digit"][:]]
print(json.dumps([loaded.column_names, loaded["seed"][:], digits, loaded[0]["image"].size]))
"""


def test_the_datasets_library_reads_it(run: Run, tmp_path: Path) -> None:
    _, samples = save(run, tmp_path / "samples", "digit=3|8", n=6)
    cache = str(tmp_path / "cache")
    offline = {"HF_HOME": cache, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    command = [sys.executable, "-c", READ_BY_DATASETS, str(tmp_path / "samples"), cache]
    output = subprocess.run(command, check=True, capture_output=True, env=os.environ | offline).stdout
    columns, seeds, digits, size = json.loads(output.splitlines()[-1])
    assert columns == ["image", "seed", "digit"]
    assert seeds == samples.seeds.tolist()
    assert digits == [row["digit"] for row in samples.condition.rows()]
    assert size == [8, 8]


def test_vectors_are_columns(points: Run, tmp_path: Path) -> None:
    shown, samples = save(points, tmp_path, "side=west, angle=0..20", "far=yes")
    assert shown == tmp_path / "metadata.csv"
    assert {p.name for p in tmp_path.iterdir()} == {"metadata.csv", "schema.json"}
    rows = table(tmp_path)
    assert list(rows[0]) == ["x0", "x1", "seed", "side", "far", "angle"]
    assert float(rows[0]["x0"]) == pytest.approx(float(samples.x[0, 0]), abs=1e-4)
    assert rows[0]["side"] == "west"
    assert rows[-1]["side"] in ("east", "north", "west", "south")  # free, so drawn from the data
    assert rows[-1]["far"] == "yes"
    again = condgen.load(str(tmp_path))
    assert (len(again.train) + len(again.validation) + len(again.test), again.shape) == (len(samples), (2,))
    assert again.schema == points.schema


def test_the_grid_has_a_labelled_row_per_request(run: Run, tmp_path: Path) -> None:
    save(run, tmp_path / "two", "digit=4", "digit=9", n=12)
    save(run, tmp_path / "one", "digit=4", n=12)
    with Image.open(tmp_path / "two" / "grid.png") as two, Image.open(tmp_path / "one" / "grid.png") as one:
        assert two.width == one.width > 10 * 56  # ten columns and the labels
        assert two.height == 2 * one.height


def test_names_with_commas_quotes_and_letters_of_any_kind_survive(tmp_path: Path) -> None:
    schema = Schema(attributes=(condgen.Categorical(name="Größe", values=('10" mini', "a, b", "日本")),))
    condition = condgen.Condition.of(schema, [{"Größe": value} for value in schema["Größe"].choices])  # type: ignore[union-attr]
    samples = Samples(torch.rand(3, 3, 8, 8), condition, torch.arange(3), torch.zeros(3, dtype=torch.long))
    save_samples(iter([samples]), schema, ["anything"], tmp_path)
    assert [row["Größe"] for row in table(tmp_path)] == ['10" mini', "a, b", "日本"]
    assert condgen.load(str(tmp_path)).schema == schema


def test_a_folder_that_holds_something_is_refused_and_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("mine")
    with pytest.raises(RequestError, match="not empty; nothing was overwritten"):
        save(run, tmp_path, "digit=1")
    assert (tmp_path / "metadata.csv").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_below_a_file_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file/out cannot be written"):
        save(run, tmp_path / "file" / "out", "digit=1")


def test_a_full_disk_is_one_paragraph(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    with pytest.raises(RunError, match="No space left on device") as caught:
        save(run, tmp_path, "digit=1")
    assert str(tmp_path) in str(caught.value)


def test_writing_keeps_no_more_than_a_few_batches_in_memory(run: Run, tmp_path: Path) -> None:
    """A generator is enough: nothing asks for all samples at once."""
    asked = run.requests("digit=1")

    def parts() -> Iterator[Samples]:
        for k, part in enumerate(run.stream(asked, 30, batch=10)):
            if k == 2:
                assert any((tmp_path / "out.partial").glob("*.png"))
            yield part

    save_samples(parts(), run.schema, ["digit=1"], tmp_path / "out")
    assert len(table(tmp_path / "out")) == 30


def test_the_last_changes_are_made_before_the_folder_gets_its_name(run: Run, tmp_path: Path) -> None:
    def finish(folder: Path) -> None:
        assert not (tmp_path / "out").exists()
        (folder / "grid.png").write_text("another")

    parts = run.stream(run.requests("digit=1"), 2)
    save_samples(parts, run.schema, ["digit=1"], tmp_path / "out", finish)
    assert (tmp_path / "out" / "grid.png").read_text() == "another"


def test_no_cell_is_a_formula_to_a_spreadsheet_and_all_are_read_back(tmp_path: Path) -> None:
    names = ("=1+1", "+cmd", "-2.5", "@SUM(1)", "plain")
    schema = Schema(attributes=(Categorical(name="c", values=names),))
    condition = Condition.of(schema, [{"c": name} for name in names] * 4)
    n = len(condition)
    samples = Samples(torch.rand(n, 1, 8, 8), condition, torch.arange(n), torch.zeros(n, dtype=torch.long))
    samples.save(tmp_path / "out")
    cells = [line.split(",")[2] for line in (tmp_path / "out" / "metadata.csv").read_text().splitlines()[1:6]]
    assert cells == ["'=1+1", "'+cmd", "-2.5", "'@SUM(1)", "plain"]
    back = load(str(tmp_path / "out"))
    assert back.schema == schema
    assert sum(len(part) for part in (back.train, back.validation, back.test)) == n
