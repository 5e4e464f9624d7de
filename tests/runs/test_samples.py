import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import condgen
from condgen.data import as_uint8, load
from condgen.data.coordinates import Coordinates
from condgen.errors import RequestError, RunError
from condgen.imprint import imprint_of
from condgen.runs.run import Run
from condgen.runs.samples import Samples, save_samples
from condgen.schema import Categorical, Condition, Flag, Schema


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
    schema = Schema(attributes=(Categorical(name="c", values=names), Flag(name="-delta"), Flag(name="seed")))
    condition = Condition.of(schema, [{"c": name, "-delta": True, "seed": False} for name in names] * 4)
    n = len(condition)
    samples = Samples(torch.rand(n, 1, 8, 8), condition, torch.arange(n), torch.zeros(n, dtype=torch.long))
    samples.save(tmp_path / "out")
    first, *lines = (tmp_path / "out" / "metadata.csv").read_text().splitlines()
    assert first == "file_name,sample_seed,c,'-delta,seed"
    cells = [line.split(",")[2] for line in lines[:5]]
    assert cells == ["'=1+1", "'+cmd", "-2.5", "'@SUM(1)", "plain"]
    back = load(str(tmp_path / "out"))
    assert back.schema == schema
    assert sum(len(part) for part in (back.train, back.validation, back.test)) == n
    assert samples.to_pandas().columns.tolist() == ["sample_seed", "c", "-delta", "seed"]


@pytest.mark.parametrize(
    ("names", "columns"),
    [(["File_Name"], ["image", "seed"]), (["image", "file_name", "Seed"], ["path", "sample_seed"])],
)
def test_attributes_named_like_columns_are_read_back(names: list[str], columns: list[str], tmp_path: Path) -> None:
    schema = Schema(attributes=tuple(Categorical(name=name, values=("a", "b")) for name in names))
    condition = Condition.of(schema, [dict.fromkeys(names, "ab"[k % 2]) for k in range(20)])
    samples = Samples(torch.rand(20, 1, 8, 8), condition, torch.arange(20), torch.zeros(20, dtype=torch.long))
    samples.save(tmp_path / "o")
    assert (tmp_path / "o" / "metadata.csv").read_text().splitlines()[0] == ",".join([*columns, *names])
    back = load(str(tmp_path / "o"))
    assert back.schema == schema
    assert sum(len(part) for part in (back.train, back.validation, back.test)) == 20


def test_a_selection_is_saved_with_its_own_requests(tmp_path: Path) -> None:
    images("aabbcc", [0, 0, 1, 1, 2, 2])[2:].save(tmp_path / "out")
    made = [imprint_of((tmp_path / "out" / f"{k:06}.png").read_bytes()) for k in range(4)]
    assert [each and each["request"] for each in made] == ["letter=b", "letter=b", "letter=c", "letter=c"]


# ---- samples in memory

LETTERS = Schema(attributes=(Categorical(name="letter", values=tuple("abcdefgh")), Flag(name="bold")))


def images(letters: str, requests: Sequence[int] | None = None, bold: bool | None = None) -> Samples:
    """Image k is 6×8 pixels, of brightness k/10, and has the seed 100 + k."""
    n = len(letters)
    rows: list[dict[str, Any]] = [{"letter": letter} | ({} if bold is None else {"bold": bold}) for letter in letters]
    x = torch.arange(n)[:, None, None, None] / 10 * torch.ones(n, 1, 6, 8)
    return Samples(x, Condition.of(LETTERS, rows), torch.arange(n) + 100, torch.tensor(requests or [0] * n))


def numbers(n: int, coordinates: Coordinates | None = None) -> Samples:
    """Vector k is (k, 10 k)."""
    x = torch.arange(n)[:, None] * torch.tensor([1.0, 10.0])
    letters = Condition.of(LETTERS, [{"letter": "a"}] * n)
    return Samples(x, letters, torch.arange(n), torch.zeros(n, dtype=torch.long), coordinates)


def letters_of(samples: Samples) -> str:
    return "".join(str(row["letter"]) for row in samples.condition.rows())


@pytest.mark.parametrize(
    ("index", "found"),
    [(0, "a"), (2, "c"), (-1, "c"), (-3, "a"), (slice(1, None), "bc"), (torch.tensor([True, False, True]), "ac")],
)
def test_an_index_gives_samples_with_all_that_belongs_to_them(index: Any, found: str) -> None:
    chosen = images("abc", [0, 1, 2])[index]
    place = ["abc".index(letter) for letter in found]
    assert letters_of(chosen) == found
    assert chosen.seeds.tolist() == [100 + k for k in place]
    assert chosen.request.tolist() == place
    assert chosen.x[:, 0, 0, 0].tolist() == pytest.approx([k / 10 for k in place])


