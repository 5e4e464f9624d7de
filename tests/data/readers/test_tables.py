"""Tables as people really write them: read, or refused in one paragraph; never a traceback, never a change."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from condgen.data import load
from condgen.data.infer import infer_attribute, infer_schema
from condgen.data.readers import Parts, read, shards
from condgen.data.readers.files import delimited
from condgen.errors import CondgenError, DataError
from tests.data.test_sources import (
    N,
    assert_labels_are_true,
    class_folders,
    color_of,
    complaint,
    encoded,
    everything,
    image,
    images_with_table,
    parquet,
    write,
)


def pictures(folder: Path, names: list[str] | None = None) -> list[str]:
    names = names or [f"{k}.png" for k in range(N)]
    for k, name in enumerate(names):
        write(folder / name, encoded(image(color_of(k))))
    return names


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    return write(path, "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")


def rows_of(names: list[str], **columns: list[Any]) -> list[dict[str, Any]]:
    extra = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)] or [{}] * N
    return [{"file_name": n, "color": color_of(k), **extra[k]} for k, n in enumerate(names)]


# ---- kinds of files


def test_images_with_metadata_jsonl(tmp_path: Path) -> None:
    jsonl(tmp_path / "metadata.jsonl", rows_of(pictures(tmp_path)))
    assert_labels_are_true(load(str(tmp_path)), "color")


def test_a_key_that_a_line_lacks_is_a_missing_label(tmp_path: Path) -> None:
    rows = rows_of(pictures(tmp_path))
    del rows[3]["color"]
    _, condition = everything(load(str(jsonl(tmp_path / "table.jsonl", rows))))
    assert [row["color"] for row in condition.rows()].count(None) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    images_with_table(tmp_path)
    table = tmp_path / "metadata.csv"
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    write(table, mark + table.read_text().replace("red", "röt").encode(encoding))
    choices = load(str(tmp_path)).schema["color"].choices  # type: ignore[union-attr]
    assert set(choices) == {"röt", "green", "blue"}


def numbered(folder: Path, numbers: list[int], total: int = 3) -> Path:
    """Files of four rows each, with these numbers in their names."""
    for k, number in enumerate(numbers):
        rows = range(4 * k, 4 * k + 4)
        columns = {"image": [encoded(image(color_of(r))) for r in rows], "color": [color_of(r) for r in rows]}
        parquet(folder / f"train-{number:05d}-of-{total:05d}.parquet", columns)
    return folder


@pytest.mark.parametrize("place", [".", "data"])
@pytest.mark.parametrize(
    ("numbers", "total", "words"),
    [
        ([0, 2], 3, "lacks 1 of 3 files: train-00001-of-00003.parquet."),
        ([2, 3], 3, "train-00001-of-00003.parquet."),
        ([0], 99_999, "train-00001-of-99999.parquet, train-00002-of-99999.parquet, train-00003-of-99999.parquet, …"),
    ],
)
def test_absent_ones_of_numbered_files_are_named(
    tmp_path: Path, place: str, numbers: list[int], total: int, words: str
) -> None:
    numbered(tmp_path / place, numbers, total)
    complaint(tmp_path, words)
    with pytest.raises(DataError, match=re.escape(words)):
        shards(str(tmp_path))


def test_absent_files_for_testing_are_named_too(tmp_path: Path) -> None:
    numbered(tmp_path, [0, 1, 2])
    (tmp_path / "train-00002-of-00003.parquet").rename(tmp_path / "test-00000-of-00002.parquet")
    complaint(tmp_path, "train-00002-of-00003.parquet")
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    (tmp_path / "train-00000-of-00003.parquet").rename(tmp_path / "train.parquet")
    complaint(tmp_path, "test-00001-of-00002.parquet")


def test_files_may_be_numbered_from_one_and_one_may_be_read_alone(tmp_path: Path) -> None:
    folder = numbered(tmp_path, [1, 2, 3])
    assert_labels_are_true(load(str(folder)), "color")
    assert len(shards(str(folder)).train) == 3
    (folder / "train-00001-of-00003.parquet").unlink()
    alone = str(folder / "train-00002-of-00003.parquet")
    assert_labels_are_true(load(alone), "color", 4)
    assert len(shards(alone).train) == 1


@pytest.mark.parametrize("others", [False, True])
def test_a_folder_with_parquet_for_training_alone_is_split_by_its_column(tmp_path: Path, others: bool) -> None:
    columns = {"image": [encoded(image(color_of(k))) for k in range(N)], "color": [color_of(k) for k in range(N)]}
    parquet(tmp_path / "train.parquet", columns | {"split": ["train", "train", "test"] * (N // 3)})
    if others:
        parquet(tmp_path / "test.parquet", columns | {"split": ["test"] * N})
    parts = read(str(tmp_path))
    assert len(parts.train.content) == (N if others else 8)
    assert parts.test is not None
    assert len(parts.test.content) == (N if others else 4)
    streamed = shards(str(tmp_path))
    assert {shard.part for shard in streamed.test} == {"" if others else "test"}
    for notes in (parts.train.notes, streamed.notes):
        assert any(("4 rows of the files for training" if others else "8 train, 4 test") in note for note in notes)


def test_parquet_in_numbered_files_is_one_table(tmp_path: Path) -> None:
    for k in range(3):
        rows = range(4 * k, 4 * k + 4)
        columns = {"image": [encoded(image(color_of(r))) for r in rows], "color": [color_of(r) for r in rows]}
        parquet(tmp_path / "data" / f"train-0000{k}-of-00003.parquet", columns)
    parquet(tmp_path / "data" / "test-00000-of-00001.parquet", columns)
    splits = load(str(tmp_path))
    assert len(splits.test) == 4
    assert_labels_are_true(splits, "color", N + 4)


def test_a_sources_own_validation_part_validates(tmp_path: Path) -> None:
    columns = {"image": [encoded(image(color_of(k))) for k in range(N)], "color": [color_of(k) for k in range(N)]}
    for part in ("train", "validation", "test"):
        parquet(tmp_path / f"{part}.parquet", columns)
    splits = load(str(tmp_path))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [N, N, N]
    assert_labels_are_true(splits, "color", 3 * N)


def test_more_classes_than_an_identifier_may_have_are_kept_when_they_are_declared(tmp_path: Path) -> None:
    features = {"image": {"_type": "Image"}, "kind": {"names": [str(k) for k in range(300)], "_type": "ClassLabel"}}
    table = pa.table({"image": [encoded(image())] * 300, "kind": list(range(300))})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "data.parquet")
    assert len(load(str(tmp_path / "data.parquet")).schema["kind"].choices) == 300  # type: ignore[union-attr]


# ---- cells


@pytest.mark.parametrize("values", [[1, "1", 1.0, True], [0, "0", 0.0, False]])
def test_one_label_in_many_spellings_is_one_label(tmp_path: Path, values: list[Any]) -> None:
    other = 0 if values[0] else 1
    cells = [values[k % 4] if k % 2 else other for k in range(N)]
    splits = load(str(jsonl(tmp_path / "t.jsonl", rows_of(pictures(tmp_path), glasses=cells))), attributes=["glasses"])
    assert splits.schema["glasses"].kind == "flag"
    assert {row["glasses"] for row in everything(splits)[1].rows()} == {"yes", "no"}


def test_mixed_spellings_are_noted_in_a_csv_too(tmp_path: Path) -> None:
    pictures(tmp_path)
    lines = [f"{k}.png,{color_of(k)},{['1', '1.0', 'True', '0'][k % 4]}" for k in range(N)]
    write(tmp_path / "metadata.csv", "\n".join(["file_name,color,glasses", *lines]))
    splits = load(str(tmp_path))
    assert splits.schema["glasses"].kind == "flag"
    assert any("'glasses' mixes" in note for note in splits.notes)


def test_numbers_and_words_side_by_side_stay_what_they_are(tmp_path: Path) -> None:
    cells = [1, "two", 1, "two"] * 3
    splits = load(str(jsonl(tmp_path / "t.jsonl", rows_of(pictures(tmp_path), n=cells))))
    assert splits.schema["n"].choices == ("1", "two")  # type: ignore[union-attr]


def test_whole_and_broken_numbers_are_one_kind(tmp_path: Path) -> None:
    cells = [k if k % 2 else k + 0.5 for k in range(N)]
    splits = load(str(jsonl(tmp_path / "t.jsonl", rows_of(pictures(tmp_path), n=cells))))
    assert not any("mixes" in note for note in splits.notes)


@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}, [[]], {"bytes": 3}])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_lists_and_nested_values_are_named_and_left_out(tmp_path: Path, cell: Any, kind: str) -> None:
    names = pictures(tmp_path)
    if kind == "jsonl":
        path = jsonl(tmp_path / "t.jsonl", rows_of(names, box=[cell] * N))
    else:
        columns = {"file_name": names, "color": [color_of(k) for k in range(N)], "box": [cell] * N}
        path = parquet(tmp_path / "t.parquet", columns)
    splits = load(str(path))
    assert splits.schema.names == ["color"]
    assert any("'box'" in note and "left out" in note for note in splits.notes), splits.notes


def test_ten_thousand_distinct_values(tmp_path: Path) -> None:
    n = 10_000
    columns = {
        "image": [encoded(image())] * n,
        "name": [f"person {k}" for k in range(n)],
        "height": [k * 0.01 for k in range(n)],
        "flag": [k % 2 for k in range(n)],
    }
    found = read(str(parquet(tmp_path / "t.parquet", columns))).train
    schema, notes = infer_schema(found.columns)
    assert [a.kind for a in schema] == ["continuous", "flag"]
    assert any("'name' has 10000 distinct texts" in note for note in notes)
    asked = infer_attribute("name", found.columns["name"], asked_for=True)
    assert len(asked.choices) == n  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_leading_zeros_are_part_of_a_name(tmp_path: Path, kind: str) -> None:
    names = pictures(tmp_path, [f"{k:06}" for k in range(N)])
    labels = ["7" if k % 3 else "007" for k in range(N)]
    rows = rows_of(names, part=labels)
    if kind == "jsonl":
        path = jsonl(tmp_path / "t.jsonl", rows)
    else:
        lines = [["file_name", "color", "part"], *(map(str, row.values()) for row in rows)]
        path = write(tmp_path / f"t.{kind}", "\n".join({"csv": ",", "tsv": "\t"}[kind].join(line) for line in lines))
    splits = load(str(path))
    assert_labels_are_true(splits, "color")
    assert set(splits.schema["part"].choices) == {"007", "7"}


def test_measured_numbers_stay_numbers_whatever_zeros_they_begin_with(tmp_path: Path) -> None:
    columns = {
        "share": [f"0.{k:02}" for k in range(N)],
        "change": [f"-0.{k:02}" for k in range(N)],
        "age": [f"{k:03}" if k else "NA" for k in range(N)],
        "whole": ["0", "0.0"] * (N // 2),
    }
    lines = [",".join(line) for line in ([*columns], *zip(*columns.values(), strict=True))]
    found = delimited(write(tmp_path / "t.csv", "\n".join(lines)))[0]
    assert (found["share"][1], found["change"][1], found["whole"][0]) == (0.01, -0.01, 0)
    assert found["age"][:2] == [None, "001"]
    assert infer_attribute("age", [*found["age"], "050", "100"]).kind == "continuous"  # type: ignore[union-attr]


def test_a_flag_may_be_padded(tmp_path: Path) -> None:
    found = delimited(write(tmp_path / "t.csv", "a,glasses\n1,00\n2,01\n"))[0]["glasses"]
    flag = infer_attribute("glasses", found)
    assert [flag.cell(cell) for cell in found] == [0, 1]  # type: ignore[union-attr]


# ---- paths


def test_backslashes_are_read_as_slashes_and_noted(tmp_path: Path) -> None:
    pictures(tmp_path, [f"one two/{k}.png" for k in range(N)])
    splits = load(str(jsonl(tmp_path / "t.jsonl", rows_of([f"one two\\{k}.png" for k in range(N)]))))
    assert any("backslashes" in note for note in splits.notes)
    assert_labels_are_true(splits, "color")


def test_a_backslash_that_is_part_of_a_name_is_kept(tmp_path: Path) -> None:
    names = pictures(tmp_path, [f"a\\{k}.png" for k in range(N)])
    splits = load(str(jsonl(tmp_path / "t.jsonl", rows_of(names))))
    assert splits.notes == ()
    assert_labels_are_true(splits, "color")


def test_paths_that_leave_the_folder_are_followed_and_noted(tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    splits = load(
        str(jsonl(tmp_path / "tables" / "t.jsonl", rows_of([f"../images/{k}.png" for k in range(N)]))),
    )
    assert any("../images/0.png" in note for note in splits.notes)
    assert_labels_are_true(splits, "color")


def test_files_without_an_extension_are_found(tmp_path: Path) -> None:
    splits = load(str(jsonl(tmp_path / "t.jsonl", rows_of(pictures(tmp_path, [f"photo{k}" for k in range(N)])))))
    assert_labels_are_true(splits, "color")


def test_class_folders_may_hold_images_without_an_extension(tmp_path: Path) -> None:
    pictures(tmp_path, [f"{color_of(k)}/photo{k}" for k in range(N)])
    write(tmp_path / "red" / "README", "no image")
    assert_labels_are_true(load(str(tmp_path)), "label")


def test_an_extension_need_not_be_true(tmp_path: Path) -> None:
    pictures(tmp_path, [f"{color_of(k)}/{k}.jpg" for k in range(N)])
    assert_labels_are_true(load(str(tmp_path)), "label")


def test_rows_that_name_one_image_twice_are_noted(tmp_path: Path) -> None:
    rows = rows_of(pictures(tmp_path))
    splits = load(str(jsonl(tmp_path / "t.jsonl", rows + rows[:3])))
    assert any("3 rows" in note and "earlier row" in note for note in splits.notes)


def test_a_table_whose_images_are_all_elsewhere_says_where_they_were_looked_for(tmp_path: Path) -> None:
    jsonl(tmp_path / "t.jsonl", rows_of([f"C:\\photos\\{k}.png" for k in range(N)]))
    complaint(tmp_path / "t.jsonl", "None of the images", str(tmp_path), "move the table")


def test_a_folder_called_like_an_image_is_a_class(tmp_path: Path) -> None:
    pictures(tmp_path, [f"{'ab'[k % 2]}.png/{k}.png" for k in range(N)])
    assert load(str(tmp_path)).schema["label"].choices == ("a.png", "b.png")  # type: ignore[union-attr]


def test_links_are_followed_once_however_they_turn(tmp_path: Path) -> None:
    class_folders(tmp_path / "data")
    (tmp_path / "data" / "red" / "again").symlink_to(tmp_path / "data" / "red")
    (tmp_path / "data" / "red" / "loop.png").symlink_to("loop.png")
    write(tmp_path / "far" / "x.png", encoded(image("blue")))
    (tmp_path / "data" / "blue" / "far").symlink_to(tmp_path / "far")
    assert_labels_are_true(load(str(tmp_path / "data")), "label", N + 1)
    (tmp_path / "loop").symlink_to("loop")
    complaint(tmp_path / "loop", "does not exist")


# ---- what cannot be read


BROKEN: dict[str, bytes] = {
    "empty.csv": b"",
    "empty.jsonl": b"",
    "blank.jsonl": b"\n\n",
    "header.csv": b"file_name;color\r\n",
    "header.tsv": b"file_name\tcolor",
    "only a mark.csv": b"\xef\xbb\xbf",
    "half a character.csv": "file_name,color\n".encode("utf-16") + b"\x00",
    "ragged.csv": b"file_name,color\n0.png,red,1\n1.png\n",
    "short.csv": b"file_name,color,size\n0.png,red\n",
    "twice.csv": b"file_name,color,color\n0.png,red,red\n",
    "open quote.csv": b'file_name,color\n"0.png,red\n1.png,blue\n',
    "zero bytes.csv": b"file_name,color\n0\x00.png,red\n1\x00.png,blue\n",
    "one column.csv": b"file_name\r\n0.png\r\n",
    "binary.csv": bytes(range(256)) * 8,
    "not json.jsonl": b'{"file_name": "0.png"\n',
    "a list.jsonl": b"[1, 2]\n",
    "latin.jsonl": '{"file_name": "0.png", "color": "röt"}\n'.encode("latin-1"),
    "deep.jsonl": b"[" * 100_000,
    "no image.jsonl": b'{"color": "red"}\n{"color": "blue"}\n',
    "images elsewhere.jsonl": b'{"file_name": "x.png", "c": 1}\n{"file_name": "y.png", "c": 2}\n',
    "missing image.jsonl": b'{"file_name": null, "c": 1}\n{"file_name": "0.png", "c": 2}\n',
    "nothing.parquet": b"",
    "not parquet.parquet": b"PAR1" + bytes(50),
    "an image.png": encoded(Image.new("L", (8, 8))),
    "text.txt": b"hello",
    "not a zip.zip": b"PK\x03\x04",
    "not a tar.tar": b"hello" * 1000,
    "empty.tar": bytes(10_240),
    "compressed.tar.gz": b"\x1f\x8b\x08\x00",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_named_in_one_paragraph(tmp_path: Path, name: str) -> None:
    pictures(tmp_path)
    complaint(write(tmp_path / name, BROKEN[name]), name)


def test_half_of_every_kind_of_file_is_never_a_traceback(tmp_path: Path) -> None:
    pictures(tmp_path)
    whole = {
        "t.csv": (images_with_table(tmp_path) / "metadata.csv").read_bytes(),
        "t.jsonl": jsonl(tmp_path / "x.jsonl", rows_of([f"{k}.png" for k in range(N)])).read_bytes(),
        "t.parquet": parquet(tmp_path / "x.parquet", {"file_name": ["0.png", "1.png"], "c": [0, 1]}).read_bytes(),
    }
    for name, content in whole.items():
        for end in range(0, len(content), max(1, len(content) // 40)):
            try:
                assert isinstance(read(str(write(tmp_path / name, content[:end]))), Parts)
            except CondgenError as error:
                assert "\n" not in str(error)  # noqa: PT017


# ---- the source stays as it is


def fingerprint(folder: Path) -> str:
    """Of all names, contents and times of change in a folder."""
    digest = hashlib.sha256()
    for here, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            file = Path(here, name)
            digest.update(f"{file.relative_to(folder)} {file.stat().st_mtime_ns}".encode() + file.read_bytes())
    return digest.hexdigest()


def test_reading_leaves_the_source_as_it_was(tmp_path: Path) -> None:
    sources = [images_with_table(tmp_path / "table"), class_folders(tmp_path / "classes")]
    sources.append(jsonl(tmp_path / "json" / "t.jsonl", rows_of(pictures(tmp_path / "json"))))
    before = fingerprint(tmp_path)
    for source in sources:
        load(str(source))
    assert fingerprint(tmp_path) == before


# ---- a column that tells the parts


def with_split(folder: Path, said: list[str], column: str = "split") -> Path:
    pictures(folder)
    lines = [f"{k}.png,{color_of(k)},{cell}" for k, cell in enumerate(said)]
    write(folder / "metadata.csv", "\n".join([f"file_name,color,{column}", *lines]))
    return folder


def test_a_column_called_split_tells_what_trains_validates_and_tests(tmp_path: Path) -> None:
    said = ["train", "val", " Test ", "train", "train", "valid"] * (N // 6)
    splits = load(str(with_split(tmp_path, said, "Split")))
    wanted = [3 * N // 6, 2 * N // 6, N // 6]
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == wanted
    (note,) = splits.notes
    assert f"{wanted[0]} train, {wanted[1]} validation, {wanted[2]} test" in note
    colors = {"val": set(), "test": set()}  # type: ignore[var-annotated]
    for k, cell in enumerate(said):
        colors.setdefault(cell.strip().casefold()[:3], set()).add(color_of(k))
    assert {row["color"] for row in splits.test.condition.rows()} == colors["tes"]
    assert_labels_are_true(splits, "color")


@pytest.mark.parametrize(("said", "wrong"), [(["train", "odd"], "'odd'"), (["test", "val"], "train in no row")])
def test_a_column_called_split_that_tells_no_parts_is_noted(tmp_path: Path, said: list[str], wrong: str) -> None:
    splits = load(str(with_split(tmp_path, said * (N // 2))))
    (note,) = splits.notes
    assert "split was not used" in note
    assert wrong in note
    assert_labels_are_true(splits, "color")


def test_vectors_have_parts_too_and_messages_name_the_right_row(tmp_path: Path) -> None:
    lines = [f"{k},{'red' if k % 3 else 'blue'},{['train', 'test'][k % 2]}" for k in range(40)]
    table = write(tmp_path / "v.csv", "\n".join(["x0,color,split", *lines]))
    splits = load(str(table))
    assert splits.coordinates is not None
    x = splits.coordinates.restore(splits.test.x)[:, 0]
    assert sorted(x.round(decimals=3).tolist()) == [float(k) for k in range(1, 40, 2)]
    schema = json.dumps({"attributes": [{"name": "color", "kind": "categorical", "values": ["red"]}]})
    write(tmp_path / "schema.json", schema)
    complaint(table, "(split=train), row 1,", "'blue'")


def test_an_image_that_is_null_is_left_out_like_a_broken_one(tmp_path: Path) -> None:
    kinds = ["a", "b"] * 20
    for k, empty in enumerate((None, {"bytes": None, "path": None})):
        good = {"bytes": encoded(image()), "path": None} if k else encoded(image())
        data = parquet(tmp_path / f"{k}.parquet", {"image": [*[good] * 39, empty], "kind": kinds})
        splits = load(str(data))
        (note,) = splits.notes
        assert "1 of 40 images" in note
        assert "in row 40 of" in note
