"""Every kind of data that `load` reads, and every way in which data can be broken."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from condgen.data import Splits, load
from condgen.errors import CondgenError, DataError, RequestError
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
N = 12


def image(color: str = "red", mode: str = "RGB", size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new("RGB", size, COLORS[color]).convert(mode)


def encoded(picture: Image.Image, kind: str = "png") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def color_of(k: int) -> str:
    return list(COLORS)[k % 3]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def class_folders(folder: Path, n: int = N, **kwargs: Any) -> Path:
    for k in range(n):
        write(folder / color_of(k) / f"{k}.png", encoded(image(color_of(k), **kwargs)))
    return folder


def images_with_table(
    folder: Path, delimiter: str = ",", newline: str = "\n", bom: bool = False, column: str = "file_name"
) -> Path:
    """Twelve images and a metadata.csv whose column `color` tells the truth; `age` and `glasses` have gaps."""
    lines = [delimiter.join((column, "color", "age", "glasses"))]
    for k in range(N):
        write(folder / f"{k}.png", encoded(image(color_of(k))))
        lines.append(
            delimiter.join((f"{k}.png", color_of(k), "" if k == 5 else str(k + 0.5), "yn"[k % 2] if k else ""))
        )
    write(folder / "metadata.csv", b"\xef\xbb\xbf" * bom + (newline.join(lines) + newline).encode())
    return folder


def parquet(path: Path, columns: dict[str, Sequence[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def everything(splits: Splits) -> tuple[torch.Tensor, Condition]:
    parts = (splits.train, splits.validation, splits.test)
    return torch.cat([p.x for p in parts]), Condition.cat([p.condition for p in parts])


def assert_labels_are_true(splits: Splits, attribute: str, n: int = N) -> None:
    x, condition = everything(splits)
    assert x.shape[0] == n
    seen = [list(COLORS)[k] for k in x.float().mean((2, 3)).argmax(1)]
    assert [row[attribute] for row in condition.rows()] == seen


def complaint(source: Path | str, *parts: str, **options: Any) -> CondgenError:
    with pytest.raises((DataError, RequestError)) as caught:
        load(str(source), **options)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


# ---- class folders


def test_class_folders(tmp_path: Path) -> None:
    splits = load(str(class_folders(tmp_path)))
    assert splits.schema == Schema(attributes=(Categorical(name="label", values=("blue", "green", "red")),))
    assert splits.shape == (3, 8, 8)
    assert splits.notes == ()
    assert_labels_are_true(splits, "label")


@pytest.mark.parametrize(
    "names",
    [("0", "1"), ("no", "yes"), ("none", "some"), tuple(map(str, range(15))), tuple(f"bird {k}" for k in range(30))],
)
def test_class_folders_are_categories_whatever_they_are_called(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        write(tmp_path / name / "a.png", encoded(image()))
    splits = load(str(tmp_path))
    assert set(splits.schema["label"].choices) == set(names)  # type: ignore[union-attr]
    assert everything(splits)[1].complete


def test_hidden_and_other_files_are_no_images_and_loose_ones_are_noted(tmp_path: Path) -> None:
    class_folders(tmp_path)
    write(tmp_path / "red" / "._0.png", "resource fork")
    write(tmp_path / "red" / "notes.txt", "hello")
    write(tmp_path / ".cache" / "thumb.png", "no image")
    write(tmp_path / "cover.png", encoded(image()))
    splits = load(str(tmp_path))
    assert_labels_are_true(splits, "label")
    assert any("1 images" in note for note in splits.notes)
    assert "1 files in folders of classes are no images and were left out: 1 with .txt." in splits.notes


def test_no_image_of_a_class_is_lost_without_a_word(tmp_path: Path) -> None:
    class_folders(tmp_path)
    first = sorted((tmp_path / "red").iterdir())[0]
    for name in ("a.jfif", "b.JPE", "c.pnm"):
        write(tmp_path / "red" / name, first.read_bytes())
    (tmp_path / "red" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    write(tmp_path / "red" / "Thumbs.db", "left by a system")
    splits = load(str(tmp_path))
    assert sum(map(len, (splits.train, splits.validation, splits.test))) == N + 3
    assert [note for note in splits.notes if "left out" in note] == [
        f"1 links lead nowhere and were left out, such as {tmp_path / 'red' / 'gone.png'}."
    ]


def test_nested_folders_belong_to_their_class(tmp_path: Path) -> None:
    for k in range(N):
        write(tmp_path / color_of(k) / f"batch {k}" / "x.PNG", encoded(image(color_of(k))))
    assert_labels_are_true(load(str(tmp_path)), "label")


def test_folders_named_like_splits_are_not_taken_for_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "train")
    class_folders(tmp_path / "test")
    complaint(tmp_path, str(tmp_path), "test, train", "splits")
    assert_labels_are_true(load(str(tmp_path / "train")), "label")


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "cat" / "a.png", encoded(image()))
    complaint(tmp_path, str(tmp_path), "always 'cat'")


# ---- tables of paths


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(("newline", "bom"), [("\n", False), ("\r\n", True)])
def test_images_with_metadata_csv(tmp_path: Path, delimiter: str, newline: str, bom: bool) -> None:
    splits = load(str(images_with_table(tmp_path, delimiter, newline, bom)))
    assert splits.schema.names == ["color", "age", "glasses"]
    assert [a.kind for a in splits.schema] == ["categorical", "categorical", "flag"]
    assert_labels_are_true(splits, "color")


@pytest.mark.parametrize("column", ["path", "Image", "image_path", "picture"])
def test_a_csv_file_with_a_column_of_paths(tmp_path: Path, column: str) -> None:
    images_with_table(tmp_path, column=column)
    assert_labels_are_true(load(str(tmp_path / "metadata.csv")), "color")


def test_absolute_paths_are_followed(tmp_path: Path) -> None:
    class_folders(tmp_path / "images")
    lines = [f"{tmp_path}/images/{color_of(k)}/{k}.png,{color_of(k)}" for k in range(N)]
    table = write(tmp_path / "elsewhere" / "my table.csv", "\n".join(["path,color", *lines]))
    assert_labels_are_true(load(str(table)), "color")


def test_missing_labels_are_absent_not_zero(tmp_path: Path) -> None:
    _, condition = everything(load(str(images_with_table(tmp_path))))
    absent = [{n for n, v in row.items() if v is None} for row in condition.rows()]
    assert sorted(map(sorted, filter(None, absent))) == [["age"], ["glasses"]]


def test_names_may_hold_spaces_and_any_script(tmp_path: Path) -> None:
    folder = tmp_path / "mes données ✓"
    lines = ["file_name,couleur des cheveux"]
    for k in range(N):
        write(folder / "ordner 1" / f"bild {k} ä.png", encoded(image(color_of(k))))
        lines.append(f"ordner 1/bild {k} ä.png,{['赤', 'vert foncé', 'blau'][k % 3]}")
    write(folder / "metadata.csv", "\n".join(lines))
    splits = load(str(folder))
    assert set(splits.schema["couleur des cheveux"].choices) == {"赤", "vert foncé", "blau"}  # type: ignore[union-attr]
    for name in ("赤", "écru vert"):
        write(tmp_path / "klassen" / name / "é.png", encoded(image()))
    assert set(load(str(tmp_path / "klassen")).schema["label"].choices) == {"赤", "écru vert"}  # type: ignore[union-attr]


def test_quoted_cells_may_hold_delimiters_and_newlines(tmp_path: Path) -> None:
    write(tmp_path / "a,1.png", encoded(image()))
    write(tmp_path / "b.png", encoded(image()))
    write(tmp_path / "metadata.csv", 'file_name,kind\n"a,1.png","x, y"\nb.png,"two\nlines"\n')
    assert set(load(str(tmp_path)).schema["kind"].choices) == {"x, y", "two\nlines"}  # type: ignore[union-attr]


def test_unusable_columns_are_noted(tmp_path: Path) -> None:
    images_with_table(tmp_path)
    lines = (tmp_path / "metadata.csv").read_text().splitlines()
    same = [lines[0] + ",always", *(line + ",1" for line in lines[1:])]
    write(tmp_path / "metadata.csv", "\n".join(same))
    splits = load(str(tmp_path))
    assert "always" not in splits.schema.names
    assert any("'always'" in note for note in splits.notes)


# ---- Parquet


@pytest.mark.parametrize("name", ["data.parquet", "color=red/ein #name.parquet"])
def test_parquet_with_a_column_of_bytes(tmp_path: Path, name: str) -> None:
    columns = {"image": [encoded(image(color_of(k))) for k in range(N)], "color": [color_of(k) for k in range(N)]}
    assert_labels_are_true(load(str(parquet(tmp_path / name, columns))), "color")


@pytest.mark.parametrize("inline", [True, False])
def test_parquet_with_the_struct_that_hugging_face_writes(tmp_path: Path, inline: bool) -> None:
    cells = []
    for k in range(N):
        content = encoded(image(color_of(k)))
        write(tmp_path / f"{k}.png", content)
        cells.append({"bytes": content, "path": None} if inline else {"bytes": None, "path": f"{k}.png"})
    columns = {"img": cells, "color": [color_of(k) for k in range(N)], "__index_level_0__": list(range(N))}
    splits = load(str(parquet(tmp_path / "data.parquet", columns)))
    assert splits.schema.names == ["color"]
    assert_labels_are_true(splits, "color")


def test_field_defect_11_class_names_that_hugging_face_keeps_are_not_lost(tmp_path: Path) -> None:
    features = {"image": {"_type": "Image"}, "color": {"names": list(COLORS), "_type": "ClassLabel"}}
    table = pa.table({"image": [encoded(image(color_of(k))) for k in range(N)], "color": [k % 3 for k in range(N)]})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "data.parquet")
    assert_labels_are_true(load(str(tmp_path / "data.parquet")), "color")
    pq.write_table(table.replace_schema_metadata({"huggingface": "[]"}), tmp_path / "data.parquet")
    assert load(str(tmp_path / "data.parquet")).schema["color"].choices == ("0", "1", "2")  # type: ignore[union-attr]


def train_and_test(folder: Path, test: Callable[[int], Image.Image], **extra: Any) -> Path:
    colors = [color_of(k) for k in range(N)]
    parquet(folder / "train.parquet", {"image": [encoded(image(c)) for c in colors], "color": colors})
    parquet(folder / "test.parquet", {"image": [encoded(test(k)) for k in range(4)], "color": colors[:4]} | extra)
    return folder


def test_a_folder_of_train_and_test_parquet_keeps_them_apart(tmp_path: Path) -> None:
    splits = load(str(train_and_test(tmp_path, lambda k: image(color_of(k)))))
    assert len(splits.test) == 4
    assert len(splits.train) + len(splits.validation) == N
    assert [r["color"] for r in splits.test.condition.rows()] == ["red", "green", "blue", "red"]
    assert_labels_are_true(splits, "color", N + 4)


@pytest.mark.parametrize("options", [{"mode": "L"}, {"size": (16, 12)}])
def test_test_images_get_the_shape_of_the_training_images(tmp_path: Path, options: dict[str, Any]) -> None:
    splits = load(str(train_and_test(tmp_path, lambda k: image(color_of(k), **options))))
    assert splits.test.shape == splits.train.shape


def test_a_label_missing_from_the_test_table_is_named(tmp_path: Path) -> None:
    train_and_test(tmp_path, lambda k: image())
    parquet(tmp_path / "test.parquet", {"image": [encoded(image())], "colour": ["red"]})
    complaint(tmp_path, "test.parquet", "'color'", "colour")


def test_only_one_column_of_images_is_used_and_the_other_noted(tmp_path: Path) -> None:
    pictures = [encoded(image(color_of(k))) for k in range(N)]
    columns = {"mask": pictures[::-1], "image": pictures, "color": [color_of(k) for k in range(N)]}
    splits = load(str(parquet(tmp_path / "data.parquet", columns)))
    assert splits.schema.names == ["color"]
    assert any("'mask'" in note and "'image'" in note for note in splits.notes)
    assert_labels_are_true(splits, "color")


# ---- schemas and attributes


OWN = Schema(
    attributes=(
        Categorical(name="color", values=("blue", "green", "red", "grey"), aliases={"crimson": "red"}),
        Continuous(name="age", low=0, high=20),
    )
)


def test_schema_json_beside_the_table_is_used(tmp_path: Path) -> None:
    images_with_table(tmp_path)
    write(tmp_path / "schema.json", OWN.dumps())
    splits = load(str(tmp_path))
    assert splits.schema == OWN
    assert_labels_are_true(splits, "color")


def test_schema_json_in_a_folder_of_classes_is_used(tmp_path: Path) -> None:
    own = Schema(attributes=(Categorical(name="label", values=("red", "green", "blue")),))
    write(class_folders(tmp_path) / "schema.json", own.dumps())
    assert load(str(tmp_path)).schema == own


def test_a_given_schema_wins(tmp_path: Path) -> None:
    images_with_table(tmp_path)
    write(tmp_path / "schema.json", OWN.dumps())
    given = OWN.select(["age"])
    assert load(str(tmp_path), schema=given).schema == given


def test_an_empty_schema_means_that_nothing_can_be_asked_for(tmp_path: Path) -> None:
    splits = load(str(images_with_table(tmp_path)), schema=Schema())
    assert len(splits.schema) == 0
    assert splits.train.condition.present.shape == (len(splits.train), 0)


def test_attributes_chooses_and_orders(tmp_path: Path) -> None:
    images_with_table(tmp_path)
    assert load(str(tmp_path), attributes=["glasses", "color"]).schema.names == ["glasses", "color"]
    complaint(tmp_path, "'colour'", "color", attributes=["colour"])


def test_attributes_may_name_a_column_that_inference_left_out(tmp_path: Path) -> None:
    columns = {
        "image": [encoded(image())] * 30,
        "user": [f"u{k}" for k in range(30)],
        "flag": [0, 1] * 15,
        "one": [1] * 30,
    }
    path = parquet(tmp_path / "data.parquet", columns)
    assert load(str(path)).schema.names == ["flag"]
    assert load(str(path), attributes=["user"]).schema.names == ["user"]
    complaint(path, str(path), "'one'", "always", attributes=["one"])


@pytest.mark.parametrize("cell", ["purple", "99", "old"])
def test_a_value_that_does_not_fit_the_given_schema_is_named(tmp_path: Path, cell: str) -> None:
    images_with_table(tmp_path)
    name = "color" if cell == "purple" else "age"
    table = tmp_path / "metadata.csv"
    write(
        table,
        table.read_text().replace("1.png,green,1.5", "1.png,purple,1.5" if name == "color" else f"1.png,green,{cell}"),
    )
    complaint(tmp_path, "metadata.csv", "row 2", f"'{name}'", cell, schema=OWN)


def test_schema_json_naming_an_absent_column_is_an_error(tmp_path: Path) -> None:
    images_with_table(tmp_path)
    write(tmp_path / "schema.json", Schema(attributes=(Flag(name="beard"),)).dumps())
    complaint(tmp_path, "metadata.csv", "'beard'", "color, age, glasses", f"beside it ({tmp_path / 'schema.json'})")
    complaint(tmp_path, "which the schema asks for", schema=Schema(attributes=(Flag(name="hat"),)))


def test_a_broken_schema_json_is_named(tmp_path: Path) -> None:
    write(images_with_table(tmp_path) / "schema.json", "{")
    complaint(tmp_path, "schema.json", "JSON")


def test_rounded_numbers_of_a_written_table_load_with_their_schema(tmp_path: Path) -> None:
    schema = Schema(attributes=(Continuous(name="age", low=0.123456789, high=193.23456789),))
    extremes = Condition(schema, {"age": torch.tensor([0.123456789, 193.23456789])}, torch.ones(2, 1, dtype=torch.bool))
    lines = ["file_name,age"]
    for k, row in enumerate(extremes.rows()):
        write(tmp_path / f"{k}.png", encoded(image()))
        lines.append(f"{k}.png,{row['age']}")
    write(tmp_path / "metadata.csv", "\n".join(lines))
    write(tmp_path / "schema.json", schema.dumps())
    assert load(str(tmp_path)).schema == schema


# ---- image formats and sizes


def two_classes(folder: Path, pictures: Sequence[Image.Image], kind: str = "png") -> Path:
    for k, picture in enumerate(pictures):
        write(folder / "ab"[k % 2] / f"{k}.{kind}", encoded(picture, kind))
    return folder


def pixel(splits: Splits) -> list[int]:
    x, _ = everything(splits)
    assert (x == x[:1, :, :1, :1]).all()
    return x[0, :, 0, 0].tolist()


@pytest.mark.parametrize(
    ("mode", "kind", "channels"),
    [
        ("L", "png", [76]),
        ("1", "png", [0]),
        ("LA", "png", [76]),
        ("RGB", "png", [255, 0, 0]),
        ("RGBA", "png", [255, 0, 0]),
        ("P", "png", [255, 0, 0]),
        ("P", "gif", [255, 0, 0]),
        ("RGB", "bmp", [255, 0, 0]),
        ("CMYK", "tiff", [255, 0, 0]),
        ("CMYK", "jpeg", [254, 0, 0]),
        ("L", "jpeg", [76]),
    ],
)
def test_every_colour_mode_becomes_grey_or_rgb(tmp_path: Path, mode: str, kind: str, channels: list[int]) -> None:
    picture = Image.new("RGB", (8, 8), COLORS["red"]).convert(mode, dither=Image.Dither.NONE)
    assert pixel(load(str(two_classes(tmp_path, [picture] * 4, kind)))) == pytest.approx(channels, abs=2)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bit_images_keep_their_brightness(tmp_path: Path, kind: str) -> None:
    picture = Image.fromarray(np.full((8, 8), 100 * 257, dtype=np.uint16))
    assert pixel(load(str(two_classes(tmp_path, [picture] * 4, kind)))) == [100]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_images_of_unknown_range_are_refused(tmp_path: Path, dtype: type) -> None:
    two_classes(tmp_path, [Image.fromarray(np.full((8, 8), 1, dtype=dtype))] * 2, "tiff")
    complaint(tmp_path, "0.tiff", "32-bit")


def test_a_transparent_palette_loads_without_a_warning(tmp_path: Path) -> None:
    picture = image(mode="P")
    picture.info["transparency"] = bytes([0, 128, 255] * 4)
    assert pixel(load(str(two_classes(tmp_path, [picture] * 4)))) == [255, 0, 0]


def test_one_colour_image_makes_all_rgb(tmp_path: Path) -> None:
    assert load(str(two_classes(tmp_path, [image(mode="L"), image()]))).shape == (3, 8, 8)


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    for k in range(2):
        file = tmp_path / "ab"[k] / "x.jpg"
        file.parent.mkdir()
        image(size=(16, 8)).save(file, exif=exif)
    assert load(str(tmp_path)).shape == (3, 16, 8)


@pytest.mark.parametrize(
    ("sizes", "shape", "noted"),
    [
        ([(8, 8)] * 4, (8, 8), False),
        ([(12, 8)] * 4, (8, 12), False),
        ([(9, 8)] * 4, (8, 8), True),
        ([(30, 26)] * 4, (24, 32), True),
        ([(2, 3)] * 4, (4, 4), True),
        ([(8, 8), (20, 12), (30, 20), (12, 30)], (12, 12), True),
        ([(200, 100), (300, 200)], (64, 64), True),
    ],
)
def test_sizes_are_made_equal_and_divisible_by_four(
    tmp_path: Path, sizes: list[tuple[int, int]], shape: tuple[int, int], noted: bool
) -> None:
    splits = load(str(two_classes(tmp_path, [image(size=size) for size in sizes])))
    assert splits.shape == (3, *shape)
    assert bool(splits.notes) == noted
    assert pixel(splits) == [255, 0, 0]


@pytest.mark.parametrize("size", [4, 16])
def test_size_is_the_side_of_every_image(tmp_path: Path, size: int) -> None:
    pictures = [image(size=s) for s in [(8, 8), (30, 10), (9, 40)]]
    splits = load(str(two_classes(tmp_path, pictures)), size=size)
    assert splits.shape == (3, size, size)
    assert pixel(splits) == [255, 0, 0]


@pytest.mark.parametrize("size", [0, -4, 2, 30])
def test_a_size_that_does_not_divide_by_four_is_refused(tmp_path: Path, size: int) -> None:
    assert complaint(class_folders(tmp_path), str(size), "multiple of 4", size=size).exit_status == 2


def test_cropping_keeps_the_centre(tmp_path: Path) -> None:
    wide = Image.new("RGB", (24, 8), COLORS["green"])
    wide.paste(image(size=(8, 8)), (8, 0))
    assert pixel(load(str(two_classes(tmp_path, [wide] * 4)), size=8)) == [255, 0, 0]


# ---- what is broken is named


GOOD = encoded(image(size=(32, 32)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (encoded(Image.effect_noise((64, 64), 80))[:600], "truncated"),
        (GOOD[:20], "0.png"),
        (b"", "it is empty"),
        (b"this is a text", "not an image"),
        (GOOD[:60] + bytes(20) + GOOD[80:], "0.png"),
    ],
)
@pytest.mark.parametrize("how", ["folder", "csv", "parquet"])
def test_a_damaged_image_is_named(tmp_path: Path, content: bytes, reason: str, how: str) -> None:
    if how == "folder":
        write(class_folders(tmp_path) / "red" / "0.png", content)
        complaint(tmp_path, str(tmp_path / "red" / "0.png"), reason, "cannot be read")
    elif how == "csv":
        write(images_with_table(tmp_path) / "0.png", content)
        complaint(tmp_path, "0.png", "row 1 of", "metadata.csv", reason)
    else:
        cells = [encoded(image()), content]
        parquet(tmp_path / "0.png.parquet", {"image": cells, "kind": ["a", "b"]})
        complaint(tmp_path / "0.png.parquet", "row 2 of", reason)


def test_a_table_naming_an_image_that_is_not_there(tmp_path: Path) -> None:
    (images_with_table(tmp_path) / "7.png").unlink()
    complaint(tmp_path, "7.png", "row 8", "does not exist")


def test_a_table_with_a_row_without_image(tmp_path: Path) -> None:
    write(images_with_table(tmp_path) / "metadata.csv", "file_name,kind\n0.png,a\n,b\n")
    complaint(tmp_path, "row 2", "metadata.csv", "it is empty")


def test_a_folder_in_the_place_of_an_image(tmp_path: Path) -> None:
    images_with_table(tmp_path)
    (tmp_path / "3.png").unlink()
    (tmp_path / "3.png").mkdir()
    complaint(tmp_path, "3.png", "row 4")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["metadata.csv", "mpty"]),
        (b"\n\n", ["metadata.csv", "mpty"]),
        (b"file_name,color\n", ["metadata.csv", "no rows"]),
        (b"file_name\n0.png\n1.png\n", ["metadata.csv", "only one column"]),
        (b"name,color\nzero,a\none,b\n", ["metadata.csv", "no column of images", "name, color"]),
        (b"file_name,color,color\n0.png,a,b\n", ["metadata.csv", "two columns called 'color'"]),
        (b"file_name,color, color\n0.png,a,b\n", ["metadata.csv", "two columns called 'color'"]),
        (b"file_name,color\n0.png,a\n1.png,b,c\n", ["metadata.csv", "columns"]),
        ("file_name,color\n0.png,caf\xe9\n1.png,b\n".encode("latin-1"), ["metadata.csv", "UTF-8"]),
        (b"file_name,color\n" + b"0.png,a\n" * 9999 + b"1.png,caf\xe9\n", ["metadata.csv", "UTF-8"]),
        ("file_name,color\n0.png,a\n1.png,b\n".encode("utf-16")[:-1], ["metadata.csv", "UTF-8"]),
        (b"file_name,color\n0.png,a\n1.png,a\n", ["metadata.csv", "always 'a'"]),
        (b"file_name,id\n0.png,1\n1.png,2\n", ["metadata.csv", "id"]),
        (b"file_name,a=b\n0.png,1\n1.png,2\n", ["metadata.csv", "'a=b'", "rename"]),
        (b"file_name,big nose,big_nose\n0.png,1,1\n1.png,0,0\n", ["big_nose", "ename"]),
    ],
)
def test_a_broken_csv_is_explained(tmp_path: Path, content: bytes, parts: list[str]) -> None:
    write(images_with_table(tmp_path) / "metadata.csv", content)
    complaint(tmp_path, *parts)


def test_a_missing_label_column_is_named(tmp_path: Path) -> None:
    complaint(images_with_table(tmp_path), "'label'", "color, age, glasses", attributes=["label"])


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_broken_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    complaint(write(tmp_path / "data.parquet", content), "data.parquet", "Parquet")


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"image": pa.array([], pa.binary()), "kind": pa.array([], pa.string())}, "no rows"),
        ({"kind": ["a", "b"]}, "no column of images"),
        ({"image": [GOOD, None], "kind": ["a", "b"]}, "row 2"),
    ],
)
def test_an_unusable_parquet_is_explained(tmp_path: Path, columns: dict[str, Any], part: str) -> None:
    complaint(parquet(tmp_path / "data.parquet", columns), "data.parquet", part)


def test_lists_in_a_column_are_no_traceback(tmp_path: Path) -> None:
    columns = {"image": [GOOD] * 4, "kind": ["a", "b"] * 2, "box": [[1, 2], [3, 4], [1, 2], [5, 6]]}
    assert "kind" in load(str(parquet(tmp_path / "data.parquet", columns))).schema.names


@pytest.mark.parametrize(
    ("source", "part"), [("digitz", "digits"), ("no/such/folder", "no/such/folder"), ("none.csv", "none.csv")]
)
def test_a_source_that_does_not_exist(source: str, part: str) -> None:
    complaint(source, source, part)


def test_a_folder_without_images(tmp_path: Path) -> None:
    complaint(tmp_path, str(tmp_path), "no images", "metadata.csv")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    complaint(write(tmp_path / "data.zip", b"PK"), "data.zip", "CSV or Parquet")
    complaint(write(tmp_path / "short.csv", b"a,b,c\n1,2,3\n1,2\n"), "short.csv", "Row #3: Expected 3 columns, got 2")


def test_a_misspelt_folder_is_found_in_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "holidays").mkdir()
    (tmp_path / ".git").mkdir()
    with pytest.raises(RequestError, match=r"Unknown dataset 'holidasy'\. .* This folder has 'holidays'\.$"):
        load("holidasy")
    with pytest.raises(RequestError, match=r"Did you mean digits\?$"):
        load("digitz")
