"""Variational autoencoders, unconditional and conditional, and the plain autoencoder for comparison.

Kingma & Welling 2014 (VAE), Sohn et al. 2015 (CVAE), Higgins et al. 2017 (β), Burda et al. 2016 (importance weighting).
The encoder is q(z|x,c), the decoder p(x|z,c), and the prior p(z|c). Any of them ignores c with the mechanism `none`.
"""

import math
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import ConditionEncoder, EmbeddingEncoder, EmptyEncoder, Encoded
from condgen.feature_networks import FeatureNetwork
from condgen.gaussian import DiagonalGaussian, soft_clamp
from condgen.models import together
from condgen.models.base import Batch, Model, Terms
from condgen.models.flow.dropout import dropped
from condgen.models.flow.guidance import PLAIN, Guidance
from condgen.models.flow.integration import IntegratesGuided, InvertsIntegration
from condgen.models.flow.paths import Time
from condgen.models.specialised import Computes, Folded, Under, one
from condgen.models.through_noise import ThroughNoise
from condgen.models.vae.likelihoods import Likelihood
from condgen.models.vae.perceptual import PerceptualLoss
from condgen.models.vae.priors import ConditionalFlow, Prior
from condgen.rng import Rng
from condgen.schema import Condition, Schema

Latent = Float[Tensor, "batch latent"]
LOG_VARIANCE = (-12.0, 3.0)  # bounds of the posterior's log-variance


