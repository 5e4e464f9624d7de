"""Opening a checkpoint as a model on the best available device."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from pydantic import ValidationError

from condgen import models
from condgen.errors import CondgenError, RunError
from condgen.models import Model
from condgen.schema import LabelDistribution, Schema
from condgen.training import checkpoint
from condgen.training.checkpoint import Info


def opened(path: Path, device: str | torch.device | None = None) -> tuple[Model, LabelDistribution, Info]:
    """The model of the run in a folder, or of exported weights, and the distribution of its attributes.

    The weights are the averaged ones. Raises RunError if there is no readable run.
    """
    info, tensors = checkpoint.load(path if path.is_file() else path / checkpoint.FILE)
    model = rebuild(info)
    with explain_mismatch(path, info):
        model.load_state_dict(checkpoint.group(tensors, "ema"))
        joint = checkpoint.restore_distribution(model.schema, checkpoint.group(tensors, "joint"))
    return model.to(device or best_device()), joint, info


def home(path: str | Path) -> Path:
    """The folder of a run, also for the path of its checkpoint. For exported weights, the file."""
    path = Path(path)
    return path.parent if path.is_file() and path.name == checkpoint.FILE else path


def best_device() -> torch.device:
    """The first available of CUDA, MPS and the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def rebuild(info: Info) -> Model:
    """The model of a checkpoint, with random weights.

    Raises RunError for a model unknown to this version of condgen.
    """
    try:
        schema = Schema.model_validate(info.schema)
        return models.rebuild(info.recipe, schema, tuple(info.shape))
    except ValidationError as error:
        raise RunError(f"The schema of the run cannot be read: {error.errors()[0]['msg']}.") from None
    except (CondgenError, KeyError) as error:
        raise RunError(f"This version of condgen cannot rebuild the model {info.recipe}: {error}") from None


@contextmanager
def explain_mismatch(path: Path, info: Info) -> Iterator[None]:
    """Turn errors about missing tensors or other shapes into one paragraph."""
    try:
        yield
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"The checkpoint in {path} does not fit its own recipe {info.recipe}: {reason}") from None
