"""The training loop, its checkpoints, and the observation of its progress. Names are imported on first use."""

from typing import TYPE_CHECKING

from condgen.lazy import listing, on_first_use

if TYPE_CHECKING:
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

_HOME = {
    "Info": "checkpoint",
    "condition_effect": "probe",
    "TrainingConfig": "settings",
    "learning_rate": "settings",
    "Interrupted": "signals",
    "Trainer": "trainer",
}
__getattr__ = on_first_use(__name__, _HOME)
__dir__ = listing(__all__)
