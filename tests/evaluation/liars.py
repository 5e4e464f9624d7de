"""Models with known faults, for tests of the metrics and of the doctor: each lies in one way, and in no other."""

from pathlib import Path

import torch
from torch import Tensor

from condgen.data import Mixture, Splits, split
from condgen.data.dataset import Dataset
from condgen.models import Model
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.schema import Condition, LabelDistribution, Schema
from condgen.training.checkpoint import Info

WORLD = Mixture()


def world(n: int = 12_000, seed: int = 1) -> Splits:
    """The mixture as data."""
    condition = WORLD.conditions(n, seed)
    return split(Dataset(WORLD.sample(condition, torch.Generator().manual_seed(seed)), condition))


class Perfect(Model):
    """Samples of the mixture itself."""

    def __init__(self, schema: Schema = WORLD.schema, shape: tuple[int, ...] = (2,)):
        super().__init__(schema, shape)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return self.honest(condition, rng)

    def honest(self, condition: Condition, rng: Rng) -> Tensor:
        noise = rng.normal(3)
        which = (noise[:, 2] > 0).long()
        centre = WORLD.modes(condition)[torch.arange(len(condition)), which]
        return centre + WORLD.scale * noise[:, :2]


class Ignores(Perfect):
    """Pays no heed to `side`: every sample shows one drawn anew."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        drawn = (rng.uniform(1)[:, 0] * 4).floor()
        return self.honest(condition.with_codes("side", drawn), rng)


class Breaks(Perfect):
    """Shows what is near as far where `side` is west and `angle` is high, in four of five samples."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        broken = (condition.values["side"] == 2) & (condition.values["angle"] > 36) & (rng.uniform(1)[:, 0] < 0.8)
        far = torch.where(broken, 1 - condition.values["far"], condition.values["far"])
        return self.honest(condition.with_codes("far", far), rng)


class Swaps(Perfect):
    """Takes `side` for `far` and `far` for `side`: east and west are near, no and yes are east and north."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        side, far = condition.values["side"], condition.values["far"]
        return self.honest(condition.with_codes("side", far).with_codes("far", (side % 2)), rng)


class Permutes(Perfect):
    """Shows north for east and east for north."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        side = condition.values["side"]
        return self.honest(condition.with_codes("side", torch.where(side < 2, 1 - side, side)), rng)


class Entangles(Perfect):
    """Lets `far` also turn the side by one."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        side, far = condition.values["side"], condition.values["far"]
        turned = torch.where(rng.uniform(1)[:, 0] < 0.4, (side + far) % 4, side)
        return self.honest(condition.with_codes("side", turned), rng)


class Drops(Perfect):
    """Knows one of the two modes only."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return WORLD.modes(condition)[:, 0] + WORLD.scale * rng.normal(2)


class Collapses(Perfect):
    """Gives the same sample for the same side and distance, nearly."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return WORLD.modes(condition)[:, 0] + 0.01 * WORLD.scale * rng.normal(2)


class Memorises(Perfect):
    """Gives back the training observation whose condition is nearest to what is asked."""

    def __init__(self, train: Dataset):
        super().__init__()
        self.train_data = train

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        rows = self.train_data.condition
        apart = 100 * (condition.values["side"][:, None] != rows.values["side"]).float()
        apart += 100 * (condition.values["far"][:, None] != rows.values["far"]).float()
        apart += (condition.values["angle"][:, None] - rows.values["angle"]).abs()
        nearest = apart.topk(8, largest=False).indices
        picked = (rng.uniform(1)[:, 0] * 8).long()
        return self.train_data.x[nearest[torch.arange(len(condition)), picked]]


def run_of(model: Model, data: Splits, path: Path = Path("nowhere"), images: int = 1_000_000) -> Run:
    """A model as a run, as if it had been trained on the data."""
    info = Info({"model": "liar", "arguments": {}}, model.shape, model.schema.model_dump(mode="json"), {}, {}, images)
    return Run(model, LabelDistribution.of(data.train.condition), info, path)
