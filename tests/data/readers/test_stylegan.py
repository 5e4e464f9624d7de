"""StyleGAN's dataset.json, in folders and ZIPs."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from condgen.data import load
from tests.data.test_sources import N, color_of, complaint, encoded, everything, image, write


def names(n: int = N) -> list[str]:
    return [f"{k // 5:05}/img{k:08}.png" for k in range(n)]


def dataset(path: Path, labels: list[Any] | None, pairs: bool = True) -> Path:
    """A dataset in a folder, or in a ZIP when the path says so."""
    folder = path.with_suffix("")
    for k, name in enumerate(names()):
        write(folder / name, encoded(image(color_of(k))))
    listed = [[n, label] for n, label in zip(names(), labels, strict=False)] if labels else labels
    write(folder / "dataset.json", json.dumps({"labels": listed}))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*.*")):
                archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("name", ["set", "set.zip"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_a_class_per_image(tmp_path: Path, name: str, one_hot: bool) -> None:
    labels: list[Any] = [[float(j == k % 3) for j in range(3)] if one_hot else k % 3 for k in range(N)]
    splits = load(str(dataset(tmp_path / name, labels)))
    assert splits.schema["label"].choices == ("0", "1", "2")  # type: ignore[union-attr]
    x, condition = everything(splits)
    seen = [str(k) for k in x.float().mean((2, 3)).argmax(1).tolist()]
    assert [row["label"] for row in condition.rows()] == seen


def test_a_vector_per_image(tmp_path: Path) -> None:
    splits = load(str(dataset(tmp_path / "set.zip", [[k % 2, k + 0.5] for k in range(N)])))
    assert [(a.name, a.kind) for a in splits.schema] == [("label0", "flag"), ("label1", "categorical")]


def test_many_numbered_classes_stay_classes(tmp_path: Path) -> None:
    for k in range(40):
        write(tmp_path / f"{k}.png", encoded(image()))
    write(tmp_path / "dataset.json", json.dumps({"labels": [[f"{k}.png", k % 20] for k in range(40)]}))
    assert load(str(tmp_path)).schema["label"].kind == "categorical"


def test_images_and_labels_without_each_other_are_noted(tmp_path: Path) -> None:
    dataset(tmp_path / "set", [k % 2 for k in range(N - 2)])
    (tmp_path / "set" / names()[0]).unlink()
    splits = load(str(tmp_path / "set"))
    assert sorted(note.split()[0] for note in splits.notes) == ["1", "2"]
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == N - 3


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ([1, [2]] * 6, "mixes"),
        ([[1, 2], [1]] * 6, "mixes"),
        (["a", None], "mixes"),
    ],
)
def test_unusable_labels_are_explained(tmp_path: Path, labels: list[Any] | None, part: str) -> None:
    complaint(dataset(tmp_path / "set", labels), "dataset.json", part)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"labels": 3}', b'{"labels": [3]}', b'{"label": []}'])
def test_a_broken_dataset_json_is_named(tmp_path: Path, content: bytes) -> None:
    write(dataset(tmp_path / "set", [0] * N) / "dataset.json", content)
    complaint(tmp_path / "set", "dataset.json")


def test_a_zip_of_something_else_is_explained(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a.png", encoded(image()))
    complaint(tmp_path / "set.zip", "dataset.json", "Unpack")


def test_an_image_that_is_damaged_inside_a_zip_is_named(tmp_path: Path) -> None:
    path = dataset(tmp_path / "set.zip", [k % 2 for k in range(N)])
    content = bytearray(path.read_bytes())
    content[content.index(b"\x89PNG") + 20] ^= 0xFF
    complaint(write(path, bytes(content)), names()[0], "set.zip")
