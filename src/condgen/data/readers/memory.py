"""Data in memory: arrays, tensors, data frames, and datasets of torch or Hugging Face."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from condgen.data.readers.hub import parts_of
from condgen.data.readers.parts import parted
from condgen.data.readers.table import Parts, Table, described
from condgen.data.storage.images import EncodedImage, netpbm, strict_decoder, upright
from condgen.errors import DataError, RequestError
from condgen.schema.cells import missing

Labels = Mapping[str, Sequence[Any]]
CHANNELS = (1, 3, 4)
KEPT_BY_PNG = {"1", "I;16", "LA", "P", "RGBA"}  # modes of PIL images with more to them than pixels of 8 bits
PLAIN = {bool, int, float, str, type(None)}  # kinds of cells that every reader gives
LABEL = "label"  # the name of an attribute that came without one


def read_memory(source: object, labels: object = None) -> Parts:
    """The tables of an object.

    source: images or vectors as an array or tensor (see `table_of_arrays`). Or a data frame, with one column per
        attribute and images as paths, bytes or PIL images. Or a dataset or DatasetDict of `datasets`. Or a map-style
        dataset of torch with items (observation, label), observations alone, or mappings.
    labels: for arrays: one sequence per attribute by name, a data frame, or a single sequence, which is called `label`.

    Raises RequestError for an object of another kind, or for labels if the object holds its own. Raises DataError for
    content that cannot be used.
    """
    if hasattr(source, "features") and hasattr(source, "column_names"):
        _must_be_alone(source, labels)
        return parts_of("a dataset", {"train": source})
    if isinstance(source, Mapping) and source and all(hasattr(part, "column_names") for part in source.values()):
        _must_be_alone(source, labels)
        return parts_of("a DatasetDict", dict(source))
    if hasattr(source, "columns") and hasattr(source, "to_dict"):
        _must_be_alone(source, labels)
        return parted(described(Path("data frame"), _with_encoded(_columns(source)), folder=Path()))
    if isinstance(source, torch.Tensor | np.ndarray) or _is_list_of_images(source):
        return Parts(table_of_arrays(source, labels))
    if isinstance(source, torch.utils.data.Dataset) or (hasattr(source, "__getitem__") and hasattr(source, "__len__")):
        _must_be_alone(source, labels)
        return parted(_table_of_items(source))
    raise RequestError(
        f"Data cannot be made of a {type(source).__name__}. Give a path or a name, an array or tensor with labels, a "
        "data frame, or a dataset of torch or of `datasets`."
    )


def table_of_arrays(x: Any, labels: object) -> Table:
    """The table of observations and their labels.

    x: images [n, height, width], [n, height, width, channel] or [n, channel, height, width] with 1, 3 or 4 channels, as
        uint8 or as floats in [0, 1]. Or a list of PIL images, or vectors [n, dimension].

    labels: None if there are none.

    Raises DataError for other shapes and values.
    """
    columns = _labels(labels)
    notes = [] if columns else ["Labels of arrays are given as in labels={'digit': y}."]
    if isinstance(x, list):
        content: Any = [EncodedImage(f"image {k}", encoded(image)) for k, image in enumerate(x)]
    else:
        array = _numpy(x)
        content = _vectors(array) if array.ndim == 2 else _images(array)
    for name, cells in columns.items():
        if len(cells) != len(content):
            raise DataError(f"There are {len(content):,} observations but {len(cells):,} labels '{name}'.")
    return Table("arrays", content, columns, notes)


def encoded(image: Image.Image) -> bytes:
    """A PIL image, upright, as lossless bytes, which are prepared like those of a file. Raises DataError for 32-bit
    pixels.
    """
    if image.mode in ("I", "F"):
        raise DataError("A PIL image holds 32-bit numbers; convert it to 8 or 16 bits.")
    with strict_decoder():
        image = upright(image)
    if image.mode not in KEPT_BY_PNG:
        return netpbm(np.asarray(image if image.mode == "L" else image.convert("RGB")))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _vectors(array: Any) -> torch.Tensor:
    numbers = np.require(array, requirements="W") if isinstance(array, np.ndarray) else array  # frames share theirs
    x = torch.as_tensor(numbers, dtype=torch.float32)
    if not x.isfinite().all():
        row = int((~x.isfinite()).any(1).nonzero()[0, 0])
        raise DataError(f"The vector in row {row} holds a number that is not finite; correct it or leave the row out.")
    return x


def _images(array: Any) -> list[EncodedImage]:
    pixels = _as_uint8(_channels_last(array))
    bytes_of = netpbm if pixels.shape[3] < 4 else lambda image: encoded(Image.fromarray(image))
    return [EncodedImage(f"image {k}", bytes_of(image)) for k, image in enumerate(pixels)]


def _channels_last(array: Any) -> Any:
    """Images [n, height, width, channel] with 1, 3 or 4 channels; the fourth is transparency."""
    if array.ndim == 3:
        return array[..., None]
    if array.ndim == 4 and array.shape[3] not in CHANNELS and array.shape[1] in CHANNELS:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in CHANNELS:
        raise DataError(
            f"An array of shape {list(array.shape)} holds neither images ([n, height, width], channels last or first) "
            "nor vectors ([n, dimension])."
        )
    return array


def _as_uint8(array: Any) -> Any:
    """Images as bytes in [0, 255]. Raises DataError for floats outside of [0, 1] and for wider integers."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if np.issubdtype(array.dtype, np.integer) and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating) and low >= 0 and high <= 1:
        return np.rint(array * 255).astype(np.uint8)
    raise DataError(
        f"Images must hold whole numbers in 0..255 or floats in 0..1, not {array.dtype} in {low:g}..{high:g}; "
        "scale them first."
    )


