"""The part that each FiLM layer of a run has in two samples."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import Model
from condgen.models.modulation import Exchanged, Modulation, Silent, Watching, film_layers, replaced
from condgen.requests.request import Request
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.runs.sampling import Part


@dataclass(frozen=True)
class LayerPart:
    """A layer's modulation of two samples, and the samples without it. Each tensor holds one entry per sample.

    silent: the samples with γ = 0 and β = 0 in this layer.
    exchanged: each sample with the other's γ and β in this layer.
    """

    modulation: Modulation
    silent: Float[Tensor, "2 ..."]
    exchanged: Float[Tensor, "2 ..."]


@dataclass(frozen=True)
class LayerByLayer:
    """Two samples of one noise, and the part that each layer has in them."""

    samples: Samples
    layers: Sequence[LayerPart]


def layer_by_layer(run: Run, one: Request, other: Request, seed: int = 0) -> LayerByLayer:
    """The samples of two requests with one seed, with the modulation of one layer after the other replaced.

    Raises RequestError for a model without FiLM.
    """
    must_modulate(run)
    watching = Watching(run.model)
    samples = _with(run, watching.model).together([Part(each, range(seed, seed + 1)) for each in (one, other)])

    def again(model: Model) -> Tensor:
        return _with(run, model).answer(samples.condition, samples.seeds)

    layers = [
        LayerPart(each, again(replaced(run.model, each.name, Silent)), again(replaced(run.model, each.name, Exchanged)))
        for each in watching.modulations
    ]
    return LayerByLayer(samples, layers)


def must_modulate(run: Run) -> None:
    """Raise RequestError for a model without layers that have γ and β."""
    if not film_layers(run.model):
        raise RequestError(
            'Only the mechanisms "film" and "norm" have γ and β; this run uses another one. Train one with '
            '`mechanism="film"`.'
        )


def _with(run: Run, model: Model) -> Run:
    twin = copy.copy(run)
    twin.model = model
    return twin
