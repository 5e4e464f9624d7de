import time

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from condgen.models import FAMILIES
from condgen.models.blueprint import TooLarge, blueprint
from condgen.models.registry import SHAPES, build
from condgen.schema import Flag, Schema

SCHEMA = Schema(attributes=(Flag(name="yes"),))


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_plan_has_the_tensors_of_the_model_and_leaves_random_numbers_alone(name: str) -> None:
    for sort in FAMILIES[name].suits:
        state = torch.random.get_rng_state()
        planned = blueprint(lambda sort=sort: build(name, SCHEMA, SHAPES[sort]))
        assert torch.equal(torch.random.get_rng_state(), state)
        built = build(name, SCHEMA, SHAPES[sort]).state_dict()
        assert planned == {n: tuple(t.shape) for n, t in built.items() if not n.endswith("_extra_state")}


def test_a_model_that_is_too_large_is_not_built_to_its_end() -> None:
    many = list[int]()

    def endless() -> nn.Module:
        module = nn.Sequential()
        while True:
            many.append(1)
            module.append(nn.Linear(10, 10))

    with pytest.raises(TooLarge):
        blueprint(endless, tensors=20)
    assert len(many) == 11
    with pytest.raises(TooLarge):
        blueprint(endless, numbers=1100)
    assert len(many) == 22


def test_a_parametrised_weight_counts_once() -> None:
    def normed() -> nn.Module:
        return spectral_norm(nn.Linear(3, 2))

    assert len(blueprint(normed, tensors=4) or {}) == 4  # bias, weight and its two singular vectors


def test_numbers_beyond_all_memory_are_counted_without_taking_any() -> None:
    started = time.monotonic()
    with pytest.raises(TooLarge):
        blueprint(lambda: build("cvae", SCHEMA, (1, 8, 8), latent=1_000_000), numbers=10**9)
    assert time.monotonic() - started < 60  # it would take 20 GB, and long


def test_a_model_that_reads_its_own_numbers_has_no_plan() -> None:
    def reads() -> nn.Module:
        layer = nn.Linear(2, 2)
        layer.bias.sum().item()
        return layer

    assert blueprint(reads) is None


def test_other_errors_of_a_builder_are_its_own() -> None:
    def fails() -> nn.Module:
        raise RuntimeError("no such layer")

    with pytest.raises(RuntimeError, match="no such layer"):
        blueprint(fails)
