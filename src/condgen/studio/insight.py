"""A model seen from inside, for the page: the directions of its noise, and held-out data on the map of its latents."""

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from condgen.errors import RequestError
from condgen.runs.answering import Answering
from condgen.runs.generator import Generator
from condgen.studio.material import Material

if TYPE_CHECKING:
    from condgen.runs.directions import Directions
    from condgen.studio.latents import EncodedData


class Insight:
    """Findings about the inside of a model, each made when it is first asked for."""

    def __init__(self, material: Material):
        self.material = material
        self._lock = threading.Lock()
        self._encoded: EncodedData | None = None

    @cached_property
    def directions(self) -> "Directions":
        """The directions of the noise. Raises RequestError where it has too many numbers."""
        from condgen.runs.directions import directions

        return directions(answering(self.material.generator))

    def encoded(self) -> "EncodedData":
        """The held-out data, encoded. Raises RequestError without data, and for a model that cannot encode."""
        with self._lock:
            if self._encoded is None:
                self._encoded = self._encode()
            return self._encoded

    def _encode(self) -> "EncodedData":
        generator: Any = self.material.generator
        if not hasattr(_model(generator), "encode"):
            raise RequestError("This model has no latents of data to show. A run of a family that encodes has.")
        if not len(generator.schema):
            raise RequestError("This model has no attributes by which a map of its latents could be coloured.")
        data = self.material.must_have_data()
        from condgen.studio.latents import EncodedData

        return EncodedData(generator, data)


def _model(generator: Generator) -> Any:
    """The generator's model, with layers in a run and without them if it is exported. None on another server."""
    return getattr(generator, "model", None)


def answering(generator: Generator) -> Answering:
    """The generator, if its model is here. Raises RequestError for the model of another server."""
    if not isinstance(generator, Answering):
        raise RequestError("This model is on another server, where only its samples can be asked for.")
    return generator


def interpolates(material: Material) -> bool:
    """Whether there is a way between two samples of the model."""
    try:
        answering(material.generator).must_interpolate()
    except RequestError:
        return False
    return True


def modulates(material: Material) -> bool:
    """Whether the model makes pictures by layers with γ and β, which an exported one does not show."""
    model = _model(material.generator)
    if not hasattr(model, "named_modules") or not material.images:
        return False
    from condgen.models.modulation import film_layers

    return bool(film_layers(model))


def contrasts(material: Material) -> bool:
    """Whether the page can show the layers of the model by two requests: they differ in a value or a number."""
    named = any(a.choices or a.kind == "continuous" for a in material.generator.schema)
    return named and modulates(material)


def must_modulate(material: Material) -> None:
    """Raise RequestError unless the model makes pictures by layers with γ and β."""
    if not modulates(material):
        raise RequestError(
            "This model shows no layers with γ and β. Runs that make images by the mechanism film or norm have them."
        )


def encodes(material: Material) -> bool:
    """Whether there are latents of data to look at."""
    named = len(material.generator.schema) > 0  # by which the map is coloured
    return hasattr(_model(material.generator), "encode") and named and not material.missing
