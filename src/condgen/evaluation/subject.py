"""The subject of an evaluation: a run as something that answers conditions of the data, and these conditions."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from condgen.data import Dataset, Splits, as_uint8
from condgen.evaluation.metrics.codes import CodeMatch, match_codes
from condgen.evaluation.metrics.combinations import absent_combinations
from condgen.evaluation.metrics.counterfactuals import Counterfactuals
from condgen.models.protocols import Discovers
from condgen.rng import Stream
from condgen.runs.run import Run
from condgen.runs.sampling import BATCH, SamplingOptions
from condgen.schema import Condition, LabelDistribution


@dataclass(frozen=True)
class EvaluatedRun:
    """A run that answers conditions of the data's schema, with one way of sampling.

    A model with codes of its own is asked for the code that stands for the label (see `match_codes`).
    """

    run: Run
    data: Splits
    sampling: SamplingOptions = field(default_factory=SamplingOptions)

    @cached_property
    def joint(self) -> LabelDistribution:
        """The joint distribution of the attributes in the training data."""
        return LabelDistribution.of(self.data.train.condition)

    @cached_property
    def match(self) -> CodeMatch | None:
        """The meaning of a discovering model's codes in terms of the first named attribute."""
        named = self.data.schema.discrete
        if not isinstance(self.run.model, Discovers) or not named:
            return None
        return match_codes(self.run.model, self.data.train[:10_000], named[0].name, tested=self.data.test)

    @property
    def conditional(self) -> bool:
        """Whether it can be asked for anything in the data's schema."""
        model = self.run.model
        return self.match is not None or (model.conditional and model.schema == self.data.schema)

    def answer(self, asked: Condition, seeds: Int[Tensor, " n"]) -> Dataset:
        """Its samples for conditions, and the conditions."""
        return Dataset(self.observations(asked, seeds), self.heeded(asked))

    def observations(self, asked: Condition, seeds: Int[Tensor, " n"]) -> Shaped[Tensor, "n ..."]:
        """Its samples for conditions, with images rounded to 8 bits as in saved files."""
        return torch.cat([self._answer(a, s) for a, s in zip(_split(asked), seeds.split(BATCH), strict=True)])

    def heeded(self, asked: Condition) -> Condition:
        """The part of a condition that it is given: all of it, or only the attribute that codes stand for."""
        if self.match is None:
            return asked
        others = torch.tensor([name != self.match.attribute for name in asked.schema.names])
        return asked.drop(others.expand_as(asked.present))

    def _answer(self, asked: Condition, seeds: Int[Tensor, " n"]) -> Tensor:
        x = self.run.answer(self._told(asked, seeds), seeds, self.sampling)
        return as_uint8(x) if x.dim() == 4 else x

    def _told(self, asked: Condition, seeds: Int[Tensor, " n"]) -> Condition:
        """The condition in the model's own terms, complete for a model that cannot handle free attributes."""
        streams = Stream.FILLED.rng(seeds)
        if self.match is not None:
            return self._coded(asked, self.run.joint.draw({}, streams))
        if self.run.model.schema != asked.schema:
            return self.run.joint.draw({}, streams)
        return asked if self.run.model.handles_missing else self.run.joint.fill(asked, streams)

    def _coded(self, asked: Condition, codes: Condition) -> Condition:
        assert self.match is not None
        code, attribute = self.run.schema[self.match.code], self.data.schema[self.match.attribute]
        meant = {attribute.parse(label): code.parse(value) for value, label in self.match.names.items()}
        given, labels = asked.given(attribute.name), asked.values[attribute.name]
        told = torch.tensor([meant.get(label, 0.0) for label in labels.tolist()])
        return codes.with_codes(code.name, torch.where(given, told, codes.values[code.name]))


def _split(condition: Condition) -> list[Condition]:
    return [condition[k : k + BATCH] for k in range(0, len(condition), BATCH)]


# ---- what is asked


def as_in_data(data: Dataset, n: int, seed: int) -> Condition:
    """The conditions of n observations, in random order. All observations are equally frequent, up to one."""
    generator = torch.Generator().manual_seed(seed)
    rounds = -(-n // len(data))
    order = torch.cat([torch.randperm(len(data), generator=generator) for _ in range(rounds)])
    return data.condition[order[:n]]


def uniform(joint: LabelDistribution, n: int, seed: int) -> Condition:
    """n conditions with every combination of values equally likely, whether seen in training or not."""
    generator = torch.Generator().manual_seed(seed)
    values = {a.name: a.uniform(torch.rand(n, *a.shape, generator=generator)) for a in joint.schema}
    return Condition(joint.schema, values, torch.ones(n, len(joint.schema), dtype=torch.bool))


def never_seen(joint: LabelDistribution, n: int, seed: int) -> Condition | None:
    """n conditions of combinations that the training data lacks, or None if it lacks none."""
    absent = absent_combinations(joint)
    if not absent:
        return None
    generator = torch.Generator().manual_seed(seed)
    picked = torch.tensor(absent)[torch.randint(len(absent), (n,), generator=generator)].float()
    named = [a.name for a in joint.schema.discrete]
    drawn = uniform(joint, n, seed)
    return Condition(joint.schema, {**drawn.values, **dict(zip(named, picked.unbind(1), strict=True))}, drawn.present)


def counterfactuals(subject: EvaluatedRun, asked: Condition, seed: int) -> Counterfactuals:
    """Samples for conditions, again with other noise, and with each attribute requested differently."""
    seeds = torch.arange(seed, seed + len(asked))
    told = subject.heeded(asked)
    named = [name for name in told.schema.names if told.given(name).any()]
    return Counterfactuals(
        base=subject.answer(asked, seeds),
        again=subject.answer(asked, Stream.AGAIN + seeds),
        changed={name: subject.answer(counterfactual(asked, name, seed), seeds) for name in named},
    )


def counterfactual(asked: Condition, name: str, seed: int) -> Condition:
    """The same conditions with a clearly different value of one attribute."""
    a, codes = asked.schema[name], asked.values[name]
    u = torch.rand(codes.shape, generator=torch.Generator().manual_seed(seed))
    return asked.with_codes(name, a.counterfactual(codes, u))
