"""Conditional generation: train on labelled data, ask for attributes, get what you asked for, and measure it.

    import condgen

    data = condgen.load("digits")
    run = condgen.train("cvae", data, "run", mechanism="film", seconds=60)
    samples = run.sample("digit=7", n=16)

Names are imported on first use, so that `import condgen` costs nothing.
"""

import sys
from typing import TYPE_CHECKING

from condgen.lazy import listing, on_first_use

if TYPE_CHECKING:
    from condgen.api import augment, compare, datasets, doctor, evaluate, gallery, inspect, open  # noqa: A004 (condgen.open)
    from condgen.bulk.generate import generate
    from condgen.data import Dataset, DataSource, Splits, load, stream
    from condgen.models import Model, build
    from condgen.presets import presets
    from condgen.requests.request import parse_requests
    from condgen.rng import Rng
    from condgen.runs.addresses import open_generator
    from condgen.runs.editing import EditOptions
    from condgen.runs.remote import Client
    from condgen.runs.resume import resume
    from condgen.runs.run import Run
    from condgen.runs.samples import Samples, save_samples
    from condgen.runs.settings import settings
    from condgen.runs.train import distill, train
    from condgen.schema import Categorical, Condition, Continuous, Flag, LabelDistribution, Schema
    from condgen.serving.background import serve
    from condgen.studio.notebook import studio
    from condgen.verify import verify

_HOME = {
    "augment": "api",
    "inspect": "api",
    "gallery": "api",
    "evaluate": "api",
    "generate": "bulk.generate",
    "doctor": "api",
    "datasets": "api",
    "compare": "api",
    "Categorical": "schema",
    "Client": "runs.remote",
    "Condition": "schema",
    "Continuous": "schema",
    "DataSource": "data",
    "Dataset": "data",
    "EditOptions": "runs.editing",
    "Flag": "schema",
    "LabelDistribution": "schema",
    "Model": "models",
    "Rng": "rng",
    "Run": "runs.run",
    "Samples": "runs.samples",
    "Schema": "schema",
    "Splits": "data",
    "build": "models",
    "distill": "runs.train",
    "load": "data",
    "open": "api",
    "open_generator": "runs.addresses",
    "parse_requests": "requests",
    "presets": "presets",
    "resume": "runs.resume",
    "save_samples": "runs.samples",
    "serve": "serving.background",
    "settings": "runs.settings",
    "stream": "data",
    "studio": "studio.notebook",
    "train": "runs.train",
    "verify": "verify",
}

__all__ = [
    "Categorical",
    "Client",
    "Condition",
    "Continuous",
    "DataSource",
    "Dataset",
    "EditOptions",
    "Flag",
    "LabelDistribution",
    "Model",
    "Rng",
    "Run",
    "Samples",
    "Schema",
    "Splits",
    "augment",
    "build",
    "compare",
    "datasets",
    "distill",
    "doctor",
    "evaluate",
    "gallery",
    "generate",
    "inspect",
    "load",
    "open",
    "open_generator",
    "parse_requests",
    "presets",
    "resume",
    "save_samples",
    "serve",
    "settings",
    "stream",
    "studio",
    "train",
    "verify",
]

if "ipykernel" in sys.modules:
    from condgen.progress import foreign

    foreign.settle()

__getattr__ = on_first_use(__name__, _HOME)
__dir__ = listing(__all__)
