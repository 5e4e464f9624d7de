"""Shapes and types of every function are checked at run time, in tests only."""

from jaxtyping import install_import_hook

install_import_hook("condgen", "beartype.beartype")

import pytest
import torch

from condgen.schema import Categorical, Continuous, Flag, Schema


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.manual_seed(0)


@pytest.fixture
def people() -> Schema:
    """One attribute of every kind."""
    return Schema(
        attributes=(
            Categorical(name="color", values=("red", "green", "blue"), aliases={"crimson": "red"}),
            Flag(name="Eyeglasses", synonyms=("glasses",)),
            Continuous(name="age", low=0, high=80),
        )
    )
