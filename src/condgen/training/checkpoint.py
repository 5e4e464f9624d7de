"""Checkpoints: one safetensors file with all other content as JSON in its header. No pickle.

Whenever the process dies, the file is either the old checkpoint or the new one (see `condgen.files.writing`). Digests
(see `condgen.sealed`) find every changed bit when it is opened. The previous checkpoint is kept until the run is
finished, and is opened if the newest is damaged.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field
from safetensors import SafetensorError
from torch import Tensor

from condgen import sealed
from condgen.errors import CondgenWarning, RunError
from condgen.feature_networks import FeatureNetwork
from condgen.files import keep, settled, writing
from condgen.headers import parsed
from condgen.models.borrowed import Borrowed
from condgen.room import memory
from condgen.training.arithmetic import Arithmetic
from condgen.training.place import FILE as FILE
from condgen.training.place import HEADER
from condgen.training.place import before as before
from condgen.training.place import must_exist as must_exist
from condgen.training.plan import Stage, share_after

FORMAT = 1
RUN = "run"  # a header's `holds`: everything needed to continue training
WEIGHTS_ALONE = "weights"  # an export: everything needed for sampling

Each = TypeVar("Each")
Side = Annotated[int, Field(ge=1, le=2**20)]
Images = Annotated[int, Field(ge=0, le=2**50)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Loss = Annotated[float, Field(ge=0, allow_inf_nan=False)]  # its size, without its sign


@dataclass
class Info:
    """Everything about a run that is not a tensor.

    recipe: the model's name and arguments.
    shape: of one observation.
    schema: the attributes that can be asked for.
    training: the trainer's arguments.
    data: the source of the training data, and its fingerprint.
    images: number of images seen so far.
    total: number to be seen in all. None until a time budget has been measured.
    seconds: time of work so far.
    spent: seconds of preparing and of all steps, of the last look and of the last save.
    plan: the stages of a time budget. Empty for a number of images.
    arithmetic: precision and threads of training. None for runs trained before.
    against: the networks that training judged samples by, which do not measure the run (`Model.trained_against`).
    borrowed: the parts of the model that other packages bring. Not written if there are none.
    first_loss: of the first steps, against which divergence is judged. None before, and for runs trained before.
    holds: all of a run (`RUN`), or an export for sampling (`WEIGHTS_ALONE`).
    """

    recipe: dict[str, Any]
    shape: Annotated[tuple[Side, ...], Field(min_length=1, max_length=3)]
    schema: dict[str, Any]
    training: dict[str, Any]
    data: dict[str, Any]
    images: Images = 0
    total: Images | None = None
    seconds: Seconds = 0.0
    spent: dict[str, Seconds] = field(default_factory=dict)
    plan: list[Stage] = field(default_factory=list)
    arithmetic: Arithmetic | None = None
    versions: dict[str, str] = field(default_factory=dict)
    against: tuple[FeatureNetwork, ...] = ()
    borrowed: tuple[Borrowed, ...] = ()
    first_loss: Loss | None = None
    holds: str = RUN
    format: int = FORMAT

    @property
    def kind(self) -> str:
        """The word for the observations: images, or rows of a table."""
        return "images" if len(self.shape) == 3 else "rows"

    @property
    def steps(self) -> int:
        """The number of training steps so far."""
        return self.images // int(self.training.get("batch", 1))

    def share(self, images: int | None = None) -> float | None:
        """The share of the run that is done after `images` (default: those seen so far). None without a plan."""
        stages = self.plan or ([] if self.total is None else [Stage(self.total)])
        return share_after(stages, self.images if images is None else images)

    def plan_to(self, total: int, share: float | None = None) -> None:
        """Add a stage to the plan, to `total` images. share: of the run that is done, by default the share of the
        images.
        """
        share = self.images / max(total, 1) if share is None else share
        self.plan.append(Stage(total, self.images, share, self.seconds, self.spent.get("steps", 0.0)))
        self.total = total

    @property
    def finished(self) -> bool:
        """Whether the planned number of images has been seen."""
        return self.total is not None and self.images >= self.total


def advance(path: Path, info: Info, tensors: Mapping[str, Tensor]) -> None:
    """Write the next checkpoint of a run, and keep the previous one beside it if it is sound. Raises as `save`."""
    with _explained(path):
        if sound(path):
            keep(path, before(path))
    save(path, info, tensors)


def save(path: Path, info: Info, tensors: Mapping[str, Tensor]) -> None:
    """Write a checkpoint atomically. Raises RunError if that fails. The previous checkpoint is then intact."""
    contents = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with _explained(path), writing(path) as partial:
        sealed.write(partial, contents, {HEADER: json.dumps(header(info))})


def header(info: Info) -> dict[str, Any]:
    """The header of a checkpoint."""
    content = asdict(info)
    if not info.borrowed:
        del content["borrowed"]
    return content


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"The checkpoint {path} cannot be written: {error}. The previous one, if any, is intact."
        ) from None


def settle(path: Path) -> None:
    """Read a checkpoint back from the disk and, if it is sound, remove the previous one."""
    if path.is_file():
        settled(path)
    if sound(path):
        before(path).unlink(missing_ok=True)


def load(path: Path) -> tuple[Info, dict[str, Tensor]]:
    """The checkpoint in a file or, if it is damaged, the previous one with a warning. The tensors are copies in memory.

    Raises RunError if there is none, if both are damaged, or if it is not from condgen.
    """
    must_exist(path)
    try:
        return _read(path)
    except _DamagedError as error:
        with suppress(RunError):
            found = _read(before(path))
            text = f"{error} The previous one, after {found[0].images:,} images, is used."
            warnings.warn(text, CondgenWarning, stacklevel=2)
            return found
        raise RunError(f"{error} Restore it from a copy, or train again.") from None


class _DamagedError(RunError):
    """A damaged checkpoint. The previous one may replace it."""


def _read(path: Path) -> tuple[Info, dict[str, Tensor]]:
    try:
        memory().must_hold(path.stat().st_size, f"The checkpoint {path}", "Close other programs first.", RunError)
        texts, tensors = sealed.read(path)
    except (OSError, sealed.DamagedError) as error:
        raise _DamagedError(f"The checkpoint {path} is damaged: {error}.") from None
    if HEADER not in texts:
        raise RunError(f"{path} was not written by condgen: it holds weights, but no schema and no recipe.")
    copies = {name: tensor.clone() for name, tensor in tensors.items()}  # others would change with the file, or crash
    return parsed(path, texts[HEADER], Info, FORMAT), copies


def sound(path: Path) -> bool:
    """Whether the file is an undamaged checkpoint."""
    try:
        sealed.read(path)
    except (OSError, sealed.DamagedError):
        return False
    return True


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shapes of tensors, by their names."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def group(tensors: Mapping[str, Each], prefix: str) -> dict[str, Each]:
    """The tensors (or their shapes) whose names begin with `prefix/`, without the prefix."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `group`."""
    return {f"{prefix}/{name}": t for name, t in tensors.items()}
