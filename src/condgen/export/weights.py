"""Export of weights: the one small file that sampling needs, which opens as a run."""

from dataclasses import replace
from pathlib import Path

from condgen.runs.exporting import Exporter
from condgen.runs.run import Run
from condgen.schema.stored import stored
from condgen.training import checkpoint
from condgen.training.checkpoint import WEIGHTS_ALONE, Info

PLACES = ("source", "data_dir", "teacher")  # places on the machine that trained, which stay private


def write(run: Run, path: Path) -> None:
    """Write averaged weights, schema, label distribution and recipe. Raises RunError if the file cannot be written."""
    tensors = {
        **checkpoint.prefixed("ema", run.model.state_dict()),
        **checkpoint.prefixed("joint", stored(run.joint)),
    }
    checkpoint.save(path, _header(run.info), tensors)


def _header(info: Info) -> Info:
    """The header without the settings, the time and the places of training."""
    data = {name: value for name, value in info.data.items() if name not in PLACES}
    return replace(info, training={}, data=data, spent={}, plan=[], holds=WEIGHTS_ALONE)


WEIGHTS = Exporter("averaged weights, schema, label distribution and recipe, in one file", ".safetensors", write)
