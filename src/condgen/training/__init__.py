"""The training loop, its checkpoints and what is seen of it."""

from condgen.training.checkpoint import Info
from condgen.training.monitor import Monitor, Silent, Terminal
from condgen.training.probe import condition_effect
from condgen.training.trainer import Interrupted, Trainer, Training, learning_rate

__all__ = [
    "Info",
    "Interrupted",
    "Monitor",
    "Silent",
    "Terminal",
    "Trainer",
    "Training",
    "condition_effect",
    "learning_rate",
]
