"""Parts of models whose losses change in the course of training, which is counted in images."""

from typing import Any

import torch
from torch import Tensor, nn

from condgen.models import together


class Counting(nn.Module):
    """A part that counts the images of its training. The count is in the checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.images = 0  # images seen in training

    def count(self, x: Any) -> None:
        """Count the images of a step of training [batch, ...]."""
        self.images += together.size(len(x)) if self.training else 0

    def get_extra_state(self) -> Tensor:
        """The position in training, for the checkpoint."""
        return torch.tensor(self.images)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the position in training."""
        self.images = int(state)
