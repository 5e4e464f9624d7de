"""Autoencoders by name, each with its encoder, decoder, prior and likelihood."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from torch import nn

from condgen.conditioning import EmbeddingEncoder, EmptyEncoder, MechanismName
from condgen.models.backbones import (
    Additive,
    Backbones,
    ConditionDropout,
    EnteringBy,
    LatentSize,
    OptionalEmbedding,
    Outputs,
    Size,
    Weight,
    condition_encoder,
)
from condgen.models.flow.guidance import Guidance, GuidanceWeight
from condgen.models.registry import Family
from condgen.models.vae.likelihoods import LIKELIHOODS, Likelihood, LikelihoodName
from condgen.models.vae.perceptual import PerceptualWeights
from condgen.models.vae.priors import OF_FLOW, PRIORS, ConditionalFlow, PriorName
from condgen.models.vae.vae import VAE, Autoencoder, ConditionalVAE, GuidedLatentFlow, LatentFlow
from condgen.parameters import Needs, Part, Setting, composed
from condgen.schema import Schema

Beta = Annotated[
    Weight,
    Setting("Weight of the KL term. Above 1 the latent carries less information, below 1 more.", part="likelihood"),
]
LEARNED_NULL = Needs(embedding=64)


@dataclass(frozen=True)
class Entrances:
    """The ways in which the condition enters the encoder and the decoder: the same, unless one has its own."""

    mechanism: Annotated[EnteringBy, Needs(encoder_mechanism=None, decoder_mechanism=None)] = "film"
    encoder_mechanism: Annotated[
        MechanismName | None,
        Setting("Another way into the encoder. none keeps the condition out.", part="condition"),
    ] = None
    decoder_mechanism: Annotated[
        MechanismName | None,
        Setting("Another way into the decoder. none keeps the condition out.", part="condition"),
    ] = None

    @property
    def encoder(self) -> str:
        """The way into the encoder."""
        return self.encoder_mechanism or self.mechanism

    def decoder(self, prior: str) -> str:
        """The way into the decoder. Raises ValueError if neither the decoder nor the prior would see the condition."""
        found = self.decoder_mechanism or self.mechanism
        if found == "none" and not PRIORS[prior].conditional:
            raise ValueError(
                "neither its decoder nor its prior would see the condition, so requests could not be obeyed; choose a "
                "mechanism for the decoder or a prior per condition, or use the model vae"
            )
        return found


@composed()
def autoencoder(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    latent: LatentSize = 12,
    size: Size,
    outputs: Outputs = "pixels",
    likelihood: LikelihoodName = None,
) -> Autoencoder:
    """A plain autoencoder, which ignores the schema."""
    parts = Backbones(shape, 0, size)
    score = _likelihood(likelihood, shape, parts.finish(outputs))
    return Autoencoder(
        schema,
        shape,
        encoder=parts.encoder("none", latent),
        decoder=parts.decoder("none", latent, score.per_value, outputs),
        likelihood=score,
        latent=latent,
    )


@composed()
def vae(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    latent: LatentSize = 12,
    size: Size,
    outputs: Outputs = "pixels",
    likelihood: LikelihoodName = None,
    beta: Beta = 1.0,
) -> VAE:
    """A β-VAE, which ignores the schema."""
    parts = Backbones(shape, 0, size)
    score = _likelihood(likelihood, shape, parts.finish(outputs))
    return VAE(
        schema,
        shape,
        condition_encoder=EmptyEncoder(schema),
        encoder=parts.encoder("none", 2 * latent),
        decoder=parts.decoder("none", latent, score.per_value, outputs),
        prior=PRIORS["standard"](latent, 0),
        likelihood=score,
        beta=beta,
    )


@composed()
def cvae(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    entering: Entrances,
    embedding: OptionalEmbedding = 0,
    additive: Annotated[Additive, Needs(embedding=64, prior="flow")] = False,
    condition_dropout: Annotated[ConditionDropout, LEARNED_NULL] = 0.1,
    latent: LatentSize = 12,
    size: Size,
    outputs: Outputs = "pixels",
    likelihood: LikelihoodName = None,
    beta: Beta = 1.0,
    prior: PriorName = "standard",
    flow: Annotated[Callable[..., ConditionalFlow], Part(ConditionalFlow)],
    guidance: Annotated[GuidanceWeight, OF_FLOW, LEARNED_NULL] = 1.0,
    realism: PerceptualWeights,
) -> VAE:
    """A conditional β-VAE: encodes, edits and samples in one pass."""
    encoder = condition_encoder(schema, embedding, additive)
    parts = Backbones(shape, encoder.width, size)
    score = _likelihood(likelihood, shape, parts.finish(outputs))
    latents = partial(flow, additive=additive) if prior == "flow" else PRIORS[prior]
    others: dict[str, Any] = {
        "encoder": parts.encoder(entering.encoder, 2 * latent),
        "decoder": parts.decoder(entering.decoder(prior), latent, score.per_value, outputs),
        "likelihood": score,
        "beta": beta,
        "realism": realism.loss(shape, size.channels),
        "condition_dropout": condition_dropout if embedding else 0.0,
    }
    of_latents = latents(latent, encoder.width)
    if isinstance(of_latents, ConditionalFlow) and isinstance(encoder, EmbeddingEncoder):
        return GuidedLatentFlow(
            schema, shape, condition_encoder=encoder, prior=of_latents, guidance=Guidance(guidance), **others
        )
    kind: Callable[..., VAE] = LatentFlow if isinstance(of_latents, ConditionalFlow) else ConditionalVAE
    return kind(schema, shape, condition_encoder=encoder, prior=of_latents, **others)


def _likelihood(name: LikelihoodName, shape: tuple[int, ...], finish: nn.Module) -> Likelihood:
    name = name or ("bernoulli" if len(shape) == 3 else "gaussian")
    if len(shape) == 1 and name != "gaussian":
        raise ValueError(f"the likelihood {name} is for values in [0, 1], such as images; vectors need gaussian")
    return LIKELIHOODS[name](shape, finish)


AUTOENCODER = Family(autoencoder)
PLAIN_VAE = Family(vae)
CVAE = Family(cvae, variants=({"embedding": 64}, {"prior": "flow", "embedding": 64}))
