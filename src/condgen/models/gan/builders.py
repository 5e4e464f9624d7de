"""Adversarial families by name: which critic head, loss and penalties each is made of."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from condgen.conditioning import EmptyEncoder
from condgen.models.backbones import Backbones, Count, MechanismName, Weight, condition_encoder
from condgen.models.gan.augment import Augment
from condgen.models.gan.gan import GAN, Critic, Curriculum, Generator, Penalty, Vicinity
from condgen.models.gan.heads import (
    Classifier,
    Contrastive,
    Discriminative,
    Head,
    PlainHead,
    Projection,
    TwinClassifier,
)
from condgen.models.gan.losses import LOSSES
from condgen.models.gan.minibatch import MinibatchDeviation
from condgen.parameters import Listed, keyword_arguments, with_signature_of
from condgen.schema import Schema

LossName = Literal["nonsaturating", "hinge", "wasserstein", "relativistic"]


Augmentations = Annotated[tuple[Literal["translation", "affine", "cutout", "color"], ...], Listed]


Share = Annotated[float, Field(ge=0, lt=1)]


def gan(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    loss: LossName = "relativistic",
    latent: Count = 64,
    channels: Count = 32,
    depth: Count = 1,
    r1: Weight = 0.1,
    r2: Weight = 0.0,
    penalty_every: Count = 8,
    spectral: bool = False,
    augment: Augmentations = (),
    augment_chance: Share = 0.7,
) -> GAN:
    """A GAN without condition; ignores the schema. The arguments are those of `conditional_gan`."""
    parts = Backbones(shape, 0, channels, depth)
    critic = Critic(EmptyEncoder(schema), parts.encoder("none", 4 * channels), PlainHead(schema, 4 * channels))
    return GAN(
        schema,
        shape,
        generator=Generator(EmptyEncoder(schema), parts.decoder("none", latent), latent),
        critic=_with_spectral_norm(critic) if spectral else critic,
        loss=LOSSES[loss],
        penalty=Penalty(r1, r2, penalty_every),
        augment=Augment(augment, augment_chance),
        vicinity=Vicinity(0.0, "hard"),
        curriculum=Curriculum(),
    )


def conditional_gan(
    schema: Schema,
    shape: tuple[int, ...],
    head: Callable[[Schema, int], Head],
    kind: Callable[..., GAN] = GAN,
    *,
    mechanism: MechanismName = "film",
    critic_mechanism: MechanismName | None = None,
    input_only: bool = False,
    loss: LossName = "relativistic",
    latent: Count = 64,
    channels: Count = 32,
    depth: Count = 1,
    r1: Weight = 0.1,
    r2: Weight = 0.0,
    penalty_every: Count = 8,
    spectral: bool = False,
    deviation: Annotated[int, Field(ge=0)] = 0,
    augment: Augmentations = (),
    augment_chance: Share = 0.7,
    vicinity: Share = 0.02,
    kernel: Literal["hard", "soft"] = "hard",
    embedding: Annotated[int, Field(ge=0)] = 0,
    condition_dropout: Share = 0.1,
    transition: Annotated[tuple[int, int], Listed] = (0, 0),
) -> GAN:
    """A GAN whose generator is told the condition and whose critic, by its head, judges it.

    mechanism:          how the condition enters the generator.
    critic_mechanism:   how it enters the critic's trunk; defaults to concat for a head that asks for it, else none.
    input_only:         whether it enters their first layers and no others.
    r1, r2:             weights γ of the gradient penalties, computed at every `penalty_every`-th step.
    spectral:           spectral normalisation of the critic's layers (Miyato et al. 2018).
    deviation:          how many observations of a batch the critic sees together, besides each alone; 0 for none. See
                        MinibatchDeviation.
    augment:            differentiable augmentations, of translation, affine, cutout, color; for a few thousand images.
    vicinity, kernel:   of continuous labels; see Vicinity.
    embedding:          width of learned embeddings with a learned null per attribute; 0 for the plain encoding.
    condition_dropout:  with embeddings, the chance that training replaces an attribute of a sample by its null.
    transition:         with embeddings, the images between which training goes from unconditional to conditional.
    """
    encoder = condition_encoder(schema, embedding)
    features = 4 * channels
    judge = head(schema, features)
    in_critic = critic_mechanism or ("concat" if judge.asks_trunk else "none")
    _must_obey(mechanism, in_critic, judge, embedding, transition)
    seen = EmptyEncoder(schema) if in_critic == "none" else condition_encoder(schema, embedding)
    trunk = Backbones(shape, seen.width, channels, depth, input_only).encoder(in_critic, features)
    critic = Critic(seen, trunk, judge, MinibatchDeviation(features, deviation) if deviation else None)
    backbone = Backbones(shape, encoder.width, channels, depth, input_only).decoder(mechanism, latent)
    return kind(
        schema,
        shape,
        generator=Generator(encoder, backbone, latent),
        critic=_with_spectral_norm(critic) if spectral else critic,
        loss=LOSSES[loss],
        penalty=Penalty(r1, r2, penalty_every),
        augment=Augment(augment, augment_chance),
        vicinity=Vicinity(vicinity, kernel),
        curriculum=Curriculum(condition_dropout if embedding else 0.0, *transition),
    )


def family(name: str, head: type[Head]) -> Callable[..., GAN]:
    """The builder of conditional GANs with this head: takes the arguments of `conditional_gan` and of the head."""
    of_head = keyword_arguments(head)

    def builder(schema: Schema, shape: tuple[int, ...], **arguments: Any) -> GAN:
        own = {key: arguments.pop(key) for key in of_head if key in arguments}
        return conditional_gan(schema, shape, partial(head, **own), **arguments)

    builder.__doc__ = f"{conditional_gan.__doc__}\n\n{head.__doc__}"
    return with_signature_of(name, builder, conditional_gan, head)


cgan = family("cgan", PlainHead)


acgan = family("acgan", Classifier)


tacgan = family("tacgan", TwinClassifier)


adcgan = family("adcgan", Discriminative)


reacgan = family("reacgan", Contrastive)


projection = family("projection", Projection)


def _must_obey(mechanism: str, in_critic: str, head: Head, embedding: int, transition: tuple[int, int]) -> None:
    """Raises ValueError for combinations that could not obey a request, or would not do what they promise."""
    if mechanism == "none":
        raise ValueError("its generator would not see the condition; choose a mechanism, or the model gan")
    if head.asks_trunk and in_critic == "none":
        raise ValueError(
            "nothing in its critic would see the condition; choose a critic_mechanism or a head that judges conditions "
            "(acgan, projection, …)"
        )
    if transition[1] < transition[0]:
        raise ValueError(f"the transition ends, at image {transition[1]}, before it starts, at {transition[0]}")
    if transition[1] and not embedding:
        raise ValueError(
            "a transition from unconditional training needs an encoding of 'free', which learned embeddings have; set "
            "embedding, for instance to 64"
        )


def _with_spectral_norm(critic: Critic) -> Critic:
    """The critic with the largest singular value of every layer of trunk and head held at one.

    A layer that starts at zero has nothing to divide by, so it gets an ordinary start.
    """
    for module in [*critic.trunk.modules(), *critic.head.modules()]:
        if isinstance(module, nn.Linear | nn.Conv2d):
            if not module.weight.any():
                module.reset_parameters()
            spectral_norm(module)
    return critic
