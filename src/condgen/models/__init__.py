"""The families of models, by name."""

from collections.abc import Callable
from typing import Any

from condgen.errors import unknown
from condgen.models import base
from condgen.models.base import Model
from condgen.models.vae import VAE, Autoencoder, autoencoder, cvae, vae
from condgen.schema import Schema

MODELS: dict[str, Callable[..., Model]] = {"autoencoder": autoencoder, "vae": vae, "cvae": cvae}


def build(name: str, schema: Schema, shape: tuple[int, ...], **arguments: Any) -> Model:
    """A new model by name, for observations of this shape and attributes of this schema.

    Raises RequestError for an unknown model or argument (with the nearest valid ones) and for combinations that cannot
    work.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return base.build(MODELS, name, schema, shape, **arguments)


__all__ = ["MODELS", "VAE", "Autoencoder", "Model", "autoencoder", "build", "cvae", "vae"]
