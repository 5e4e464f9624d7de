"""Settings of training, and the learning rate over time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from condgen.errors import RequestError
from condgen.models.backbones import IMAGES
from condgen.parameters import Setting
from condgen.units import parse_count, parse_duration

Positive = Annotated[float, Field(gt=0)]

Count = Annotated[int, Field(ge=1, le=2**50)]
Threads = Annotated[int, Field(ge=1, le=4096)]
Layout = Literal["channels-last", "contiguous"]


def _written(parse: Callable[[str], Any]) -> BeforeValidator:
    """Accept a number as people write it too. Unreadable text is left to the type's own error."""

    def read(value: Any) -> Any:
        try:
            return parse(value) if isinstance(value, str) else value
        except RequestError:
            return value

    return BeforeValidator(read)


@dataclass(kw_only=True)
class TrainingConfig:
    """Settings of training. Either `images` or `seconds` bounds the run, and the learning rate falls to zero over it.

    Raises RequestError if both are given.
    """

    label: ClassVar[str] = "training"

    images: Annotated[
        Count | None,
        _written(parse_count),
        Setting("Number of training images: 500k, 2M.", part="budget"),
    ] = None
    seconds: Annotated[
        Positive | None,
        _written(parse_duration),
        Setting("Training time instead of a number of images, which is measured on the way.", part="budget"),
    ] = None
    batch: Annotated[
        int, Field(ge=1, le=2**24), Setting("Images per step, over all processes together.", part="optimiser")
    ] = 128
    lr: Annotated[Positive, Setting("Highest learning rate of AdamW.", part="optimiser")] = 8e-3
    momentum: Annotated[float, Field(ge=0, lt=1), Setting("Momentum of AdamW, β₁.", part="optimiser")] = 0.9
    weight_decay: Annotated[float, Field(ge=0), Setting("Weight decay of AdamW.", part="optimiser")] = 0.01
    warmup: Annotated[
        Count, Setting("Images over which the rate rises, at most a tenth of the run.", part="optimiser")
    ] = 10_000
    clip: Annotated[Positive, Setting("Largest gradient norm of a player.", part="optimiser")] = 1.0
    ema: Annotated[
        Count, Setting("Half-life of the averaged weights in images, at most a tenth of those seen.", part="optimiser")
    ] = 20_000
    precision: Annotated[
        Literal["float32", "auto", "bf16", "fp16", "no"],
        Setting(
            "Arithmetic: float32 (also no), mixed, or auto, the fastest by a short measurement.",
            part="run",
        ),
    ] = "float32"
    threads: Annotated[
        Threads | None, Setting("Threads that compute. Unless given, as many as are fastest.", part="run")
    ] = None
    layout: Annotated[
        Layout | None,
        Setting("Order of images and their features in memory. Unless given, the fastest.", part="run"),
        IMAGES,
    ] = None
    compiled: Annotated[
        bool | None,
        Setting(
            "Compile the model with `torch.compile`. Unless given, where that pays, its own time counted.", part="run"
        ),
    ] = None
    checkpointing: Annotated[
        bool,
        Setting("Compute what blocks computed again for their gradients: less memory, the same result.", part="run"),
    ] = False
    profile: Annotated[
        bool, Setting("Record where the time of a few steps goes: profile.txt and trace.json.gz.", part="run")
    ] = False
    seed: Annotated[
        int, Field(ge=0, lt=2**31), Setting("Random seed for weights, data order and noise.", part="run")
    ] = 0
    checkpoint_seconds: Annotated[Positive, Setting("Time between checkpoints.", part="run")] = 30.0
    previews: Annotated[
        int, Field(ge=0), Setting("Number of times that losses are validated and a picture is made.", part="run")
    ] = 10
    codec: Annotated[
        str | None,
        Setting(
            "Run of a codec, or one trained in its latents. The model is then trained in these latents.", part="data"
        ),
        IMAGES,
    ] = None
    balance: Annotated[
        str | None,
        Setting(
            "Attribute whose values are shown equally often, or several (a,b) for their combinations.", part="data"
        ),
    ] = None
    flip: Annotated[bool, Setting("Mirror images at random.", part="data"), IMAGES] = False
    shift: Annotated[
        int, Field(ge=0, le=1_000), Setting("Largest random shift of images, in pixels.", part="data"), IMAGES
    ] = 0

    def __post_init__(self) -> None:
        if self.images is not None and self.seconds is not None:
            raise RequestError("Both images and seconds say how long to train; leave out one of them.")


def learning_rate(peak: float, images: int, share: Callable[[int], float | None], warmup: int) -> float:
    """Linear warm-up, constant for the first 30 % of the run, then a half cosine to zero.

    share: of the run that is done after so many images; None as long as it is unknown. The warm-up takes `warmup`
    images, and at most a tenth of the run.
    """
    rate = peak * min(1.0, max((images + 1) / warmup, 10 * (share(images + 1) or 0.0)))
    done = max(((share(images) or 0.0) - 0.3) / 0.7, 0.0)
    return rate * 0.5 * (1 + math.cos(math.pi * done))
