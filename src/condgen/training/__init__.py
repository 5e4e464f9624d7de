"""The training loop, its checkpoints, and the observation of its progress."""

from condgen.training.checkpoint import Info
from condgen.training.probe import condition_effect
from condgen.training.settings import TrainingConfig, learning_rate
from condgen.training.signals import Interrupted
from condgen.training.trainer import Trainer

__all__ = [
    "Info",
    "Interrupted",
    "Trainer",
    "TrainingConfig",
    "condition_effect",
    "learning_rate",
]
