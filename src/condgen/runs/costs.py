"""Checks that a model and its training fit into memory and onto the disk, before any of it is allocated."""

import math
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from condgen.data import Splits, as_float
from condgen.errors import RequestError
from condgen.messages import setting
from condgen.models import Model, build
from condgen.models.blueprint import TooLarge, blueprint
from condgen.rng import Rng
from condgen.room import Room, disk, memory, size
from condgen.runs.opening import best_device
from condgen.schema import Condition, LabelDistribution, Schema
from condgen.training import TrainingConfig
from condgen.training.recomputing import recompute

KEPT = 4 * 4  # bytes per parameter in a checkpoint: itself, running average, AdamW's two moments
COPIES = 5 * 4  # bytes per parameter in training: itself, gradient, AdamW's two moments, running average
FEW = 8  # the cost of an example is measured on this number and on twice as many


def must_have_room_for(model: str, schema: Schema, shape: tuple[int, ...], arguments: Mapping[str, Any]) -> None:
    """Raise RequestError for a model too large for memory, with the setting at fault and a value that fits."""
    room = memory(best_device())
    if _has_room(room, model, schema, shape, arguments):
        return
    what = f"A {model} for data of this shape {shape} would take more than {size(room.free)} to train, which is all "
    name = max((n for n, v in arguments.items() if type(v) is int), key=arguments.__getitem__, default="")
    value = arguments.get(name, 0) // 2
    while value and not _has_room(room, model, schema, shape, {**arguments, name: value}):
        value //= 2
    advice = f"{setting(**{name: value})} fits." if value else "Choose a smaller model, or smaller images (`size`)."
    raise RequestError(f"{what}that {room.name} has free. {advice}")


def _has_room(room: Room, model: str, schema: Schema, shape: tuple[int, ...], arguments: Mapping[str, Any]) -> bool:
    try:
        blueprint(lambda: build(model, schema, shape, **arguments), numbers=room.free // COPIES)
    except (TooLarge, OverflowError):
        return False
    except RuntimeError as error:
        if "overflow" not in str(error):  # the overflow of a tensor's number of bytes
            raise
        return False
    return True


def must_have_room_to_train(model: Model, data: Splits, settings: TrainingConfig, processes: int = 1) -> None:
    """Raise RequestError for batches too large for memory, with the largest size that fits, and that with
    `checkpointing`. processes: among which a batch is divided.
    """
    room = memory(best_device())
    needed = bytes_to_train(model, data, settings.batch // processes, settings.checkpointing)
    if needed <= room.free:
        return
    fits = processes * largest_batch(model, data, room.free, settings.checkpointing)
    advice = f"At most {setting(batch=fits)} fits." if fits else "Choose a smaller model."
    more = 0 if settings.checkpointing else processes * largest_batch(model, data, room.free, checkpointing=True)
    if more > fits:
        advice += f" With {setting(checkpointing=True)}, which takes more time, at most {setting(batch=more)} fits."
    room.must_hold(needed, f"Training in batches of {settings.batch:,}", advice)


def bytes_to_train(model: Model, data: Splits, batch: int, checkpointing: bool = False) -> float:
    """Bytes that training takes: for the weights, and for the observations of a batch and all that a step keeps."""
    weights = COPIES * sum(p.numel() for p in model.parameters())
    return weights + batch * (bytes_per_example(model, data, checkpointing) + 2 * 4 * math.prod(data.shape))


def largest_batch(model: Model, data: Splits, free: int, checkpointing: bool = False) -> int:
    """The largest power of two that fits as a batch, 0 where a single observation does not."""
    none = bytes_to_train(model, data, 0)
    fits = int(max(free - none, 0) / (bytes_to_train(model, data, 1, checkpointing) - none))
    return 2 ** (fits.bit_length() - 1) if fits else 0


def must_have_room_to_keep(model: Model, settings: TrainingConfig, folder: Path) -> None:
    """Raise RequestError if the disk of a run's folder cannot hold its checkpoints.

    These are two at a time, and the healthy weights of its looks, old and new. Files of the run that are there already
    count as free. Pictures are small beside them, and are left out.
    """
    parameters = sum(p.numel() for p in model.parameters())
    looks = 2 * 4 * parameters if settings.previews else 0
    there = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    room = disk(folder)
    Room(room.name, room.free + there).must_hold(
        2 * KEPT * parameters + looks,
        f"The checkpoints of this model, with {parameters:,} parameters,",
        "Make room, choose a folder on another disk, or a smaller model.",
    )


def bytes_per_example(model: Model, data: Splits, checkpointing: bool = False) -> float:
    """Bytes that a training step keeps per example until gradients are computed, for the most demanding player.

    Measured by steps of a copy on a few examples. The state of torch's random numbers is restored.
    """
    index = torch.arange(2 * FEW) % len(data.train)
    x, condition = as_float(data.train.take(index)), data.train.condition[index]
    if not model.handles_missing and not condition.complete:
        condition = LabelDistribution.of(condition).fill(condition, Rng(range(len(index))))
    with torch.random.fork_rng():
        few, more = (_kept(model, x[:n], condition[:n], checkpointing) for n in (FEW, 2 * FEW))
    return max(more - few, 0) / FEW


def _kept(model: Model, x: Tensor, condition: Condition, checkpointing: bool = False) -> int:
    """Bytes that the losses of the most demanding player keep for its gradients, at a first step."""
    twin = deepcopy(model).cpu().train()
    if checkpointing:
        recompute(twin)
    return max(_kept_by(twin, player, x, condition) for player in twin.players())


def _kept_by(model: Model, player: str, x: Tensor, condition: Condition) -> int:
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        model(x, condition, player)
    return sum(kept.values())