@pytest.mark.parametrize("index", [3, -4])
def test_no_sample_beyond_the_last_or_before_the_first(index: int) -> None:
    with pytest.raises(IndexError, match=f"there are 3 samples, so none at {index}"):
        images("abc")[index]


def test_samples_are_iterated_one_by_one() -> None:
    assert [letters_of(one) for one in images("abc")] == ["a", "b", "c"]


def test_the_text_names_four_different_requests_and_counts_the_others() -> None:
    assert repr(images("aabbccdd")) == "8 images of shape (1, 6, 8)\n  letter=a; letter=b; letter=c; letter=d"
    assert repr(images("abcdef")).endswith("letter=d and 2 more")
    assert repr(images("abcde")).endswith("letter=d and 1 more")
    assert repr(numbers(2)) == "2 vectors of shape (2,)\n  letter=a"


def test_a_notebook_shows_ten_rows_of_a_table() -> None:
    assert numbers(30)._repr_html_().count("<tr") == 11
    assert 'alt="3 images' in images("abc")._repr_html_()


def test_vectors_come_in_the_units_of_the_data_with_their_names() -> None:
    samples = numbers(3, Coordinates(("size", "weight"), (5.0, 7.0), (2.0, 1.0)))
    assert samples.values.tolist() == [[5, 7], [7, 17], [9, 27]]
    assert samples.numpy().tolist() == samples.values.tolist()
    frame = samples.to_pandas()
    assert list(frame.columns) == ["size", "weight", "seed", "letter", "bold"]
    assert frame["weight"].tolist() == [7, 17, 27]
    assert numbers(2).names == ("x0", "x1")
    assert Samples.cat([samples, samples]).values.tolist() == 2 * samples.values.tolist()


def test_images_as_arrays_have_their_channels_last() -> None:
    x = torch.rand(2, 3, 4, 8)
    condition = Condition.of(LETTERS, [{"letter": "a"}] * 2)
    array = Samples(x, condition, torch.arange(2), torch.zeros(2, dtype=torch.long)).numpy()
    assert array.shape == (2, 4, 8, 3)
    assert array[1, 2, 5, 0] == x[1, 0, 2, 5]


def test_vectors_are_no_pictures() -> None:
    for ask in (numbers(2).to_pil, numbers(2).grid):
        with pytest.raises(RequestError, match=r"vectors, not images; `to_pandas\(\)`"):
            ask()


def test_no_samples_are_no_picture() -> None:
    none = images("abc")[:0]
    with pytest.raises(RequestError, match="no samples here"):
        none.grid()
    assert none._repr_html_() is None


def test_a_table_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(RequestError, match=r"pip install 'condgen\[pandas\]'"):
        images("a").to_pandas()


WIDTH, HEIGHT = 8 * 10 + 2, 6 * 10 + 2  # pixels of a cell: images are enlarged tenfold, and a gap follows


def test_a_picture_has_one_labelled_row_per_request_or_rows_of_ten() -> None:
    both = images("a" * 12 + "b" * 3, [3] * 12 + [7] * 3)
    labelled, plain = both.grid(), both.grid(labels=False)
    assert labelled.height == 2 * HEIGHT
    assert labelled.width > 10 * WIDTH
    assert plain.size == (10 * WIDTH, 2 * HEIGHT)
    assert both.grid(columns=2).width < labelled.width - 7 * WIDTH
    assert images("abc").grid().size == (3 * WIDTH, HEIGHT)  # one request needs no label


def test_rows_are_labelled_by_what_their_samples_share(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []

    def rows_of(rows: object, labels: list[str]) -> Image.Image:
        told.append(labels)
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr("condgen.runs.samples.rows_of", rows_of)
    Samples.cat([images("aab", [0, 0, 1], bold=True), images("c", [1])]).grid()
    assert told == [["letter=a, bold=yes", "anything"]]


def test_parts_are_joined_in_order() -> None:
    joined = Samples.cat([images("ab", [0, 1]), images("c", [5])])
    assert letters_of(joined) == "abc"
    assert joined.seeds.tolist() == [100, 101, 100]
    assert joined.request.tolist() == [0, 1, 5]


def test_saved_samples_name_their_folder_and_the_texts_of_their_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Sequence[str]] = []
    monkeypatch.setattr("condgen.runs.samples.save_samples", lambda parts, schema, labels, folder: told.append(labels))
    assert images("aab", [0, 0, 1]).save(str(tmp_path / "out")) == tmp_path / "out"
    assert told == [["letter=a", "letter=b"]]
