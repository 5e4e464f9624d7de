"""Every check of `condgen.testing` finds the mistake that it is there for, and says what usually causes it."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from condgen.conditioning import PlainEncoder
from condgen.models import Family, Model, Practice
from condgen.models.base import Terms
from condgen.rng import Rng
from condgen.schema import Condition, Schema
from condgen.testing import CHECKS, ConformanceError, Lesson, check_model


class Linear(Model):
    """x = A c + b + 0.1 ε: the smallest model that keeps every promise; encodes x as its noise."""

    lossless = True

    def __init__(self, schema: Schema, shape: tuple[int, ...], drawn: float = 0.0):
        super().__init__(schema, shape)
        self.condition_encoder = PlainEncoder(schema)
        self.layer = nn.Linear(self.condition_encoder.width, shape[0])
        self.drawn = drawn

    def centre(self, condition: Condition) -> Tensor:
        return self.layer(self.condition_encoder(condition).vector)

    def forward(self, x: Tensor, condition: Condition, player: str = "model") -> Terms:
        return {"loss": (x - self.centre(condition)).square().mean()}

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return self.centre(condition) + 0.1 * rng.normal(*self.shape)

    def encode(self, x: Tensor, condition: Condition) -> Any:
        raise NotImplementedError

    def decode(self, z: Tensor, condition: Condition) -> Tensor:
        raise NotImplementedError

    def reconstruct(self, x: Tensor, condition: Condition) -> Tensor:
        return x


def family(kind: type[Linear]) -> Family:
    def builder(schema: Schema, shape: tuple[int, ...], *, drawn: float = 0.0) -> Model:
        return kind(schema, shape, drawn)

    return Family(builder, suits=("vector",), practice=Practice(steps=60, lr=5e-2))


class WrongShape(Linear):
    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return super().sample(condition, rng)[:, :2]


class Infinite(Linear):
    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return super().sample(condition, rng) / 0


class GlobalNoise(Linear):
    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return self.centre(condition) + 0.1 * torch.randn(len(condition), *self.shape)


class NoNoise(Linear):
    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return self.centre(condition)


class Idle(Linear):
    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.unused = nn.Parameter(torch.ones(3))


class Climbing(Linear):
    def forward(self, x: Tensor, condition: Condition, player: str = "model") -> Terms:
        loss = (x - self.centre(condition)).square().mean()
        return {"loss": 2 * loss.detach() - loss}


class Forgetful(Linear):
    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.offset = torch.randn(3)  # neither a parameter nor a buffer

    def centre(self, condition: Condition) -> Tensor:
        return super().centre(condition) + self.offset


class Misled(Linear):
    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return super().sample(condition, rng).roll(1, dims=1)


class Deaf(Linear):
    def centre(self, condition: Condition) -> Tensor:
        return 0 * super().centre(condition)


class Eavesdropping(Linear):
    def centre(self, condition: Condition) -> Tensor:
        return super().centre(condition) + condition.values["bright"][:, None]


class TakesFreeForZero(Linear):
    def centre(self, condition: Condition) -> Tensor:
        whole = Condition(condition.schema, condition.values, torch.ones_like(condition.present))
        return super().centre(whole)


class LostInFree(Linear):
    handles_missing = True

    def centre(self, condition: Condition) -> Tensor:
        return super().centre(condition) if condition.complete else torch.full((len(condition), 3), torch.nan)


class Collapsed(Linear):
    def reconstruct(self, x: Tensor, condition: Condition) -> Tensor:
        return torch.zeros_like(x) + 1


class Unreadable(Linear):
    def read(self, x: Tensor) -> Condition:
        return Condition(self.schema, {a.name: a.uniform(torch.rand(len(x))) for a in self.schema}, x[:, :3] > -1e9)


@cache
def lesson(kind: type[Linear]) -> Lesson:
    return Lesson("linear", family(kind), "all", "vector")


BROKEN: list[tuple[str, type[Linear], str]] = [
    ("shape_and_range", WrongShape, "raw output"),
    ("shape_and_range", Infinite, "explode"),
    ("determinism", GlobalNoise, "global generator"),
    ("determinism", NoNoise, "does not use its `rng`"),
    ("gradients", Idle, "none for unused"),
    ("loss_falls", Climbing, "wrong sign"),
    ("rebuilding", Forgetful, "registered buffer"),
    ("attributes_move_what_they_name", Misled, "labels taken in another order"),
    ("obedience", Deaf, "dropped on its way"),
    ("obedience", Eavesdropping, "second way"),
    ("free_attributes", TakesFreeForZero, "`condition.complete`"),
    ("free_attributes", LostInFree, "may be anything"),
    ("reconstruction", Collapsed, "posterior collapse"),
    ("readable_codes", Unreadable, "gains too little"),
]


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_passes_a_model_that_keeps_its_promises(name: str) -> None:
    if CHECKS[name].concerns(lesson(Linear)):
        CHECKS[name].run(lesson(Linear))


@pytest.mark.parametrize(("check", "kind", "cause"), BROKEN)
def test_every_check_finds_its_mistake_and_says_what_causes_it(check: str, kind: type[Linear], cause: str) -> None:
    assert CHECKS[check].concerns(lesson(kind))
    with pytest.raises(ConformanceError, match=r"Expected: .*Found: .*Usual cause: ") as told:
        CHECKS[check].run(lesson(kind))
    assert cause in str(told.value)


def test_every_check_has_a_model_that_fails_it() -> None:
    assert {check for check, *_ in BROKEN} == set(CHECKS)


def test_check_model_returns_what_was_checked() -> None:
    results = check_model(family(Linear))
    assert {r.check for r in results} == set(CHECKS) - {"readable_codes"}
    assert not any(r.message for r in results)


def test_check_model_names_every_broken_promise() -> None:
    with pytest.raises(ConformanceError, match="builder breaks 4 of 9 promises") as told:
        check_model(family(Deaf))
    assert "attributes_move_what_they_name, in the world all-vector: " in str(told.value)
    assert "obedience" in str(told.value)


def test_check_model_reports_what_a_model_raises() -> None:
    class Raising(Linear):
        def forward(self, x: Tensor, condition: Condition, player: str = "model") -> Terms:
            raise ZeroDivisionError("no batch")

    with pytest.raises(ConformanceError, match=r"Found: ZeroDivisionError: no batch. At: .*testing.py:\d+, raise"):
        check_model(family(Raising))


def test_check_model_takes_a_registered_name() -> None:
    assert {r.world for r in check_model("vae", kinds=["flag"])} == {"flag-image", "flag-vector"}
