"""Training in latents: the codec that a run names, and the latents of its data, prepared once on the disk."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from jaxtyping import UInt8
from torch import Tensor

from condgen.data import Dataset, Splits
from condgen.data.storage.mapped import Mapped, Store
from condgen.data.storage.prepare import SMALL, prepared_folder
from condgen.errors import DataError, RequestError
from condgen.files import writing
from condgen.models import Model, build
from condgen.models.latents.codec import Codec
from condgen.models.latents.learning import LearningCodec
from condgen.models.latents.published import opened, published
from condgen.models.latents.within import InLatents, in_latents
from condgen.pixels import as_uint8
from condgen.progress import Progress
from condgen.room import disk
from condgen.runs import hub
from condgen.runs.costs import must_have_room_for
from condgen.runs.opening import best_device
from condgen.runs.place import home
from condgen.runs.run import Run
from condgen.schema import Condition
from condgen.sealed import digest
from condgen.stores.copies import here
from condgen.training import TrainingConfig

BATCH = 64  # images that are encoded at a time


def new_model(name: str, data: Splits, arguments: Mapping[str, Any], settings: TrainingConfig) -> Model:
    """A new model of the data's images or vectors or, with a codec in the settings, of its latents.

    Raises RequestError for one that cannot be built or does not fit into memory, and errors as `codec_at` does.
    """
    codec = codec_at(settings.codec) if settings.codec else None
    shape = codec.latent_shape(data.shape) if codec else data.shape
    must_have_room_for(name, data.schema, shape, arguments)
    torch.manual_seed(settings.seed)
    model = build(name, data.schema, shape, **arguments)
    return in_latents(model, codec, data.shape) if codec else model


def codec_at(place: str | Path) -> Codec:
    """The codec of a run: one that was trained by `model='codec'`, or in the latents of one. Or an autoencoder of
    diffusers, in a folder or on the Hub (`hf:owner/name`).

    Raises RequestError for another run, RunError if there is none, and MissingExtraError without diffusers.
    """
    if hub.is_address(place):
        place = hub.fetched_codec(str(place))
    if found := published(here(place)):
        return opened(found)
    model = Run.open(home(place), "cpu").model
    if not isinstance(model, LearningCodec | InLatents):
        raise RequestError(
            f"{place} holds a {model.recipe['model']}, which has no codec. Name a run of one (`model='codec'`), or one "
            "that was trained in its latents."
        )
    return model.codec


def prepared(model: Model, data: Dataset, settings: TrainingConfig, progress: Progress) -> Dataset | None:
    """The latents of a model's training data, in the cache, where they are prepared once for each codec and data.

    With `flip` they are followed by those of the mirrored images. None where a batch has to be encoded when its turn
    comes: for streams, for images that are shifted at random, and for models of images themselves.

    Raises DataError if they cannot be written.
    """
    if not isinstance(model, InLatents) or type(data) is not Dataset or settings.shift:
        return None
    ways = (False, True) if settings.flip else (False,)
    key = hashlib.blake2b(
        f"{data.fingerprint} {digest(model.codec.state_dict())} {model.codec.recipe} {ways}".encode(), digest_size=16
    ).hexdigest()
    path = prepared_folder() / f"{key}.latents"
    shape = (len(ways) * len(data), *model.codec.latent_shape(data.shape))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file() or path.stat().st_size != math.prod(shape):
                _write(path, model.codec, data, ways, math.prod(shape), progress)
    except OSError as error:
        raise DataError(
            f"The latents cannot be prepared in {path.parent}: {error.strerror or error}. Free space or fix its "
            "permissions, or name another folder in CONDGEN_CACHE."
        ) from None
    found = Mapped(Store(path, shape), torch.arange(shape[0]), key)
    small = math.prod(shape) <= SMALL
    return Dataset(found.take() if small else found, Condition.cat([data.condition] * len(ways)))


def _write(path: Path, codec: Codec, data: Dataset, ways: tuple[bool, ...], size: int, progress: Progress) -> None:
    """Write the latents of all images, and then those of the mirrored ones, as bytes."""
    disk(path).must_hold(size, "The latents", "Make room, or name a folder in CONDGEN_CACHE.", DataError)
    title, total = "preparing latents", len(ways) * len(data)
    with writing(path) as partial, partial.open("wb") as file, progress.task(title, total, unit="images") as task:
        for done, latents in enumerate(_encoded(codec, data, ways)):
            file.write(latents.numpy().tobytes())
            task.move(min((done + 1) * BATCH, total))


@torch.inference_mode()
def _encoded(codec: Codec, data: Dataset, ways: tuple[bool, ...]) -> Iterator[UInt8[Tensor, "batch latent row column"]]:
    """The latents of all images in 8 bits, batch by batch."""
    codec = deepcopy(codec).to(best_device())
    for mirrored in ways:
        for x, _ in data.in_turn(BATCH):
            x = x.to(best_device())
            yield as_uint8(codec.encode(x.flip(3) if mirrored else x).float()).cpu()
