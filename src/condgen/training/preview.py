"""A picture of a model's samples during training."""

from pathlib import Path

import torch

from condgen.models import Model
from condgen.pictures import grid, save_picture
from condgen.requests.request import Request, parse_requests
from condgen.rng import Rng, Stream
from condgen.schema import LabelDistribution


class Preview:
    """Writes a grid of samples, with one row per value of the first named attribute and the same seeds in every row."""

    def __init__(self, joint: LabelDistribution, columns: int = 10):
        self.joint = joint
        self.columns = columns

    @torch.inference_mode()
    def __call__(self, model: Model, path: Path) -> None:
        """Write `path`.png. Does nothing for vectors."""
        if len(model.shape) != 3:
            return
        rows = self._rows(model)
        seeds = range(self.columns)
        fill = not model.handles_missing
        drawn = [r.draw(self.joint, Stream.CONDITION.rng(seeds), fill) for r in rows]
        x = [model.sample(c.to(model.device), Rng(seeds)).float().cpu() for c in drawn]
        save_picture(grid(torch.cat(x), self.columns, [r.text for r in rows]), path.with_suffix(".png"))

    def _rows(self, model: Model) -> list[Request]:
        named = self.joint.schema.discrete
        if not named or not model.conditional:
            return [Request({}, "anything")]
        return parse_requests({named[0].name: "*"}, self.joint.schema)[:12]
