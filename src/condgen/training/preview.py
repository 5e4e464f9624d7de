"""A look at a model while it trains."""

from pathlib import Path

import torch

from condgen.models import Model
from condgen.pictures import grid, save_picture
from condgen.requests.request import Request, parse_requests
from condgen.rng import Rng, Stream
from condgen.schema import LabelDistribution


class Preview:
    """Leaves a grid of samples: one row per value of the first attribute that has names, the same seeds in each."""

    def __init__(self, joint: LabelDistribution, columns: int = 10):
        self.joint = joint
        self.columns = columns

    @torch.inference_mode()
    def __call__(self, model: Model, path: Path) -> None:
        """Write `path`.png; nothing for vectors."""
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
