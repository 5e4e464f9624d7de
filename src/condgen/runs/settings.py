"""The settings of a family of models and of its training, described."""

from dataclasses import asdict, replace
from typing import Any

from condgen.models import FAMILIES
from condgen.parameters import Described, described
from condgen.training import TrainingConfig


def settings_of_training(model: str) -> list[Described]:
    """The settings of training, with the defaults of a family."""
    own = FAMILIES[model].training
    return [replace(each, default=own.get(each.name, each.default)) for each in described(TrainingConfig)]


def settings_as_dict(model: str) -> dict[str, Any]:
    """A family, its settings and those of its training as plain data. Raises RequestError for an unknown family."""
    family = FAMILIES[model]
    return {
        "model": model,
        "sentence": family.sentence,
        "settings": [asdict(each) for each in described(family.builder)],
        "training": [asdict(each) for each in settings_of_training(model)],
    }
