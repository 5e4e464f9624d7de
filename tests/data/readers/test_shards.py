"""WebDataset shards."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from condgen.data import load
from condgen.data.readers import read
from condgen.data.readers.shards import expand, stream_pattern, stream_shards
from condgen.errors import DataError
from tests.data.test_sources import N, assert_labels_are_true, color_of, complaint, encoded, image, write


def shard(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def examples(numbers: range, **fields: Any) -> dict[str, bytes]:
    files = {}
    for k in numbers:
        files[f"set/{k:06}.png"] = encoded(image(color_of(k)))
        files[f"set/{k:06}.json"] = json.dumps({"color": color_of(k), **fields}).encode()
    return files


def three_shards(folder: Path, name: str = "shards-{}.tar") -> Path:
    for s in range(3):
        shard(folder / name.format(f"{s:03}"), examples(range(4 * s, 4 * s + 4)))
    return folder


def test_a_shard_a_folder_of_shards_and_a_pattern_are_read_in_order(tmp_path: Path) -> None:
    three_shards(tmp_path)
    assert_labels_are_true(load(str(tmp_path)), "color")
    assert_labels_are_true(load(f"{tmp_path}/shards-{{000..002}}.tar"), "color")
    assert_labels_are_true(load(str(tmp_path / "shards-001.tar")), "color", 4)
    content = read(str(tmp_path)).train.content
    assert [image.content.name for image in content] == [f"set/{k:06}.png" for k in range(N)]  # type: ignore[union-attr]


def test_shards_called_train_and_test_are_kept_apart(tmp_path: Path) -> None:
    three_shards(tmp_path, "train-{}.tar")
    shard(tmp_path / "test-000.tar", examples(range(5)))
    splits = load(str(tmp_path))
    assert len(splits.test) == 5
    assert_labels_are_true(splits, "color", N + 5)


@pytest.mark.parametrize("pattern", ["", "shards-{000..001}.tar"])
def test_a_field_gives_the_split(tmp_path: Path, pattern: str) -> None:
    shard(tmp_path / "shards-000.tar", examples(range(N), split="train"))
    shard(tmp_path / "shards-001.tar", examples(range(N, N + 5), split="test"))
    splits = load(f"{tmp_path}/{pattern}")
    assert len(splits.test) == 5
    assert_labels_are_true(splits, "color", N + 5)


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("s-{8..11}.tar", ["s-8.tar", "s-9.tar", "s-10.tar", "s-11.tar"]),
        ("s-{08..10}.tar", ["s-08.tar", "s-09.tar", "s-10.tar"]),
        ("{a,b}-{0..1}.tar", ["a-0.tar", "a-1.tar", "b-0.tar", "b-1.tar"]),
    ],
)
def test_braces_count_and_list(pattern: str, files: list[str]) -> None:
    assert [str(path) for path in expand(pattern)] == files


@pytest.mark.parametrize("named", [False, True])
def test_classes_are_read_from_cls_files(tmp_path: Path, named: bool) -> None:
    files = {}
    for k in range(30):
        files |= {f"{k}.jpg": encoded(image(color_of(k)), "jpeg"), f"{k}.cls": f"{k % 15}\n".encode()}
        files[f"{k}.txt"] = f"a picture of number {k}".encode()
    shard(tmp_path / "a.tar", files)
    if named:
        write(tmp_path / "classnames.txt", "\n".join(f"kind {k}" for k in range(15)))
    splits = load(str(tmp_path))
    assert splits.schema.names == ["label"]
    expected = {f"kind {k}" if named else str(k) for k in range(15)}
    assert set(splits.schema["label"].choices) == expected  # type: ignore[union-attr]
    assert any("'text'" in note for note in splits.notes)


def test_class_names_do_not_depend_on_the_labels_of_other_rows(tmp_path: Path) -> None:
    labels = ["0", None, "1", "-1", "cat"]
    files = {f"{k}.png": encoded(image()) for k in range(len(labels))}
    files |= {f"{k}.cls": label.encode() for k, label in enumerate(labels) if label}
    shard(tmp_path / "a.tar", dict(sorted(files.items())))
    write(tmp_path / "classnames.txt", "cat\ndog\n")
    assert read(str(tmp_path)).train.columns["label"] == ["cat", None, "dog", None, "cat"]
    (streamed,) = stream_shards(tmp_path).train
    assert [label for table in streamed.tables() for label in table.columns["label"]] == [
        "cat",
        None,
        "dog",
        None,
        "cat",
    ]


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", {"0.png": encoded(image()), "0.cls": b"2"})
    write(tmp_path / "classnames.txt", "cat\ndog\n")
    complaint(tmp_path / "a.tar", "2 names", "label is 2")


def test_the_image_is_the_file_with_the_plainest_extension(tmp_path: Path) -> None:
    files = {"0.depth.png": encoded(image()), "0.jpg": encoded(image()), "0.json": b"{}"}
    (found,) = read(str(shard(tmp_path / "a.tar", files))).train.content
    assert found.content.name == "0.jpg"  # type: ignore[union-attr]


def test_nested_fields_and_examples_without_image_are_noted(tmp_path: Path) -> None:
    files = examples(range(N), box=[1, 2]) | {"alone.json": b"{}", ".hidden.png": b""}
    splits = load(str(shard(tmp_path / "a.tar", files)))
    assert splits.schema.names == ["color"]
    assert any("'box'" in note for note in splits.notes)
    assert any("1 examples were left out" in note and "alone" in note for note in splits.notes)
    assert_labels_are_true(splits, "color")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    three_shards(tmp_path)
    complaint(f"{tmp_path}/shards-{{000..003}}.tar", "4 shards", "shards-003.tar")


def test_a_missing_shard_of_a_numbered_folder_is_named(tmp_path: Path) -> None:
    three_shards(tmp_path, "train-{}-of-003.tar")
    assert_labels_are_true(load(str(tmp_path)), "color")
    (tmp_path / "train-001-of-003.tar").unlink()
    complaint(tmp_path, "lacks 1 of 3 files: train-001-of-003.tar.")
    with pytest.raises(DataError, match=r"train-001-of-003\.tar"):
        stream_shards(tmp_path)
    assert len(stream_pattern(f"{tmp_path}/train-{{000,002}}-of-003.tar").train) == 2, "they were asked for"


@pytest.mark.parametrize("end", [100, 700, 1_000, 5_000])
def test_a_truncated_shard_is_named(tmp_path: Path, end: int) -> None:
    content = shard(tmp_path / "a.tar", examples(range(N))).read_bytes()
    complaint(write(tmp_path / "a.tar", content[:end]), "a.tar")


def damaged(whole: bytes, start: int) -> bytes:
    """A tar whose header at a place is destroyed."""
    return whole[:start] + b"\xff" * 512 + whole[start + 512 :]


def places(path: Path) -> list[int]:
    """The starts of the headers of a tar, and the end of its last file."""
    with tarfile.open(path) as tar:
        return [*(info.offset for info in tar), tar.offset]


def test_a_shard_with_a_damaged_header_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", examples(range(N)))
    content, middle = path.read_bytes(), places(path)[6]
    complaint(write(path, damaged(content, middle)), "a.tar", "damaged", f"{middle:,} bytes")


def test_a_shard_that_is_cut_between_two_files_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", examples(range(N)))
    content, middle = path.read_bytes(), places(path)[6]
    complaint(write(path, content[:middle]), "a.tar", "copy it again")


def test_several_archives_in_one_are_refused(tmp_path: Path) -> None:
    halves = [shard(tmp_path / f"{k}.tar", examples(range(k, k + 6))).read_bytes() for k in (0, 6)]
    complaint(write(tmp_path / "both.tar", b"".join(halves)), "both.tar", "blocks of zeros")


def test_a_shard_without_an_end_mark_is_refused_when_it_is_streamed_too(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", examples(range(N)))
    write(path, path.read_bytes()[: places(path)[-1]])
    complaint(path, "a.tar", "truncate -s +1024")
    with pytest.raises(DataError, match="truncate"):
        list(stream_shards(path).train[0].tables())


@pytest.mark.parametrize("zeros", [512, 1_024, 10_240, 300_000])
def test_any_padding_of_zeros_ends_a_shard(tmp_path: Path, zeros: int) -> None:
    path = shard(tmp_path / "a.tar", examples(range(N)))
    write(path, path.read_bytes()[: places(path)[-1]] + bytes(zeros))
    assert_labels_are_true(load(str(path)), "color")


@pytest.mark.parametrize(
    ("files", "part"),
    [
        ({"a.png": b"", "a.json": b"{"}, "a.json"),
        ({"a.png": b"", "a.cls": b"\xff"}, "a.cls"),
        ({"a.json": b"{}"}, "no images"),
        ({}, "no images"),
    ],
)
def test_unusable_examples_are_named(tmp_path: Path, files: dict[str, bytes], part: str) -> None:
    complaint(shard(tmp_path / "a.tar", files), "a.tar", part)
