"""The latent space of a model that encodes: what of the condition is in it, how much of it is used, and in what order.

All numbers are about posterior means, encoded under each observation's own condition.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from condgen.data import Dataset
from condgen.models.gaussian import DiagonalGaussian
from condgen.models.priors import GaussianPrior
from condgen.models.vae import VAE, Autoencoder
from condgen.schema import Condition

Latents = Float[Tensor, "n latent"]
Codes = Shaped[Tensor, " n"]


@dataclass(frozen=True)
class LatentReport:
    """What the latents of held-out observations are like.

    z:              posterior means, [n, latent].
    noise:          the same with the prior taken out, [n, latent]: what is left to encode when the condition is known.
    probe:          share of labels that a linear classifier reads off z, from 1/values (none) to 1.
    overlap:        of the labels in z, from 0 (separate) to 1 (mixed as if by chance).
    noise_probe, noise_overlap: the same of `noise`; equal where the prior does not depend on the condition.
    kl:             per dimension in nats, [latent]; None for a model without a KL per dimension.
    active:         dimensions of `noise` that vary with x.
    scale:          standard deviation of z, the root of its mean over dimensions squared.
    """

    z: Latents
    noise: Latents
    probe: float
    overlap: float
    noise_probe: float
    noise_overlap: float
    kl: Float[Tensor, " latent"] | None
    active: int
    scale: float


def latent_report(model: VAE | Autoencoder, train: Dataset, test: Dataset, attribute: str) -> LatentReport:
    """Every number of this file for a model and one attribute with named values; probes are fitted on `train`.

    All attributes that the model is conditioned on must be given for every observation.
    """
    seen, z = posterior(model, train).mean, posterior(model, test).mean
    seen_noise, noise = without_prior(model, seen, train.condition), without_prior(model, z, test.condition)
    seen_codes, codes = train.condition.values[attribute], test.condition.values[attribute]
    return LatentReport(
        z=z,
        noise=noise,
        probe=linear_probe(seen, seen_codes, z, codes),
        overlap=class_overlap(z, codes),
        noise_probe=linear_probe(seen_noise, seen_codes, noise, codes),
        noise_overlap=class_overlap(noise, codes),
        kl=kl_per_dimension(model, test),
        active=active_units(noise),
        scale=_scale(z),
    )


@torch.inference_mode()
def posterior(model: VAE | Autoencoder, data: Dataset, batch: int = 500) -> DiagonalGaussian:
    """q(z|x,c) of every observation under its own condition, [n, latent], on the CPU."""
    parts = [
        model.encode(x.to(model.device), data.condition[k * batch : (k + 1) * batch].to(model.device))
        for k, x in enumerate(data.floats.split(batch))
    ]
    mean, log_variance = (torch.cat([getattr(p, key) for p in parts]).cpu() for key in ("mean", "log_variance"))
    return DiagonalGaussian(mean, log_variance)


@torch.inference_mode()
def without_prior(model: VAE | Autoencoder, z: Latents, condition: Condition) -> Latents:
    """Latents as noise of the prior under their conditions: what c says about z is taken out. z itself without one."""
    if not isinstance(model, VAE):
        return z
    c = model.condition_encoder(condition.to(model.device))
    return model.prior.to_noise(z.to(model.device), c).cpu()


@torch.inference_mode()
def kl_per_dimension(model: VAE | Autoencoder, data: Dataset) -> Float[Tensor, " latent"] | None:
    """KL(q(z_i|x,c) ‖ p(z_i|c)) in nats, averaged over the data; their sum is the KL term of the bound.

    None where there is none: for an autoencoder, and for priors whose dimensions depend on each other.
    """
    if not isinstance(model, VAE) or not isinstance(model.prior, GaussianPrior):
        return None
    prior = model.prior.gaussian(model.condition_encoder(data.condition.to(model.device)))
    return posterior(model, data).kl(DiagonalGaussian(prior.mean.cpu(), prior.log_variance.cpu())).mean(0)


def active_units(mean: Latents, threshold: float = 0.01) -> int:
    """How many latent dimensions vary with x: Var_x E_q[z_i] > threshold (Burda et al. 2016, section 5.2).

    With a prior per condition give it the means without the prior: a mean that moves with c alone says nothing about x.
    """
    return int((mean.var(0) > threshold).sum())


def linear_probe(
    train: Latents, train_codes: Codes, test: Float[Tensor, "m latent"], test_codes: Shaped[Tensor, " m"]
) -> float:
    """Share of test labels that logistic regression, fitted on training latents, predicts.

    A lower bound of what is in z: what no plane separates goes unseen, which `class_overlap` is there to show.

    Latents are centred and divided by one number, their overall scale, so that the penalty means the same for every
    model. Not by one per dimension: that would blow up dimensions which the posterior's noise has long drowned.
    """
    from sklearn.linear_model import LogisticRegression

    centre, scale = train.mean(0), _scale(train)
    classifier = LogisticRegression(max_iter=5_000)
    classifier.fit(((train - centre) / scale).numpy(), train_codes.numpy())
    return float(classifier.score(((test - centre) / scale).numpy(), test_codes.numpy()))


def class_overlap(z: Latents, codes: Codes, neighbours: int = 10) -> float:
    """How mixed the labels are: 0 where every neighbourhood has one label, 1 where labels lie as if shuffled.

    The share of other labels among each latent's nearest neighbours, divided by their share among all other latents.
    It assumes no shape of the classes, unlike overlaps of fitted Gaussians, whose coefficients also fall towards 0 with
    every dimension; and only ranks of distances count, so latents of any scale compare.
    """
    nearest = _nearest(z, neighbours)
    differ = codes[nearest] != codes[:, None]
    others = (codes[:, None] != codes).sum() / (len(codes) * (len(codes) - 1))
    return float(differ.float().mean() / others)


def _nearest(z: Latents, neighbours: int) -> Int[Tensor, "n neighbour"]:
    """Indices of each latent's nearest others, by Euclidean distance."""
    from sklearn.neighbors import NearestNeighbors

    return torch.from_numpy(NearestNeighbors(n_neighbors=neighbours).fit(z.numpy()).kneighbors()[1])


def _scale(z: Latents) -> float:
    return float(z.var(0).mean().sqrt())