class VAE(Model):
    """An encoder, a decoder, a prior, a likelihood and the weight β of the KL term. Its parts make it conditional or
    not.

    encoder(x, c) returns [batch, 2 · latent], and decoder(z, c) the likelihood's raw outputs. With `condition_dropout`,
    the loss leaves each attribute of each sample free with that probability, which trains the learned nulls.
    """

    lossless = False
    one_step = True

    def __init__(
        self,
        schema: Schema,
        shape: tuple[int, ...],
        *,
        condition_encoder: ConditionEncoder,
        encoder: nn.Module,
        decoder: nn.Module,
        prior: Prior,
        likelihood: Likelihood,
        beta: float = 1.0,
        condition_dropout: float = 0.0,
        realism: PerceptualLoss | None = None,
    ):
        super().__init__(schema, shape)
        self.conditional = condition_encoder.conditional
        self.handles_missing = condition_encoder.handles_missing
        self.condition_encoder = condition_encoder
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior
        self.likelihood = likelihood
        self.beta = beta
        self.condition_dropout = condition_dropout
        self.realism = realism

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """The networks of a perceptual or adversarial loss, if there is one."""
        return self.realism.trained_against if self.realism else ()

    def players(self) -> dict[str, list[nn.Parameter]]:
        """The model and, if there is an adversarial term, the critic."""
        if self.realism is None:
            return super().players()
        critic = list(self.realism.parameters())
        others = {id(p) for p in critic}
        model = {"model": [p for p in self.parameters() if id(p) not in others]}
        return model | ({"critic": critic} if self.realism.adversarial else {})

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """The negative evidence lower bound, −E_q log p(x|z,c) + β KL(q(z|x,c) ‖ p(z|c)), with terms in nats.

        The minimised `loss` is divided by the number of values in x, which changes the step size only. The perceptual
        loss and the prior's own loss are added.
        """
        if self.training:
            condition = dropped(condition, self.condition_dropout)
        if player == "critic":
            return self._critic_loss(x, condition)
        c = self.condition_encoder(condition)
        posterior = self.posterior(x, c)
        z = posterior.at(together.randn_like(posterior.mean))
        raw = self.decoder(z, c).float()  # a narrow density is steep, and half precision is coarse
        reconstruction = -self.likelihood.log_prob(x, raw).mean()
        kl = self.prior.kl(posterior, z, c).mean()
        error, regulariser = (term / math.prod(self.shape) for term in (reconstruction, self.beta * kl))
        terms = {"reconstruction": reconstruction, "kl": kl, "nats": reconstruction + kl}
        loss = error + regulariser
        if self.realism:
            more = self.realism(x, self.likelihood.expected(raw), error, raw)
            loss = loss + more.pop("loss")
            terms |= more
        extra_loss = self.prior.extra_loss(z.detach(), c)
        return {"loss": loss + sum(extra_loss.values()), **terms, **extra_loss}

    def _critic_loss(self, x: Batch, condition: Condition) -> Terms:
        """The loss of the critic of patches on observations and their reconstructions from z ~ q(z|x,c)."""
        assert self.realism is not None
        if not self.realism.learns:
            return self.realism.idle(x)
        with torch.no_grad():
            c = self.condition_encoder(condition)
            posterior = self.posterior(x, c)
            y = self.likelihood.expected(self.decoder(posterior.at(together.randn_like(posterior.mean)), c))
        return self.realism.critic_loss(x, y)

    def posterior(self, x: Batch, c: Encoded) -> DiagonalGaussian:
        """q(z|x,c), with a bounded variance. In full precision, since KL terms are differences of large numbers."""
        mean, log_variance = self.encoder(x, c).float().chunk(2, dim=1)
        return DiagonalGaussian(mean, soft_clamp(log_variance, *LOG_VARIANCE))

    def encode(self, x: Batch, condition: Condition) -> DiagonalGaussian:
        """q(z|x,c), [batch, latent]."""
        return self.posterior(x, self.condition_encoder(condition))

    def decode(self, z: Latent, condition: Condition) -> Batch:
        """The expected observation for latents under conditions, [batch, *shape]."""
        return self.likelihood.mean(self.decoder(z, self.condition_encoder(condition)))

    def reconstruct(self, x: Batch, condition: Condition) -> Batch:
        """x encoded and decoded under its own condition, through the posterior's mean."""
        return self.decode(self.encode(x, condition).mean, condition)

    def sample(self, condition: Condition, rng: Rng) -> Batch:
        """z ~ p(z|c), then p(x|z,c): its mean for images, whose pixel noise is no content, and a draw for vectors."""
        c = self.condition_encoder(condition)
        z = self.prior.from_noise(rng.normal(self.prior.latent, device=self.device), c)
        return self._observed(self.decoder(z, c), rng)

    def _observed(self, raw: Batch, rng: Rng) -> Batch:
        return self.likelihood.mean(raw) if len(self.shape) == 3 else self.likelihood.draw(raw, rng)

    @torch.no_grad()
    def specialise(self, condition: Condition) -> nn.Module:
        """An ordinary network from the prior's noise [batch, latent] to expected observations under one condition."""
        c = self.condition_encoder(one(condition).to(self.device))
        prior, likelihood = deepcopy(self.prior), deepcopy(self.likelihood)
        return nn.Sequential(
            Under(prior, prior.from_noise, c),
            Folded(self.decoder, c, self.prior.latent),
            Computes(likelihood.mean, likelihood),
        ).requires_grad_(False)

    def log_likelihood(
        self, x: Batch, condition: Condition, samples: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """The importance-weighted lower bound of log p(x|c) in nats (Burda et al. 2016, eq. 8), per observation.

        One sample gives the evidence lower bound. The bound rises with `samples` towards the likelihood itself. With a
        flow as prior of more than 64 latents it is an estimate and no bound, since the density of such a prior is one.
        """
        c = self.condition_encoder(condition)
        posterior = self.posterior(x, c)
        weights = [self._log_weight(x, c, posterior, generator) for _ in range(samples)]
        return torch.stack(weights).logsumexp(0) - math.log(samples)

    def _log_weight(
        self, x: Batch, c: Encoded, posterior: DiagonalGaussian, generator: torch.Generator | None
    ) -> Float[Tensor, " batch"]:
        """log p(x|z,c) + log p(z|c) − log q(z|x,c) at one z ~ q."""
        noise = torch.empty_like(posterior.mean).normal_(generator=generator)
        z = posterior.at(noise)
        prior = self.prior.log_prob(z, c, generator)
        return self.likelihood.log_prob(x, self.decoder(z, c)) + prior - posterior.log_prob(z)


class ConditionalVAE(ThroughNoise, VAE):
    """A VAE that takes the condition, so that an observation can be shown under another one.

    Raises ValueError for an encoder of conditions without output.
    """

    def __init__(self, schema: Schema, shape: tuple[int, ...], *, condition_encoder: ConditionEncoder, **parts: Any):
        if not condition_encoder.conditional:
            raise ValueError("its encoder of conditions says nothing, so there is nothing to edit; use VAE")
        super().__init__(schema, shape, condition_encoder=condition_encoder, **parts)

    def to_noise(self, x: Batch, c: Encoded) -> Latent:
        """The posterior mean as noise of the prior, so a prior with a Gaussian per condition moves along in edits."""
        return self.prior.to_noise(self.posterior(x, c).mean, c)

    def from_noise(self, noise: Latent, c: Encoded) -> Batch:
        """The expected observation, [batch, *shape], for the prior's noise under a condition."""
        return self.likelihood.mean(self.decoder(self.prior.from_noise(noise, c), c))


class LatentFlow(InvertsIntegration, ConditionalVAE):
    """A VAE with a flow as its prior: one small integration and a decoding."""

    one_step = False
    sampler = "heun"
    prior: ConditionalFlow

    def __init__(self, schema: Schema, shape: tuple[int, ...], *, prior: ConditionalFlow, **parts: Any):
        super().__init__(schema, shape, prior=prior, **parts)
        self.path = prior.transport.path
        self.steps = prior.steps

    def velocity(self, x: Latent, t: Time, c: Encoded) -> Latent:
        """dx/dt at x_t = x, in standardised latents."""
        return self.prior.transport.velocity(x, t, c)

    def start(self, rng: Rng) -> Latent:
        """Noise of the latent's size."""
        return rng.normal(self.prior.latent, device=self.device)

    def observed(self, x: Latent, c: Encoded, rng: Rng) -> Batch:
        """p(x|z,c): its mean for images, a draw for vectors."""
        return self._observed(self.decoder(self.prior.transport.standardise.inverse(x), c), rng)

    def standardised(self, x: Batch, c: Encoded) -> Latent:
        """The standardised posterior mean of observations."""
        return self.prior.transport.standardise(self.posterior(x, c).mean)

    def shown(self, x: Latent, c: Encoded) -> Batch:
        """The expected observation for standardised latents."""
        return self.likelihood.mean(self.decoder(self.prior.transport.standardise.inverse(x), c))


class GuidedLatentFlow(IntegratesGuided, LatentFlow):
    """A VAE with a guided flow as its prior. It comes near a flow's quality at a fraction of the cost.

    Guidance contrasts the request with an empty one, so the encoder of conditions has learned nulls.
    """

    def __init__(
        self,
        schema: Schema,
        shape: tuple[int, ...],
        *,
        condition_encoder: EmbeddingEncoder,
        prior: ConditionalFlow,
        guidance: Guidance = PLAIN,
        **parts: Any,
    ):
        super().__init__(schema, shape, condition_encoder=condition_encoder, prior=prior, **parts)
        self.guidance = guidance


class Autoencoder(Model):
    """A plain autoencoder, without prior, KL term or condition. Nothing keeps its latent space in order.

    For sampling, latents are drawn from a Gaussian with the moments of the training latents.
    """

    conditional = False
    handles_missing = True
    one_step = True
    lossless = False
    moments: Tensor

    def __init__(
        self,
        schema: Schema,
        shape: tuple[int, ...],
        *,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        latent: int,
    ):
        super().__init__(schema, shape)
        self.condition_encoder = EmptyEncoder(schema)
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.register_buffer("moments", torch.stack([torch.zeros(latent), torch.ones(latent)]))

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """The reconstruction error −log p(x|z) in nats. The minimised `loss` is divided by the number of values."""
        c = self.condition_encoder(condition)
        z = self.encoder(x, c)
        if self.training:
            seen = z.detach().float()  # mixed precision must not blur the moments
            self.moments.lerp_(together.averaged(torch.stack([seen.mean(0), seen.square().mean(0)])), 0.01)
        reconstruction = -self.likelihood.log_prob(x, self.decoder(z, c)).mean()
        return {"loss": reconstruction / math.prod(self.shape), "reconstruction": reconstruction}

    def encode(self, x: Batch, condition: Condition) -> DiagonalGaussian:
        """The latent of x, as a Gaussian with (almost) no variance: [batch, latent]."""
        z = self.encoder(x, self.condition_encoder(condition))
        return DiagonalGaussian(z, torch.full_like(z, -math.inf))

    def decode(self, z: Latent, condition: Condition) -> Batch:
        """The expected observation for latents, [batch, *shape]."""
        return self.likelihood.mean(self.decoder(z, self.condition_encoder(condition)))

    def reconstruct(self, x: Batch, condition: Condition) -> Batch:
        """x encoded and decoded."""
        return self.decode(self.encode(x, condition).mean, condition)

    def sample(self, condition: Condition, rng: Rng) -> Batch:
        """A latent drawn from a Gaussian with the training latents' moments, decoded."""
        mean, square = self.moments
        scale = (square - mean.square()).clamp(min=1e-8).sqrt()
        raw = self.decoder(mean + scale * rng.normal(len(mean), device=self.device), self.condition_encoder(condition))
        return self.likelihood.mean(raw) if len(self.shape) == 3 else self.likelihood.draw(raw, rng)
