"""Twins: the same model with shared weights and one other part. The model itself is not changed."""

import copy
from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def with_part(model: M, old: nn.Module, new: nn.Module) -> M:
    """The model with another module in the place of one of its own. Raises StopIteration if it has no such part."""
    return _at(model, next(path for path, module in model.named_modules() if module is old), new)


def _at(model: M, path: str, new: nn.Module) -> M:
    twin = copy.copy(model)
    twin._modules = dict(model._modules)
    part, _, rest = path.partition(".")
    twin._modules[part] = _at(model.get_submodule(part), rest, new) if rest else new
    return twin
