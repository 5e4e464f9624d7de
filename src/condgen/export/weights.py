"""Export of weights: the one small file that sampling needs, which opens as a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from condgen.errors import RequestError
from condgen.models.remedies import TrainedAs
from condgen.runs.exporting import Exporter
from condgen.runs.run import Run
from condgen.schema.stored import stored
from condgen.training import checkpoint
from condgen.training.checkpoint import WEIGHTS_ALONE, Info

PLACES = ("source", "data_dir", "teacher")  # places on the machine that trained, which stay private


def write(run: Run, path: Path, *, deblock: bool = False) -> None:
    """Write averaged weights, schema, label distribution and recipe.

    deblock: images lose what their patches repeat, as with `outputs='deblocked'`, whose training is the same.

    Raises RequestError for a network that does not draw plain pixels, and RunError if the file cannot be written.
    """
    info = replace(run.info, recipe=_deblocked(run)) if deblock else run.info
    tensors = {
        **checkpoint.prefixed("ema", run.model.state_dict()),
        **checkpoint.prefixed("joint", stored(run.joint)),
    }
    checkpoint.save(path, _header(info), tensors)


def _deblocked(run: Run) -> dict[str, Any]:
    """The run's recipe with deblocked outputs, which have the weights of plain pixels."""
    recipe = run.info.recipe
    if TrainedAs.of(recipe).in_effect.get("outputs") != "pixels":
        raise RequestError(f"{run.path} has no outputs of plain pixels to deblock; leave out `deblock`.")
    return {**recipe, "arguments": {**recipe["arguments"], "outputs": "deblocked"}}


def _header(info: Info) -> Info:
    """The header without the settings, the time and the places of training."""
    data = {name: value for name, value in info.data.items() if name not in PLACES}
    return replace(info, training={}, data=data, spent={}, plan=[], holds=WEIGHTS_ALONE)


WEIGHTS = Exporter("averaged weights, schema, label distribution and recipe, in one file", ".safetensors", write)
