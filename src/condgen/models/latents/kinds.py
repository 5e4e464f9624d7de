"""The kinds of codecs, by the names in recipes: condgen's own, and those that others trained."""

from collections.abc import Mapping
from typing import Any

from condgen.errors import RequestError, shorten
from condgen.models.frozen import FROZEN
from condgen.models.latents.codec import Codec, SpatialCodec
from condgen.models.latents.published import KINDS, PublishedCodec
from condgen.parameters import validated

MOST = 1_000  # channels of images


def rebuilt(recipe: Mapping[str, Any]) -> Codec:
    """The codec of a recipe, with new weights.

    Raises RequestError for one that makes no sense, and MissingExtraError without the package that it needs.
    """
    kind, images = str(recipe.get("kind")), recipe.get("images")
    if kind == "spatial" and isinstance(images, int) and 1 <= images <= MOST:
        codec = SpatialCodec(images, **validated(SpatialCodec, recipe.get("arguments") or {}))
        features: Any = str(recipe.get("features"))
        return codec.learned_by(features if features in FROZEN else None)
    if kind not in KINDS:
        raise RequestError(f"This version of condgen knows no codec of the kind {shorten(kind, 80)}.")
    try:
        return PublishedCodec(kind, recipe.get("config") or {})
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RequestError(f"The codec {kind} of this recipe cannot be built: {shorten(str(error), 200)}.") from None
