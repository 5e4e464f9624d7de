"""The parts of the page that a model has, beside asking. Each is answered without loading anything."""

from collections.abc import Callable, Mapping

from condgen.studio.insight import contrasts, encodes, interpolates
from condgen.studio.material import Material, folder_of, without_labels

FEATURES: Mapping[str, Callable[[Material], bool]] = {
    "dataset": lambda material: True,
    "judge": lambda material: material.images and material.judged and not material.missing,
    "nearest": lambda material: material.images and not material.missing,
    "interpolate": interpolates,
    "latents": encodes,
    "film": contrasts,
    "report": lambda material: folder_of(material.generator) is not None,
    "evaluate": lambda material: folder_of(material.generator) is not None and not without_labels(material.generator),
}


def features(material: Material) -> list[str]:
    """The names of the parts that a model has."""
    return [name for name, has in FEATURES.items() if has(material)]
