"""Autoencoders by name: which encoder, decoder, prior and likelihood each is made of."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from condgen.conditioning import EmptyEncoder
from condgen.models.backbones import Backbones, Count, MechanismName, Weight, condition_encoder
from condgen.models.flow.guidance import Guidance
from condgen.models.vae.likelihoods import LIKELIHOODS, Likelihood
from condgen.models.vae.priors import PRIORS, ConditionalFlow, Prior, StandardNormal
from condgen.models.vae.vae import VAE, Autoencoder, LatentFlow
from condgen.schema import Schema

LikelihoodName = Literal["bernoulli", "gaussian", "laplace", "logistic"]


PriorName = Literal["standard", "gaussian", "gaussian-fixed", "flow"]


def autoencoder(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    likelihood: LikelihoodName | None = None,
    latent: Count = 12,
    channels: Count = 32,
    depth: Count = 1,
) -> Autoencoder:
    """A plain autoencoder; ignores the schema. `likelihood` defaults to bernoulli for images, gaussian for vectors."""
    score = _likelihood(likelihood, shape)
    parts = Backbones(shape, 0, channels, depth)
    return Autoencoder(
        schema,
        shape,
        condition_encoder=EmptyEncoder(schema),
        encoder=parts.encoder("none", latent),
        decoder=parts.decoder("none", latent, score.per_value),
        likelihood=score,
        latent=latent,
    )


def vae(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    likelihood: LikelihoodName | None = None,
    latent: Count = 12,
    channels: Count = 32,
    depth: Count = 1,
    beta: Weight = 1.0,
) -> VAE:
    """A β-VAE; ignores the schema. `likelihood` defaults to bernoulli for images, gaussian for vectors."""
    score = _likelihood(likelihood, shape)
    parts = Backbones(shape, 0, channels, depth)
    return VAE(
        schema,
        shape,
        condition_encoder=EmptyEncoder(schema),
        encoder=parts.encoder("none", 2 * latent),
        decoder=parts.decoder("none", latent, score.per_value),
        prior=StandardNormal(latent, 0),
        likelihood=score,
        beta=beta,
    )


def cvae(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    mechanism: MechanismName = "film",
    encoder_mechanism: MechanismName | None = None,
    decoder_mechanism: MechanismName | None = None,
    prior: PriorName = "standard",
    likelihood: LikelihoodName | None = None,
    latent: Count = 12,
    channels: Count = 32,
    depth: Count = 1,
    beta: Weight = 1.0,
    embedding: Annotated[int, Field(ge=0)] = 0,
    additive: bool = False,
    condition_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    guidance: float = 1.0,
    prior_width: Count = 256,
    prior_depth: Count = 3,
    prior_draws: Count = 1,
    perceptual: Weight = 0.0,
    adversarial: Weight = 0.0,
    adversarial_from: Annotated[int, Field(ge=0)] = 0,
) -> VAE:
    """A conditional β-VAE.

    mechanism:          how the condition enters; `encoder_mechanism` and `decoder_mechanism` default to it, and `none`
                        keeps the condition out of that part.
    likelihood:         defaults to bernoulli for images, gaussian for vectors.
    embedding:          width of learned embeddings with a learned null per attribute; 0 for the plain encoding.
    additive:           no attribute changes what another says, for combinations never seen together.
    condition_dropout:  with embeddings, the chance that training leaves an attribute of a sample free, or all of them,
                        or some: see `dropped`.
    guidance:           of the flow prior, unless a call says otherwise; 1 is plain conditional.
    prior_width, prior_depth, prior_draws:  of the flow prior: its hidden layers, and how often it looks at a latent.
    perceptual:         weight of reconstructing, besides the pixels of images, what a critic of patches sees in them.
    adversarial:        how hard reconstructions try to fool that critic; it acts after `adversarial_from` images.
    """
    in_encoder, in_decoder = encoder_mechanism or mechanism, decoder_mechanism or mechanism
    if in_decoder == "none" and not PRIORS[prior].conditional:
        raise ValueError(
            "neither its decoder nor its prior would see the condition, so requests could not be obeyed; choose a "
            "mechanism for the decoder or a prior per condition, or use the model vae"
        )
    if guidance != 1 and not (prior == "flow" and embedding):
        raise ValueError("guidance needs prior=flow and learned nulls of the attributes (embedding=64)")
    score = _likelihood(likelihood, shape)
    encoder = condition_encoder(schema, embedding, additive)
    parts = Backbones(shape, encoder.width, channels, depth)
    family = partial(LatentFlow, guidance=Guidance(guidance)) if prior == "flow" else VAE
    of_flow = {"hidden": prior_width, "depth": prior_depth, "draws": prior_draws, "additive": additive}
    return family(
        schema,
        shape,
        condition_encoder=encoder,
        encoder=parts.encoder(in_encoder, 2 * latent),
        decoder=parts.decoder(in_decoder, latent, score.per_value),
        prior=_prior(prior, latent, encoder.width, **of_flow),
        likelihood=score,
        beta=beta,
        realism=parts.realism(perceptual, adversarial, adversarial_from),
        condition_dropout=condition_dropout if embedding else 0.0,
    )


def _prior(name: PriorName, latent: int, width: int, **of_flow: Any) -> Prior:
    return ConditionalFlow(latent, width, **of_flow) if name == "flow" else PRIORS[name](latent, width)


def _likelihood(name: LikelihoodName | None, shape: tuple[int, ...]) -> Likelihood:
    name = name or ("bernoulli" if len(shape) == 3 else "gaussian")
    if len(shape) == 1 and name != "gaussian":
        raise ValueError(f"the likelihood {name} is for values in [0, 1], such as images; vectors need gaussian")
    return LIKELIHOODS[name](shape)
