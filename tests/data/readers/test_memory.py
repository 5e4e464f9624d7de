"""Objects in memory become the tables that files become."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value
from PIL import Image as Pillow

from condgen.data.readers.memory import read_memory
from condgen.data.storage.images import EncodedImage, Fit, header, pixels
from condgen.errors import DataError, RequestError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 8, 12), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 8, 12, 3), dtype=np.uint8)
DIGITS = [3, 1, 4, 1, 5, 9]


def shown(content: object) -> np.ndarray:
    """What encoded images look like, [n, channel, height, width]."""
    assert isinstance(content, Sequence)
    assert all(isinstance(image, EncodedImage) for image in content)
    found = header(content[0])
    assert found
    mode = "L" if found.grey else "RGB"
    return pixels(content, Fit(mode, 12, 8))


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (GREY, GREY[:, None]),
        (torch.from_numpy(GREY), GREY[:, None]),
        (GREY / 255, GREY[:, None]),
        (torch.from_numpy(GREY)[:, None] / 255, GREY[:, None]),
        (GREY.astype(np.int64), GREY[:, None]),
        (COLOUR, COLOUR.transpose(0, 3, 1, 2)),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR.transpose(0, 3, 1, 2)),
        (np.concatenate([COLOUR, 255 + 0 * COLOUR[..., :1]], axis=3), COLOUR.transpose(0, 3, 1, 2)),
        (np.concatenate([COLOUR, 0 * COLOUR[..., :1]], axis=3), 255 + 0 * COLOUR.transpose(0, 3, 1, 2)),
        ([Pillow.fromarray(257 * GREY.astype(np.uint16)[k]) for k in range(6)], GREY[:, None]),
        ([Pillow.fromarray(image).convert("LA") for image in GREY], GREY[:, None]),
        ([Pillow.fromarray(image > 127) for image in GREY], 255 * (GREY[:, None] > 127)),
        ([Pillow.fromarray(image) for image in COLOUR], COLOUR.transpose(0, 3, 1, 2)),
    ],
)
def test_images_keep_every_pixel_in_whatever_form_they_come(x: object, expected: np.ndarray) -> None:
    table = read_memory(x, {"digit": DIGITS}).train
    assert np.array_equal(shown(table.content), expected)
    assert table.columns == {"digit": DIGITS}


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pil_images_are_turned_as_those_of_files(mode: str, orientation: int) -> None:
    plain = Pillow.fromarray(257 * GREY[0].astype(np.uint16)) if mode == "I;16" else Pillow.fromarray(GREY[0])
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    plain.convert(mode).save(file, "PNG", exif=exif)
    as_file = EncodedImage("a file", file.getvalue())
    in_memory = read_memory([Pillow.open(file)], {"digit": [1]}).train.content[0]
    fit = Fit("L", 8, 12)
    assert np.array_equal(pixels([in_memory], fit), pixels([as_file], fit))


def test_vectors_stay_vectors() -> None:
    x = RNG.normal(size=(6, 3))
    table = read_memory(x, torch.tensor(DIGITS)).train
    assert isinstance(table.content, torch.Tensor)
    assert torch.allclose(table.content, torch.tensor(x, dtype=torch.float32))
    assert table.columns == {"label": DIGITS}


def test_labels_may_be_a_data_frame() -> None:
    labels = pd.DataFrame({"digit": DIGITS, "old": [True] * 3 + [False] * 3})
    assert read_memory(GREY, labels).train.columns == {"digit": DIGITS, "old": [True] * 3 + [False] * 3}


def test_a_data_frame_holds_images_and_labels() -> None:
    frame = pd.DataFrame({"image": [Pillow.fromarray(x) for x in COLOUR], "digit": DIGITS})
    table = read_memory(frame).train
    assert np.array_equal(shown(table.content), COLOUR.transpose(0, 3, 1, 2))
    assert table.columns == {"digit": DIGITS}


def test_a_data_frame_holds_vectors_and_its_split() -> None:
    split = ["train"] * 3 + ["test"]
    frame = pd.DataFrame({"x0": [0.0, 1, 2, 3], "x1": [1.0, 1, 1, 1], "c": list("abab"), "split": split})
    parts = read_memory(frame)
    assert parts.test is not None
    assert (len(parts.train.content), len(parts.test.content)) == (3, 1)


class Items(torch.utils.data.Dataset):  # type: ignore[type-arg]
    classes = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

    def __len__(self) -> int:
        return 6

    def __getitem__(self, k: int) -> tuple[torch.Tensor, int]:
        return torch.from_numpy(COLOUR[k]).permute(2, 0, 1) / 255, DIGITS[k]


def test_a_dataset_of_torch_gives_its_items_and_the_names_of_its_classes() -> None:
    table = read_memory(Items()).train
    assert np.array_equal(shown(table.content), COLOUR.transpose(0, 3, 1, 2))
    assert table.columns == {"label": ["three", "one", "four", "one", "five", "nine"]}


def test_items_may_be_mappings() -> None:
    items = [{"x": torch.full((2,), float(k)), "digit": torch.tensor(d)} for k, d in enumerate(DIGITS)]
    table = read_memory(items).train
    assert isinstance(table.content, torch.Tensor)
    assert table.content[:, 0].tolist() == list(range(6))
    assert table.columns == {"digit": DIGITS}


def test_datasets_of_hugging_face_keep_their_splits_and_class_names() -> None:
    features = Features({"image": Image(), "digit": ClassLabel(names=list("0123456789")), "age": Value("int32")})
    rows = {"image": [Pillow.fromarray(x) for x in COLOUR], "digit": DIGITS, "age": list(range(6))}
    whole = Dataset.from_dict(rows, features=features)
    table = read_memory(whole).train
    assert table.columns["digit"] == [str(d) for d in DIGITS]
    assert np.array_equal(shown(table.content), COLOUR.transpose(0, 3, 1, 2))
    parts = read_memory(DatasetDict(train=whole, test=whole.select(range(2))))
    assert parts.test is not None
    assert len(parts.test.content) == 2


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (GREY, {"digit": DIGITS[:3]}, "6 observations but 3 labels 'digit'"),
        (GREY * 2.0, {"digit": DIGITS}, "whole numbers in 0..255 or floats in 0..1"),
        (np.zeros((2, 3, 4, 5, 6)), {"digit": [0, 1]}, "neither images"),
        (np.array([[0.0], [np.nan]]), {"digit": [0, 1]}, "row 1"),
        (pd.DataFrame({"x0": [1.0], "c": ["a"]}), {"digit": [1]}, "holds its own labels"),
        (3.5, None, "cannot be made of a float"),
        ([(1, 2, 3)], None, "must be"),
        ([GREY[0], GREY[1], GREY[2][:4]], None, r"different shapes \(2 of \[8, 12\], 1 of \[4, 12\]\).*PIL images"),
    ],
)
def test_what_cannot_be_used_is_said(x: object, labels: object, message: str) -> None:
    with pytest.raises((DataError, RequestError), match=message):
        read_memory(x, labels)


@pytest.mark.parametrize(
    "source",
    [
        Dataset.from_dict({"x0": [1.0, 2.0], "c": ["a", "b"]}),
        DatasetDict(train=Dataset.from_dict({"x0": [1.0, 2.0], "c": ["a", "b"]})),
        pd.DataFrame({"x0": [1.0, 2.0], "c": ["a", "b"]}),
        [(GREY[0], 1), (GREY[1], 2)],
    ],
    ids=["datasets", "a DatasetDict", "a data frame", "items"],
)
def test_what_holds_its_own_labels_takes_no_others(source: object) -> None:
    with pytest.raises(RequestError, match="holds its own labels; leave `labels` out"):
        read_memory(source, {"digit": [1, 2]})


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((6, 8, 12, 2), dtype=np.uint8), "holds neither images"),
        (GREY.astype(np.int64) + 1_000, r"not int64 in 1\d\d\d\.\.1\d\d\d"),
        (GREY.astype(np.int64) - 1_000, "whole numbers in 0..255"),
        (GREY / 100, "floats in 0..1"),
    ],
)
def test_arrays_that_hold_no_images_are_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_memory(array, {"digit": DIGITS})


def test_floats_are_rounded_and_truths_are_black_and_white() -> None:
    assert shown(read_memory(np.full((6, 8, 12), 100.6 / 255), {"digit": DIGITS}).train.content).max() == 101
    assert shown(read_memory(GREY > 127, {"digit": DIGITS}).train.content).max() == 255


def test_labels_keep_their_kind() -> None:
    found = read_memory(GREY, {"digit": torch.tensor(DIGITS)}).train.columns["digit"]
    assert [type(value) for value in found] == [int] * 6


def test_items_may_have_labels_by_name_and_scalars_of_any_library() -> None:
    items = [(GREY[k], {"digit": torch.tensor(k), "old": np.bool_(k % 2)}) for k in range(2)]
    assert read_memory(items).train.columns == {"digit": [0, 1], "old": [False, True]}
    assert [type(v) for v in read_memory(items).train.columns["digit"]] == [int, int]


def test_numbers_that_are_no_classes_of_the_dataset_stay_numbers() -> None:
    class Named(list):  # type: ignore[type-arg]
        classes = ("cat", "dog")

    assert read_memory(Named([(GREY[0], 1), (GREY[1], 0)])).train.columns == {"label": ["dog", "cat"]}
    assert read_memory(Named([(GREY[0], 1), (GREY[1], 2)])).train.columns == {"label": [1, 2]}


@pytest.mark.parametrize(
    ("items", "message"),
    [([], "The dataset is empty"), ([{"a": 1, "b": 2}], "is an image or a vector; they hold a, b")],
)
def test_datasets_without_observations_are_refused(items: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_memory(items)


def test_tensors_may_have_gradients_and_pictures_have_8_or_16_bits() -> None:
    x = torch.zeros(6, 8, 12).requires_grad_()
    assert shown(read_memory(x, {"digit": DIGITS}).train.content).max() == 0
    with pytest.raises(DataError, match="32-bit numbers"):
        read_memory([Pillow.fromarray(np.zeros((8, 8), dtype=np.float32))], {"digit": [1]})
