"""The families of models, by name."""

from collections.abc import Callable, Mapping
from typing import Any

from condgen.errors import unknown
from condgen.models import base
from condgen.models.base import Model
from condgen.models.flow.flow import Flow, flow
from condgen.models.flow.meanflow import MeanFlow, meanflow
from condgen.models.gan.builders import acgan, adcgan, cgan, gan, projection, reacgan, tacgan
from condgen.models.gan.gan import GAN
from condgen.models.gan.infogan import InfoGAN, infogan
from condgen.models.vae.builders import autoencoder, cvae, vae
from condgen.models.vae.vae import VAE, Autoencoder
from condgen.parameters import used
from condgen.schema import Schema

MODELS: dict[str, Callable[..., Model]] = {
    "autoencoder": autoencoder,
    "vae": vae,
    "cvae": cvae,
    "gan": gan,
    "cgan": cgan,
    "acgan": acgan,
    "tacgan": tacgan,
    "adcgan": adcgan,
    "reacgan": reacgan,
    "projection": projection,
    "infogan": infogan,
    "flow": flow,
    "meanflow": meanflow,
}

# How a family likes to be trained where that differs from the defaults of Training; options win over it.
ADVERSARIAL = {"lr": 4e-3, "momentum": 0.0, "weight_decay": 0.0, "clip": 10.0}
TRANSPORT = {"lr": 3e-3, "weight_decay": 0.0}
OWN: dict[str, dict[str, Any]] = {
    "autoencoder": {},
    "vae": {},
    "cvae": {},
    "flow": TRANSPORT,
    "meanflow": TRANSPORT | {"lr": 2e-3},
}
TRAINING: dict[str, dict[str, Any]] = {name: OWN.get(name, ADVERSARIAL) for name in MODELS}


def build(name: str, schema: Schema, shape: tuple[int, ...], **arguments: Any) -> Model:
    """A new model by name, for observations of this shape and attributes of this schema.

    Raises RequestError for an unknown model or argument (with the nearest valid ones) and for combinations that cannot
    work.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return base.build(MODELS, name, schema, shape, **arguments)


def counting(recipe: Mapping[str, Any], schema: Schema, shape: tuple[int, ...]) -> dict[str, Any]:
    """All arguments of a recipe that count, defaults included. Those of earlier versions name some that do not."""
    return used(MODELS[recipe["model"]], recipe["arguments"], (schema, shape), strict=False)


def rebuild(recipe: Mapping[str, Any], schema: Schema, shape: tuple[int, ...]) -> Model:
    """The model of a recipe, its weights new."""
    return build(recipe["model"], schema, shape, **counting(recipe, schema, shape))


__all__ = [
    "GAN",
    "MODELS",
    "TRAINING",
    "VAE",
    "Autoencoder",
    "Flow",
    "InfoGAN",
    "MeanFlow",
    "Model",
    "build",
    "counting",
    "rebuild",
]
