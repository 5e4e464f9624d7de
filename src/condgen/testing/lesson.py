"""A small model of a family, briefly trained in a tiny world: the subject of the checks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from condgen.models import Family, Model
from condgen.models.base import build, loss_of
from condgen.parameters import keyword_arguments
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution, Schema
from condgen.testing.worlds import SHAPES, conditions, observations

EXAMPLES = 512
SMALL = {"channels": 16, "latent": 4, "depth": 1}  # for families with these settings


@torch.enable_grad()  # sampling may train the model while gradients are disabled
def train(
    model: Model,
    x: Tensor,
    condition: Condition,
    *,
    steps: int = 120,
    batch: int = 64,
    lr: float = 1e-2,
    momentum: float = 0.9,
) -> list[float]:
    """The shortest training loop: every player in turn on every batch, in the data's order. Returns the last player's
    losses.
    """
    optimisers = {
        name: torch.optim.AdamW(parameters, lr=lr, betas=(momentum, 0.99), weight_decay=0.0)
        for name, parameters in model.players().items()
    }
    losses = []
    for step in range(steps):
        index = torch.arange(step * batch, (step + 1) * batch) % len(x)
        for name, optimiser in optimisers.items():
            loss = loss_of(model(x[index], condition[index], name), model)
            optimiser.zero_grad()
            loss.backward(inputs=[p for group in optimiser.param_groups for p in group["params"]])
            for group in optimiser.param_groups:
                group["lr"] = lr * min(1.0, 2 - 2 * step / steps)
            optimiser.step()
        losses.append(loss.item())
    return losses


@dataclass
class Lesson:
    """A family in one of the tiny worlds.

    name: of the family, for its recipe.
    kind: of attributes in the world, a key of `worlds.ATTRIBUTES`.
    sort: of observations: image or vector.
    arguments: of the builder, overriding those of the family's practice.
    """

    name: str
    family: Family
    kind: str = "all"
    sort: str = "vector"
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation."""
        return SHAPES[self.sort]

    @cached_property
    def schema(self) -> Schema:
        """The schema of the world's labels."""
        return conditions(self.kind, 1).schema

    @cached_property
    def model(self) -> Model:
        """The trained model, in evaluation mode."""
        return self._learned[0]

    @property
    def losses(self) -> list[float]:
        """The last player's loss at every step of training."""
        return self._learned[1]

    @cached_property
    def joint(self) -> LabelDistribution:
        """The distribution of the attributes that the model can be asked for."""
        return self.model.joint(LabelDistribution.of(conditions(self.kind, EXAMPLES)))

    def new(self, **arguments: Any) -> Model:
        """A model of the family with these arguments, untrained."""
        builder: Callable[..., Model] = self.family.builder
        return build(builder, self.name, self.schema, self.shape, **arguments)

    def asked(self, n: int, seed: int) -> Condition:
        """n complete conditions that the model can be asked for."""
        return self.joint.draw({}, Rng(range(seed * 1000, seed * 1000 + n)))

    def world(self, n: int, seed: int) -> tuple[Tensor, Condition]:
        """n observations of the world with their conditions."""
        condition = conditions(self.kind, n, seed)
        return observations(condition, self.sort), condition

    @torch.no_grad()
    def sampled(self, condition: Condition, seeds: range, model: Model | None = None) -> Tensor:
        """Samples of the trained model, or of another one."""
        return (model or self.model).sample(condition, Rng(seeds))

    @cached_property
    def _learned(self) -> tuple[Model, list[float]]:
        practice, known = self.family.practice, keyword_arguments(self.family.builder)
        chosen = SMALL | dict(practice.arguments) | dict(self.arguments)
        torch.manual_seed(0)
        x, condition = self.world(EXAMPLES, seed=0)
        model = self.new(**{k: v for k, v in chosen.items() if k in known or k in self.arguments})
        losses = train(model, x, condition, steps=practice.steps, lr=practice.lr, momentum=practice.momentum)
        return model.eval(), losses
