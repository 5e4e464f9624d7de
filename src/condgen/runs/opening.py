"""Opening a checkpoint as a model on the best available device."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from condgen import models
from condgen.errors import CondgenError, RequestError, RunError, shorten
from condgen.models import Model
from condgen.models.blueprint import Shape, TooLarge, blueprint
from condgen.models.borrowed import lacking, unknown
from condgen.runs.header import coordinates_of, source_of, teacher_of
from condgen.runs.place import file_of
from condgen.schema import LabelDistribution, Schema
from condgen.schema.stored import restored
from condgen.training import checkpoint
from condgen.training.checkpoint import Info

SPARE = 2  # times the file's tensors that may be made while its model is built: a builder need not keep them all


class Recipe(BaseModel):
    """The model's name and the arguments that it was built with, as a header has them."""

    model: str
    arguments: dict[str, Any]


def opened(path: Path, device: str | torch.device | None = None) -> tuple[Model, LabelDistribution, Info]:
    """The model of the run in a folder, or of exported weights, and the distribution of its attributes.

    The weights are the averaged ones. Recipe and tensors are compared before anything is allocated. Raises RunError if
    there is no readable run, and RequestError for an exported ONNX model.
    """
    if path.is_file() and path.suffix.casefold() == ".onnx":
        raise RequestError(
            f"{path}: an exported ONNX model can be sampled, edited and served. For anything else, give the run or its "
            ".safetensors."
        )
    info, tensors = checkpoint.load(file_of(path))
    must_make_sense(path, info)
    model = rebuild(path, info, checkpoint.shapes(checkpoint.group(tensors, "ema")))
    with explain_mismatch(path, info):
        model.load_state_dict(checkpoint.group(tensors, "ema"))
        joint = restored(model.schema, checkpoint.group(tensors, "joint"))
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # quicker convolutions
    return model.to(device or best_device()), joint, info


def best_device() -> torch.device:
    """The first available of CUDA, MPS and the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def must_make_sense(path: Path, info: Info) -> None:
    """Raise RunError where a run's header names data, a teacher or coordinates that there cannot be."""
    try:
        source_of(info)
        coordinates_of(info)
        teacher_of(info)
    except (CondgenError, ValidationError) as error:
        raise RunError(f"{path} has a header that condgen cannot read: {_first(error)}") from None


def rebuild(path: Path, info: Info, shapes: Mapping[str, Shape]) -> Model:
    """The model of a checkpoint with tensors of these shapes, with random weights.

    Raises RunError for a model unknown to this version of condgen, and for a recipe of other tensors.
    """
    try:
        schema = Schema.model_validate(info.schema)
    except ValidationError as error:
        raise RunError(f"The schema of the run in {path} cannot be read: {_first(error)}.") from None
    try:
        Recipe.model_validate(info.recipe)
        planned = blueprint(lambda: models.rebuild(info.recipe, schema, info.shape), tensors=SPARE * len(shapes))
        _must_fit(path, info, planned, shapes)
        return models.rebuild(info.recipe, schema, info.shape)
    except RunError:
        raise
    except TooLarge:
        raise _unlike(path, info, f"the model has many more than the {len(shapes):,} tensors of the file") from None
    except Exception as error:  # a builder raises anything for a recipe that somebody made up
        raise RunError(_unbuilt(path, info, error)) from None


def _unbuilt(path: Path, info: Info, error: Exception) -> str:
    """The reason why a model cannot be rebuilt. Parts of other packages come first."""
    if missing := lacking(info.borrowed):
        return f"The run in {path} needs {missing}"
    reason = f"This version of condgen cannot rebuild the model {shown(info)}: {_first(error)}"
    foreign = isinstance(error, RequestError) and unknown(info.recipe)
    return f"{reason} Perhaps it is of a package that is not installed here." if foreign else reason


def _must_fit(path: Path, info: Info, planned: Mapping[str, Shape] | None, shapes: Mapping[str, Shape]) -> None:
    """Raise RunError where a model would have other tensors than its file."""
    for name, shape in (planned or {}).items():
        if shapes.get(name) != shape:
            raise _unlike(path, info, f"the model's {name} has the shape {shape}, the file's {shapes.get(name)}")


def _unlike(path: Path, info: Info, reason: str) -> RunError:
    return RunError(f"The checkpoint in {path} does not fit its own recipe {shown(info)}: {reason}.")


def shown(info: Info) -> str:
    """A recipe in messages: the beginning of it, where it is long."""
    return shorten(str(info.recipe), 300)


def _first(error: Exception) -> str:
    """The reason of an error in one line."""
    reason = error.errors()[0]["msg"].removeprefix("Value error, ") if isinstance(error, ValidationError) else error
    return shorten(str(reason), 300)


@contextmanager
def explain_mismatch(path: Path, info: Info) -> Iterator[None]:
    """Turn errors about missing tensors or other shapes into one paragraph."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError) as error:
        raise RunError(
            f"The checkpoint in {path} does not fit its own recipe {shown(info)}: {shorten(str(error), 300)}"
        ) from None
