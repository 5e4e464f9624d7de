"""The pace of training on this machine, from a few steps on noise."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch

from condgen.data import Dataset, Splits
from condgen.models import Model
from condgen.schema import Condition
from condgen.training.settings import TrainingConfig
from condgen.training.team import Team
from condgen.training.trainer import Trainer

LONGEST = 1.5  # seconds of measuring, after a first step that is not counted


def images_per_second(
    model: Model, condition: Condition, settings: TrainingConfig, clock: Callable[[], float]
) -> float:
    """Images a second in training, measured for a second or two. The model is changed.

    condition: of some examples, repeated to fill a batch.
    clock: in seconds.
    """
    rows = torch.arange(settings.batch) % len(condition)
    noise = Dataset(_noise(settings.batch, model.shape), condition[rows])
    nowhere = Path(tempfile.gettempdir())  # it saves nothing
    trainer = Trainer(model, Splits(noise, noise, noise), nowhere, settings, team=Team.here().apart)
    with closing(trainer.batches()) as batches:
        trainer.step(*next(batches))
        started, steps, passed = clock(), 0, 0.0
        while passed < LONGEST:
            trainer.step(*next(batches))
            steps, passed = steps + 1, clock() - started
    return steps * settings.batch / passed


def _noise(n: int, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(256, (n, *shape), dtype=torch.uint8) if len(shape) == 3 else torch.randn(n, *shape)
