"""Conditional generation: train on labelled data, ask for attributes, get what you asked for, and measure it.

    import condgen

    data = condgen.load("digits")
    run = condgen.train("cvae", data, "run", mechanism="film", seconds=60)
    samples = run.sample("digit=7", n=16)

Names are imported on first use, so that `import condgen` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from condgen.data import Dataset, Splits, load, stream
    from condgen.joint import Joint
    from condgen.models import Model, build
    from condgen.request import requests
    from condgen.rng import Rng
    from condgen.run import Run, distil, resume, train
    from condgen.samples import Samples, save_samples
    from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

_HOME = {
    "Categorical": "schema",
    "Condition": "schema",
    "Continuous": "schema",
    "Dataset": "data",
    "Flag": "schema",
    "Joint": "joint",
    "Model": "models",
    "Rng": "rng",
    "Run": "run",
    "Samples": "samples",
    "Schema": "schema",
    "Splits": "data",
    "build": "models",
    "distil": "run",
    "load": "data",
    "requests": "request",
    "resume": "run",
    "save_samples": "samples",
    "stream": "data",
    "train": "run",
}

__all__ = [
    "Categorical",
    "Condition",
    "Continuous",
    "Dataset",
    "Flag",
    "Joint",
    "Model",
    "Rng",
    "Run",
    "Samples",
    "Schema",
    "Splits",
    "build",
    "distil",
    "load",
    "requests",
    "resume",
    "save_samples",
    "stream",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'condgen' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"condgen.{_HOME[name]}"), name)
