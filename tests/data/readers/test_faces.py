"""CelebA and UTKFace as they are published."""

import zipfile
from pathlib import Path

import pytest

from condgen.data import load
from condgen.data.readers import read
from condgen.schema import Categorical, Continuous
from tests.data.test_sources import N, color_of, complaint, encoded, everything, image, write

NAMES = ["Eyeglasses", "Male", "Young"]


def values(k: int) -> list[int]:
    return [1 if color_of(k) == "red" else -1, 1 if k % 2 else -1, -1 if k % 5 else 1]


def celeba(folder: Path, n: int = N, images: str = "img_align_celeba") -> Path:
    lines = [str(n), " ".join(NAMES) + " "]
    for k in range(n):
        write(folder / images / f"{k:06}.jpg", encoded(image(color_of(k))))
        lines.append(f"{k:06}.jpg " + " ".join(f"{v:2}" for v in values(k)))
    write(folder / "list_attr_celeba.txt", "\n".join(lines) + "\n")
    return folder


def assert_glasses_are_red(source: Path, n: int = N) -> None:
    splits = load(str(source))
    assert splits.schema.names == NAMES
    assert {a.kind for a in splits.schema} == {"flag"}
    x, condition = everything(splits)
    assert len(x) == n
    red = x[:, 0].float().mean((1, 2)) > 128
    assert [row["Eyeglasses"] for row in condition.rows()] == ["yes" if r else "no" for r in red]


@pytest.mark.parametrize(
    "images", ["img_align_celeba", "img_align_celeba/img_align_celeba", ".", "Img/img_align_celeba"]
)
def test_celeba_as_it_comes(tmp_path: Path, images: str) -> None:
    assert_glasses_are_red(celeba(tmp_path, images=images))
    assert_glasses_are_red(tmp_path / "list_attr_celeba.txt")


def test_celeba_in_the_folders_of_its_home(tmp_path: Path) -> None:
    celeba(tmp_path, images="Img/img_align_celeba")
    (tmp_path / "Anno").mkdir()
    (tmp_path / "list_attr_celeba.txt").rename(tmp_path / "Anno" / "list_attr_celeba.txt")
    assert_glasses_are_red(tmp_path)
    assert_glasses_are_red(tmp_path / "Anno" / "list_attr_celeba.txt")


def test_celeba_whose_images_are_still_in_their_archive(tmp_path: Path) -> None:
    celeba(tmp_path)
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        for file in sorted((tmp_path / "img_align_celeba").iterdir()):
            archive.write(file, f"img_align_celeba/{file.name}")
            file.unlink()
    assert_glasses_are_red(tmp_path)


def test_celeba_from_kaggle(tmp_path: Path) -> None:
    celeba(tmp_path, images="img_align_celeba/img_align_celeba")
    (tmp_path / "list_attr_celeba.txt").unlink()
    lines = ["image_id," + ",".join(NAMES)] + [f"{k:06}.jpg," + ",".join(map(str, values(k))) for k in range(N)]
    write(tmp_path / "list_attr_celeba.csv", "\n".join(lines))
    write(
        tmp_path / "list_eval_partition.csv",
        "image_id,partition\n" + "\n".join(f"{k:06}.jpg,{2 * (k > 8)}" for k in range(N)),
    )
    assert_glasses_are_red(tmp_path)
    assert len(load(str(tmp_path)).test) == 3


def test_celebas_published_parts_are_kept(tmp_path: Path) -> None:
    celeba(tmp_path)
    write(tmp_path / "list_eval_partition.txt", "".join(f"{k:06}.jpg {k // 5}\n" for k in range(N)))
    parts = read(str(tmp_path))
    assert parts.validation is not None
    assert parts.test is not None
    assert [len(p.content) for p in (parts.train, parts.validation, parts.test)] == [5, 5, 2]
    assert [image.name[-10:] for image in parts.test.content] == ["000010.jpg", "000011.jpg"]  # type: ignore[union-attr]
    assert_glasses_are_red(tmp_path)


@pytest.mark.parametrize("source", ["Anno", "Anno/list_attr_celeba.txt"])
def test_celebas_published_parts_are_found_beside_its_folder_of_lists(tmp_path: Path, source: str) -> None:
    celeba(tmp_path, images="Img/img_align_celeba")
    (tmp_path / "Anno").mkdir()
    (tmp_path / "list_attr_celeba.txt").rename(tmp_path / "Anno" / "list_attr_celeba.txt")
    write(tmp_path / "Eval" / "list_eval_partition.txt", "".join(f"{k:06}.jpg {k // 5}\n" for k in range(N)))
    parts = read(str(tmp_path / source))
    assert parts.validation is not None
    assert parts.test is not None
    assert [len(p.content) for p in (parts.train, parts.validation, parts.test)] == [5, 5, 2]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("000003.jpg  1", "000003.jpg  2", ["line 6", "-1 or 1"]),
        ("000003.jpg  1", "000003.jpg", ["line 6", "3 values"]),
        ("12\n", "", ["a line with a count"]),
        ("0000", "9999", ["img_align_celeba", "put the images there"]),
    ],
)
def test_a_damaged_celeba_list_is_explained(tmp_path: Path, old: str, new: str, parts: list[str]) -> None:
    listing = celeba(tmp_path) / "list_attr_celeba.txt"
    write(listing, listing.read_text().replace(old, new))
    complaint(tmp_path, *parts)


def test_a_list_shorter_than_it_says_is_noted(tmp_path: Path) -> None:
    listing = celeba(tmp_path) / "list_attr_celeba.txt"
    write(listing, listing.read_text().replace("12\n", "202599\n"))
    assert any("announces 202599" in note for note in load(str(tmp_path)).notes)


def utkface(folder: Path, n: int = 30) -> Path:
    for k in range(n):
        name = f"{20 + k}_{int(color_of(k) == 'red')}_{k % 4}_2017011617452{k:04}.jpg.chip.jpg"
        write(folder / name, encoded(image(color_of(k))))
    return folder


@pytest.mark.parametrize("below", ["", "part1"])
def test_utkface_file_names(tmp_path: Path, below: str) -> None:
    utkface(tmp_path / below)
    write(tmp_path / below / "61_3_20170109150557335.jpg.chip.jpg", encoded(image()))
    write(tmp_path / below / "cover.jpg", encoded(image()))
    splits = load(str(tmp_path))
    assert list(splits.schema) == [
        Continuous(name="age", low=20, high=61),
        Categorical(name="gender", values=("male", "female")),
        Categorical(name="race", values=("White", "Black", "Asian", "Indian")),
    ]
    assert any("1 file names lack" in note for note in splits.notes)
    assert any("1 files not named" in note for note in splits.notes)
    x, condition = everything(splits)
    for picture, row in zip(x, condition.rows(), strict=True):
        if row["gender"] is not None:
            assert (row["gender"] == "female") == bool(picture[0].float().mean() > 128)
