"""How to train: the arguments of training, and the learning rate over time."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Positive = Annotated[float, Field(gt=0)]


Count = Annotated[int, Field(ge=1)]


@dataclass(kw_only=True)
class TrainingConfig:
    """How to train: either `images` or `seconds` bounds the run, and the learning rate falls to zero over it.

    seconds:             a budget; the first images measure how many fit, and that number is kept.
    batch:               images a step, over all processes together.
    lr, momentum, weight_decay:  of AdamW (momentum is its β₁), after `warmup` images of linear warm-up.
    ema:                 half-life of the averaged weights in images, at most a tenth of those seen.
    clip:                largest gradient norm of a player.
    precision:           of the arithmetic: no (float32), bf16, fp16, or auto: bf16 where the machine is quick at it.
    checkpoint_seconds:  time between checkpoints.
    previews:            how many times over the run losses are validated and a picture is made.
    balance:             an attribute of which every value is seen equally often, however rare in the data.
    flip, shift:         whether images are mirrored at random, and by how many pixels they are moved at most.
    """

    images: Annotated[int, Field(ge=1)] | None = None
    seconds: Positive | None = None
    batch: Count = 128
    lr: Positive = 8e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup: Count = 10_000
    ema: Count = 20_000
    clip: Positive = 1.0
    precision: Literal["no", "auto", "bf16", "fp16"] = "no"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    checkpoint_seconds: Positive = 30.0
    previews: Annotated[int, Field(ge=0)] = 10
    balance: str | None = None
    flip: bool = False
    shift: Annotated[int, Field(ge=0)] = 0


def learning_rate(peak: float, images: int, total: int | None, warmup: int) -> float:
    """Linear warm-up, constant for the first 30 % of the run, then a half cosine to zero."""
    rate = peak * min(1.0, (images + 1) / (min(warmup, total / 10) if total else warmup))
    if not total:
        return rate
    done = min(max((images / total - 0.3) / 0.7, 0.0), 1.0)
    return rate * 0.5 * (1 + math.cos(math.pi * done))