def _labels(labels: object) -> dict[str, list[Any]]:
    if labels is None:
        return {}
    if hasattr(labels, "columns") and hasattr(labels, "to_dict"):
        return _columns(labels)
    named = labels if isinstance(labels, Mapping) else {LABEL: labels}
    return {str(name): _cells(values) for name, values in named.items()}


def _columns(frame: Any) -> dict[str, list[Any]]:
    """A data frame's columns by name, for data frames of any library."""
    return {str(name): _cells(frame[name]) for name in frame.columns}


def _cells(values: Any) -> list[Any]:
    """A column's cells, with None in place of pandas' NA and NaT."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
    cells = list(values.tolist() if hasattr(values, "tolist") else values)
    if PLAIN.issuperset(map(type, cells)):
        return cells
    return [None if type(cell) not in PLAIN and missing(cell) else cell for cell in cells]


def _with_encoded(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The same columns with PIL images as bytes."""
    return {name: [encoded(c) if isinstance(c, Image.Image) else c for c in cells] for name, cells in columns.items()}


def _is_list_of_images(source: object) -> bool:
    return isinstance(source, list) and bool(source) and all(isinstance(x, Image.Image) for x in source)


def _table_of_items(source: Any) -> Table:
    """The table of a map-style dataset with items (observation, label), observations alone, or mappings."""
    items = [source[k] for k in range(len(source))]
    if not items:
        raise DataError("The dataset is empty.")
    if isinstance(items[0], Mapping):
        columns = {str(name): [item[name] for item in items] for name in items[0]}
        name = next((n for n, cells in columns.items() if _is_observation(cells[0])), None)
        if name is None:
            raise DataError(f"No entry of the dataset's items is an image or a vector; they hold {', '.join(columns)}.")
        x, labels = columns.pop(name), {n: [_cell(c) for c in cells] for n, cells in columns.items()}
    elif isinstance(items[0], tuple | list) and len(items[0]) == 2:
        x, labels = [item[0] for item in items], _item_labels([item[1] for item in items], source)
    elif _is_observation(items[0]):
        x, labels = items, None
    else:
        raise DataError("Items of a dataset must be observations, (observation, label) or mappings of names to values.")
    return table_of_arrays(x if isinstance(x[0], Image.Image) else _stacked([_numpy(o) for o in x]), labels)


def _stacked(arrays: list[Any]) -> Any:
    """Arrays as one. Raises DataError that says which shapes there are if they differ."""
    shapes = Counter(array.shape for array in arrays).most_common()
    if len(shapes) > 1:
        shown = ", ".join(f"{n:,} of {list(shape)}" for shape, n in shapes[:3]) + ", …" * (len(shapes) > 3)
        raise DataError(
            f"The dataset's items have different shapes ({shown}). Bring them to one before, or give images as "
            "PIL images, which are resized (`size=64`)."
        )
    return np.stack(arrays)


def _item_labels(labels: list[Any], source: Any) -> dict[str, list[Any]]:
    """Labels by name. Class numbers become class names if the dataset has them."""
    if isinstance(labels[0], Mapping):
        return {str(n): [_cell(label[n]) for label in labels] for n in labels[0]}
    cells, classes = [_cell(label) for label in labels], getattr(source, "classes", None)
    if classes and all(isinstance(c, int) and 0 <= c < len(classes) for c in cells):
        return {LABEL: [str(classes[c]) for c in cells]}
    return {LABEL: cells}


def _is_observation(value: object) -> bool:
    return isinstance(value, Image.Image) or (isinstance(value, torch.Tensor | np.ndarray) and value.ndim > 0)


def _cell(value: Any) -> Any:
    return value.item() if isinstance(value, torch.Tensor | np.ndarray | np.generic) and value.ndim == 0 else value


def _numpy(x: Any) -> Any:
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asarray(x)


def _must_be_alone(source: object, labels: object) -> None:
    if labels is not None:
        raise RequestError(f"A {type(source).__name__} holds its own labels; leave `labels` out.")
