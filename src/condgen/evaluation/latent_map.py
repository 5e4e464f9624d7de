"""A map of the latent space: held-out observations in two dimensions, encoded with and without their conditions.

A VAE's latent has to tell which class an observation is of, so classes form clusters. A CVAE is told the class, so its
latent need not hold it, and classes overlap. If the encoder is told nothing, or the same for all, the clusters return.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from condgen.data import Dataset
from condgen.evaluation.metrics.latents import MIN_HELD_OUT, class_overlap, linear_probe, posterior
from condgen.models import Model
from condgen.schema import Attribute, Condition, LabelDistribution

Latents = Float[Tensor, "n latent"]
Codes = Shaped[Tensor, "n ..."]


@dataclass(frozen=True)
class LatentMap:
    """Latents of held-out observations, and what they tell of one attribute.

    points: the latents on two axes, [n, 2].
    codes: the attribute's code of each, [n, ...].
    reads: the attribute as a linear reader tells it from the latents, on other data than it was fitted to: the share of
        right values, or the share of the variance of numbers (0 if it does no better than the mean).
    chance: the same for a reader without the latents.
    overlap: of values, from 0 (separate) to 1 (mixed). None for numbers, for a single value, and for too few
        observations.
    """

    points: Float[Tensor, "n 2"]
    codes: Codes
    reads: float
    chance: float
    overlap: float | None


@dataclass(frozen=True)
class Encoding:
    """Latents of training and of held-out observations, under conditions of one kind."""

    train: Float[Tensor, "m latent"]
    test: Float[Tensor, "n latent"]


def encodings(model: Model, joint: LabelDistribution, train: Dataset, test: Dataset) -> Mapping[str, Encoding]:
    """The posterior means of observations: `told` their own conditions and, if the model takes any, `untold`.

    The observations' conditions must be complete where the model needs it. Raises RequestError for a model that cannot
    encode.
    """

    def encoded(conditions: list[Condition]) -> Encoding:
        parts = [Dataset(d.observations, c) for d, c in zip((train, test), conditions, strict=True)]
        return Encoding(*(posterior(model, part).mean for part in parts))

    found = {"told": encoded([train.condition, test.condition])}
    if model.conditional:
        found["untold"] = encoded([untold(model, joint, len(part)) for part in (train, test)])
    return found


def untold(model: Model, joint: LabelDistribution, n: int) -> Condition:
    """n conditions that tell nothing: free if the model has learned nulls, otherwise the most frequent one for all."""
    if model.handles_missing:
        return Condition.free(joint.schema, n)
    return joint.rows[joint.counts.argmax()[None]].repeat(n)


def latent_map(
    encoding: Encoding, attribute: Attribute, train: Condition, test: Condition, telling: bool = False
) -> LatentMap:
    """The map of encoded observations whose value of the attribute is known. The conditions are their own.

    telling: the axes are those that tell its values apart best on training data (linear discriminant analysis). By
        default, and for fewer than three known values, they are the principal axes of the held-out latents.
    """
    name, named = attribute.name, bool(attribute.choices)
    seen, known = train.given(name), test.given(name)
    z_train, train_codes = encoding.train[seen], _targets(attribute, train.values[name][seen])
    z, codes = encoding.test[known], _targets(attribute, test.values[name][known])
    discriminant = telling and named and len(train_codes.unique()) > 2
    several = named and len(codes.unique()) > 1
    return LatentMap(
        points=_discriminant(z_train, train_codes, z) if discriminant else _principal(z),
        codes=test.values[name][known],
        reads=(linear_probe if named else _linear_fit)(z_train, train_codes, z, codes),
        chance=float((codes == train_codes.mode().values).float().mean()) if named else 0.0,
        overlap=class_overlap(z, codes) if several and len(z) >= MIN_HELD_OUT else None,
    )


def _principal(z: Latents) -> Float[Tensor, "n 2"]:
    from sklearn.decomposition import PCA

    return torch.from_numpy(PCA(2, random_state=0).fit_transform(z.numpy())).float()


def _discriminant(train: Float[Tensor, "m latent"], codes: Shaped[Tensor, " m"], z: Latents) -> Float[Tensor, "n 2"]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    axes = LinearDiscriminantAnalysis(n_components=2).fit(train.numpy(), codes.numpy())
    return torch.from_numpy(axes.transform(z.numpy())).float()


def _targets(attribute: Attribute, codes: Codes) -> Codes:
    """The numbers that a reader tells: the codes of named values, made certain, and the plain encoding of others."""
    return attribute.hard(codes) if attribute.choices else attribute.encode(codes)


def _linear_fit(
    train: Float[Tensor, "m latent"], numbers: Shaped[Tensor, "m ..."], test: Latents, asked: Codes
) -> float:
    """Share of the variance of numbers that ridge regression, fitted on training latents, tells on others."""
    from sklearn.linear_model import RidgeCV

    reader = RidgeCV(alphas=[0.1, 1, 10, 100]).fit(train.numpy(), numbers.numpy())
    return max(0.0, float(reader.score(test.numpy(), asked.numpy())))
