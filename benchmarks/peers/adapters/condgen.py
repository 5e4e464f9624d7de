"""condgen: what it recommends for the data, or a preset by name. It keeps 20 % of the images for its own report."""

from tempfile import mkdtemp

import torch

import condgen
from condgen.presets import preset as named


def train(images, labels, clock, preset=None):
    columns = labels.T if labels.ndim == 2 else [labels]
    data = condgen.load(images, labels={f"label{k}": column for k, column in enumerate(columns)})
    recipe = {**(named(preset) if preset else {}), "images": None, "seconds": clock.left}
    run = condgen.train(recipe.pop("model", None), data, mkdtemp(), **recipe)
    clock.images = run.info.images
    return run


def sample(run, labels):
    rows = [{f"label{k}": value for k, value in enumerate(row)} for row in labels.reshape(len(labels), -1).tolist()]
    noise = condgen.Rng(torch.randint(2**40, (len(labels),)).tolist())
    return run.model.sample(condgen.Condition.of(run.schema, rows), noise)
