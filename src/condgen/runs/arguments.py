"""The arguments of a training: those of a model's builder and those of the loop."""

from collections.abc import Mapping
from typing import Any

from condgen.data import Splits
from condgen.errors import unknown
from condgen.models import FAMILIES
from condgen.parameters import keyword_arguments, used, validated
from condgen.training import TrainingConfig


def split_arguments(
    model: str, arguments: Mapping[str, Any], data: Splits | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of a model's builder, converted, and those of TrainingConfig.

    Raises RequestError for arguments of neither, and for arguments that would change nothing (on this data, if given).
    """
    family, known = FAMILIES[model], None if data is None else (data.schema, data.shape)
    of_model, of_training = keyword_arguments(family.builder), keyword_arguments(TrainingConfig)
    for name in arguments:
        if name not in of_model and name not in of_training:
            raise unknown(f"setting of {model}", name, [*of_model, *of_training])
    for_model = {k: v for k, v in arguments.items() if k in of_model}
    for_training = {k: v for k, v in arguments.items() if k in of_training}
    counting = used(family.builder, for_model, known)
    used(TrainingConfig, for_training, known)
    return (
        {k: v for k, v in counting.items() if k in for_model},
        vars(TrainingConfig(**validated(TrainingConfig, {**family.training, **for_training}))),
    )


def overridden(preset: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A preset with options in place of its entries, and the names of entries that lose their effect by them.

    A time replaces a number of images, and the other way round. Raises RequestError for a wrong model.
    """
    bounds = {"images", "seconds"}
    start = {k: v for k, v in preset.items() if k not in bounds} if bounds & options.keys() else dict(preset)
    whole = start | dict(options)
    builder = FAMILIES[whole["model"]].builder
    of_model = {k: v for k, v in whole.items() if k in keyword_arguments(builder)}
    idle = of_model.keys() - used(builder, of_model, strict=False).keys() - options.keys()
    return {k: v for k, v in whole.items() if k not in idle}, sorted(idle)
