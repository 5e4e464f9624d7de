"""Adversarial families by name, each with its critic head, loss and penalties."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from condgen.conditioning import EmptyEncoder, MechanismName
from condgen.models.backbones import (
    Backbones,
    Count,
    EnteringBy,
    OptionalEmbedding,
    Outputs,
    Size,
    condition_encoder,
)
from condgen.models.gan.augment import Augment
from condgen.models.gan.conditional import ConditionalGAN
from condgen.models.gan.gan import ALL_ASKED, GAN, Critic, Curriculum, Penalty, Vicinity
from condgen.models.gan.generator import Generator
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
from condgen.models.gan.onlooker import Onlooking
from condgen.models.gan.preservation import Preservation
from condgen.models.registry import Family, Practice
from condgen.parameters import Part, Setting, composed
from condgen.schema import Schema

LossName = Annotated[
    Literal["nonsaturating", "hinge", "wasserstein", "relativistic"],
    Setting("Adversarial loss.", part="game"),
]
Spectral = Annotated[bool, Setting("Spectral normalisation of the critic's layers.", part="game")]
NoiseSize = Annotated[Count, Setting("Dimensions of the generator's noise.", part="networks")]


@composed()
def adversaries(
    schema: Schema,
    shape: tuple[int, ...],
    generator: Generator,
    critic: Critic,
    kind: Callable[..., GAN] = GAN,
    *,
    loss: LossName = "relativistic",
    spectral: Spectral = False,
    penalty: Penalty,
    augmentation: Augment,
    onlooking: Onlooking,
) -> GAN:
    """Two players with the rules of their game, which are the same settings in every family."""
    return kind(
        schema,
        shape,
        generator=generator,
        critic=_with_spectral_norm(critic) if spectral else critic,
        loss=LOSSES[loss],
        penalty=penalty,
        augment=augmentation,
        onlooker=onlooking.critic(schema, shape),
    )


Game = Annotated[Callable[..., GAN], Part(adversaries)]


@composed()
def gan(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    latent: NoiseSize = 64,
    size: Size,
    outputs: Outputs = "pixels",
    game: Game,
) -> GAN:
    """An unconditional GAN, which ignores the schema."""
    parts, features = Backbones(shape, 0, size), 4 * size.channels
    critic = Critic(EmptyEncoder(schema), parts.encoder("none", features), PlainHead(schema, features))
    drawing, finish = parts.decoder("none", latent, outputs=outputs), parts.finish(outputs)
    generator = Generator(EmptyEncoder(schema), drawing, latent, finish)
    return game(schema, shape, generator, critic)


def conditional_gan(
    schema: Schema,
    shape: tuple[int, ...],
    head: Callable[[Schema, int], Head],
    kind: Callable[..., GAN] = ConditionalGAN,
    *,
    mechanism: EnteringBy = "film",
    critic_mechanism: Annotated[
        MechanismName | None,
        Setting("Way into the critic. By default concat if the head does not judge the condition.", part="condition"),
    ] = None,
    input_only: Annotated[bool, Setting("The condition enters the first layers only.", part="condition")] = False,
    embedding: OptionalEmbedding = 0,
    curriculum: Curriculum,
    vicinity: Vicinity,
    latent: NoiseSize = 64,
    size: Size,
    outputs: Outputs = "pixels",
    game: Game,
    preservation: Preservation,
    deviation: Annotated[
        int,
        Field(ge=0),
        Setting("Observations per group of which the critic sees the deviation. 0 for none.", part="game"),
    ] = 0,
) -> GAN:
    """A GAN with a conditional generator, and a critic that judges the condition by its head."""
    encoder, features = condition_encoder(schema, embedding), 4 * size.channels
    judge = head(schema, features)
    in_critic = critic_mechanism or ("concat" if judge.asks_trunk else "none")
    _must_obey(mechanism, in_critic, judge)
    seen = EmptyEncoder(schema) if in_critic == "none" else condition_encoder(schema, embedding)
    trunk = Backbones(shape, seen.width, size, input_only).encoder(in_critic, features)
    critic = Critic(seen, trunk, judge, _deviation(features, deviation))
    parts = Backbones(shape, encoder.width, size, input_only)
    drawing, finish = parts.decoder(mechanism, latent, outputs=outputs), parts.finish(outputs)
    curriculum = curriculum if embedding else ALL_ASKED
    trained = partial(kind, vicinity=vicinity, curriculum=curriculum, preservation=preservation)
    return game(schema, shape, Generator(encoder, drawing, latent, finish), critic, trained)


def with_head(name: str, head: type[Head], summary: str) -> Callable[..., GAN]:
    """The builder of conditional GANs with this head. It takes the settings of `conditional_gan` and of the head."""
    return composed(name, f"{summary}\n\n{inspect.getdoc(head)}", {"head": head})(conditional_gan)


cgan = with_head("cgan", PlainHead, "A conditional GAN: the condition enters the critic, too (Mirza & Osindero 2014).")
acgan = with_head("acgan", Classifier, "A conditional GAN whose critic also classifies (AC-GAN, Odena et al. 2017).")
tacgan = with_head(
    "tacgan", TwinClassifier, "AC-GAN with a second classifier, for variety (TAC-GAN, Gong et al. 2019)."
)
adcgan = with_head("adcgan", Discriminative, "AC-GAN that tells label and origin together (ADC-GAN, Hou et al. 2022).")
reacgan = with_head("reacgan", Contrastive, "A conditional GAN that contrasts labels (ReACGAN, Kang et al. 2021).")
projection = with_head(
    "projection",
    Projection,
    "A conditional GAN with a projection critic, the best GAN for images (Miyato & Koyama 2018).",
)


def _deviation(features: int, group: int) -> MinibatchDeviation | None:
    """The layer that tells the critic about groups, or None. Raises ValueError for a group of one, which has no
    deviation.
    """
    if group == 1:
        raise ValueError("a group of one observation has no deviation; set deviation to 2 or more, or to 0 for none")
    return MinibatchDeviation(features, group) if group else None


def _must_obey(mechanism: str, in_critic: str, head: Head) -> None:
    """Raise ValueError for combinations that could not obey a request."""
    if mechanism == "none":
        raise ValueError("its generator would not see the condition; choose a mechanism, or the model gan")
    if head.asks_trunk and in_critic == "none":
        raise ValueError(
            "nothing in its critic would see the condition; choose a critic_mechanism or a head that judges conditions "
            "(acgan, projection, …)"
        )


def _with_spectral_norm(critic: Critic) -> Critic:
    """The critic with the largest singular value of every layer of trunk and head held at one.

    A layer that starts at zero has no singular value to divide by, so it gets an ordinary initialisation.
    """
    for module in [*critic.trunk.modules(), *critic.head.modules()]:
        if isinstance(module, nn.Linear | nn.Conv2d):
            if not module.weight.any():
                module.reset_parameters()
            spectral_norm(module)
    return critic


# Settings for training adversaries, and for their practice in tests.
TRAINING = {"lr": 4e-3, "momentum": 0.0, "weight_decay": 0.0, "clip": 10.0}
PRACTICE = Practice(steps=240, lr=4e-3, momentum=0.0, falls=False)
# A narrow game against classifiers often ends in a local optimum. A wider one, with penalties on both sides and less
# weight on the classifiers, learned from every initialisation that was tried.
CALM = {"r2": 0.1, "penalty_every": 1, "head_weight": 0.3}
LEARNED_NULLS = ({"embedding": 64},)


def entry(builder: Callable[..., GAN], **differing: Any) -> Family:
    """The registry's entry of an adversarial family."""
    return Family(builder, TRAINING, **{"practice": PRACTICE, **differing})


PLAIN_GAN = entry(gan)
CGAN = entry(cgan, variants=LEARNED_NULLS)
ACGAN = entry(acgan, variants=LEARNED_NULLS)
TACGAN = entry(
    tacgan,
    variants=LEARNED_NULLS,
    # The twin cancels most of the first classifier's gradient, so it takes long.
    practice=replace(PRACTICE, steps=800, lr=2e-3, arguments=CALM | {"channels": 48}),
)
ADCGAN = entry(adcgan, variants=LEARNED_NULLS, practice=replace(PRACTICE, steps=280, arguments=CALM | {"channels": 32}))
REACGAN = entry(
    reacgan,
    variants=LEARNED_NULLS,
    # With a smaller margin the easy world of the tests leaves nothing to learn.
    practice=replace(PRACTICE, arguments={"margin": 1.0}),
)
PROJECTION = entry(projection, variants=LEARNED_NULLS)
