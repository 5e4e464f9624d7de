"""Critic heads: the part of a critic that judges the condition, given features h of an observation.

    head              besides real or fake, it                                          source
    PlainHead         judges nothing: c enters the trunk, or nowhere                    Mirza & Osindero 2014 (CGAN)
    Classifier        classifies: q(c|x)                                                Odena et al. 2017 (AC-GAN)
    TwinClassifier    has a second classifier, of generated observations                Gong et al. 2019 (TAC-GAN)
    Discriminative    classifies label and origin together: q(c, origin|x)              Hou et al. 2022 (ADC-GAN)
    Contrastive       compares h with an embedding of c and with the rest of the batch  Kang et al. 2021 (ReACGAN)
    Projection        adds the inner product of h with an embedding of c to the score   Miyato & Koyama 2018
                      and may have to tell the labels of real observations apart        van den Oord et al. 2018

A head owns its losses: the critic's and the generator's, each a dict of terms whose "loss" is added to the adversarial
loss. Free attributes are not judged.
"""

from typing import Annotated

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from condgen.conditioning import AttributeEmbedding
from condgen.models import together
from condgen.models.backbones import NUMBERS, Count, Weight
from condgen.models.base import Terms
from condgen.parameters import Needs, Setting
from condgen.schema import Condition, Schema
from condgen.schema.density import REAL

Features = Float[Tensor, "batch feature"]
Scores = Float[Tensor, " batch"]
FAKE = 1  # the origin of generated observations; REAL is that of real ones
HeadWeight = Annotated[Weight, Setting("Weight of the head's loss relative to the adversarial loss.")]
WEIGHTED = Needs(head_weight=1.0)
NEVER = -1e9  # log-weight of excluded pairs; minus infinity would have no gradient


class Head(nn.Module):
    """Scores features of width `features` and judges conditions of a schema."""

    asks_trunk = False  # whether the condition enters the critic's trunk instead

    def __init__(self, schema: Schema, features: int):
        super().__init__()
        self.schema = schema
        # No bias: a constant cancels in pairs, and the trunk can make one.
        self.real = nn.Linear(features, 1, bias=False)

    def score(self, h: Features, condition: Condition) -> Scores:
        """The score, [batch]. Higher means more real."""
        return self.real(h)[:, 0]

    def preference(self, h: Features, condition: Condition) -> Scores:
        """The fit of observations to their condition, [batch]: log q(c|x) of a head that classifies, else the score."""
        return self.score(h, condition)

    def critic(self, real: Features, fake: Features, condition: Condition) -> Terms:
        """The critic's terms besides the adversarial loss. Both batches have this condition, given or asked for."""
        return {}

    def generator(self, fake: Features, condition: Condition) -> Terms:
        """The generator's terms besides the adversarial loss."""
        return {}


class PlainHead(Head):
    """The score alone."""

    asks_trunk = True


class Projection(Head):
    """score(x, c) = ψ(h) + Σ ⟨e_a(c_a), h⟩ over the attributes a.

    Miyato & Koyama 2018, eq. 3, summed over attributes.

    label_weight: of label matching at real observations. Without it the critic compares real with generated
        observations of one condition. It need not know what a value looks like, and of one that few real observations
        have, it learns which these are. Label matching makes h tell an observation's own values from those of the
        batch, by embeddings that the score does not see. So the generator gains nothing by observations that are easy
        to tell apart, and these keep their variety.
    """

    def __init__(
        self,
        schema: Schema,
        features: int,
        *,
        label_weight: Annotated[
            Weight, Setting("Weight of telling a real observation's values from others, for the critic.")
        ] = 0.0,
    ):
        super().__init__(schema, features)
        self.label_weight = label_weight
        self.embed = AttributeEmbedding(schema, features)
        self.matching = LabelMatching(schema, features) if label_weight else None
        self.scale = (features * len(schema)) ** -0.5

    def score(self, h: Features, condition: Condition) -> Scores:
        """The score under this condition, [batch]."""
        return super().score(h, condition) + self.scale * (self.embed(condition).sum(1) * h).sum(1)

    def critic(self, real: Features, fake: Features, condition: Condition) -> Terms:
        """The label matching of real observations, weighted."""
        return {"loss": self.label_weight * self.matching(real, condition)} if self.matching else {}


class LabelMatching(nn.Module):
    """The loss of observations that do not tell their own values from those of the batch.

    s_a(x, c_a) = ⟨e_a(c_a), h⟩, with embeddings e_a of attribute a.
    """

    def __init__(self, schema: Schema, features: int):
        super().__init__()
        self.embed = AttributeEmbedding(schema, features)
        self.scale = (features * len(schema)) ** -0.5

    def forward(self, h: Features, condition: Condition) -> Float[Tensor, ""]:
        """−log [exp s_a(x, c_a) / mean exp s_a(x, c′_a) over the batch's values c′], the mean over attributes, in nats.

        Of each attribute it is the mean over the observations that have it. It is least where s_a is the pointwise
        mutual information log p(c_a|x) / p(c_a), up to a function of x (van den Oord et al. 2018, eq. 4).
        """
        h, condition = together.gathered(h), together.gathered(condition)
        given = condition.present
        fits = self.scale * torch.einsum("if,jaf->ija", h, self.embed(condition)).float()
        own = fits.diagonal().T  # [batch, attribute]
        count = given.sum(0).clamp(min=1)
        others = fits.where(given, NEVER).logsumexp(1) - count.log()
        return ((others - own).where(given, 0).sum(0) / count).mean()


class LabelPosterior(nn.Module):
    """q(c, o|x) = Π q(c_a, o|x) over the attributes a: the posterior of the label and, with two `origins`, of real or
    fake.

    Each attribute defines its density given a layer's output (schema/density.py).
    """

    def __init__(self, schema: Schema, features: int, origins: int = 1, continuous_weight: float = 1.0):
        super().__init__()
        self.schema = schema
        self.origins = origins
        self.weights = [1.0 if a.choices else continuous_weight for a in schema]
        self.outputs = nn.ModuleList(nn.Linear(features, origins * a.density.outputs(origins)) for a in schema)

    def forward(self, h: Features) -> dict[str, Float[Tensor, "batch origin output"]]:
        """The parameters of q for each attribute and origin: logits of the values, or mean, log-variance
        and a logit.
        """
        outputs = zip(self.schema, self.outputs, strict=True)
        return {a.name: layer(h).float().unflatten(1, (self.origins, -1)) for a, layer in outputs}

    def log_prob(self, h: Features, condition: Condition, origin: int = REAL) -> Float[Tensor, "batch attribute"]:
        """log q(c_a, origin|x) in nats, and 0 where an attribute is free."""
        outputs = self(h)
        scores = [a.density.log_prob(outputs[a.name], condition.codes(a.name), origin) for a in self.schema]
        return torch.stack(scores, dim=1).where(condition.present, 0)

    def loss(self, h: Features, condition: Condition, origin: int = REAL) -> Float[Tensor, ""]:
        """−E log q(c, origin|x), the weighted sum over attributes, in nats."""
        return -self.log_prob(h, condition, origin).mean(0) @ torch.tensor(self.weights, device=h.device)

    def read(self, h: Features) -> Condition:
        """The most likely value of every attribute."""
        values = {name: self.schema[name].density.mode(output) for name, output in self(h).items()}
        return Condition(self.schema, values, torch.ones(len(h), len(values), dtype=torch.bool, device=h.device))

    def accuracy(self, h: Features, condition: Condition, of: str) -> Terms:
        """The share of given discrete attributes that are read correctly, for the log. Empty if no attribute is
        discrete.
        """
        named = [a.name for a in self.schema.discrete]
        if not named:
            return {}
        read = self.read(h)
        given = torch.stack([condition.given(n) for n in named])
        labels = condition.hard()
        right = torch.stack([read.values[n] == labels.values[n] for n in named])
        return {f"accuracy_{of}": (right & given).sum() / given.sum().clamp(min=1)}


class Classifier(Head):
    """The auxiliary classifier q(c|x) of AC-GAN. Each of its three terms −E log q(c|x) has a weight of its own.

    real_weight: of real observations, for the critic. The classifier learns what labels look like.
    fake_weight: of generated ones, for the critic. The classifier learns to recognise the condition that was asked for.
    generator_weight: of generated ones, for the generator. It learns to make observations that are easy to classify.
    continuous_weight: of measured attributes within each term. The weight of those with named values is 1.

    All 1: AC-GAN as published. `generator_weight` 0: the generator is not told to obey.
    `real_weight` 0 with codes for labels: InfoGAN's bound of the mutual information (Chen et al. 2016, eq. 5).
    """

    def __init__(
        self,
        schema: Schema,
        features: int,
        *,
        real_weight: Annotated[Weight, Setting("Weight of classifying real observations, for the critic.")] = 1.0,
        fake_weight: Annotated[Weight, Setting("Weight of classifying generated ones, for the critic.")] = 1.0,
        generator_weight: Annotated[Weight, Setting("Weight of classification as requested, for the generator.")] = 1.0,
        continuous_weight: Annotated[
            Weight, Setting("Weight of numeric attributes. That of others is 1."), NUMBERS
        ] = 1.0,
    ):
        super().__init__(schema, features)
        self.real_weight = real_weight
        self.fake_weight = fake_weight
        self.generator_weight = generator_weight
        self.posterior = LabelPosterior(schema, features, continuous_weight=continuous_weight)

    def preference(self, h: Features, condition: Condition) -> Scores:
        """log q(c|x), [batch]."""
        return self.posterior.log_prob(h, condition).sum(1)

    def critic(self, real: Features, fake: Features, condition: Condition) -> Terms:
        """−E log q(c|x) of real and of generated observations, weighted."""
        on_real = self.posterior.loss(real, condition) if self.real_weight else real.new_zeros(())
        on_fake = self.posterior.loss(fake, condition) if self.fake_weight else fake.new_zeros(())
        return {
            "loss": self.real_weight * on_real + self.fake_weight * on_fake,
            **(self.posterior.accuracy(real, condition, "real") if self.real_weight else {}),
            **self.posterior.accuracy(fake, condition, "fake"),
        }

    def generator(self, fake: Features, condition: Condition) -> Terms:
        """−E log q(c|x) of generated observations, weighted."""
        return {"loss": self.generator_weight * self.posterior.loss(fake, condition)}


class TwinClassifier(Head):
    """TAC-GAN: a classifier of real observations, a twin for generated ones, and a generator that plays between them.

    The generator minimises −E log q(c|x) + E log q_twin(c|x) (Gong et al. 2019, eq. 5). The twin cancels the incentive
    to reduce the entropy H(c|x) of generated observations.
    """

    def __init__(self, schema: Schema, features: int, *, head_weight: HeadWeight = 1.0):
        super().__init__(schema, features)
        self.head_weight = head_weight
        self.posterior = LabelPosterior(schema, features)
        self.twin = LabelPosterior(schema, features)

    def preference(self, h: Features, condition: Condition) -> Scores:
        """log q(c|x), [batch]."""
        return self.posterior.log_prob(h, condition).sum(1)

    def critic(self, real: Features, fake: Features, condition: Condition) -> Terms:
        """−E log q(c|x) of real observations and −E log q_twin(c|x) of generated ones."""
        loss = self.posterior.loss(real, condition) + self.twin.loss(fake, condition)
        return {"loss": self.head_weight * loss, **self.posterior.accuracy(real, condition, "real")}

    def generator(self, fake: Features, condition: Condition) -> Terms:
        """−E log q(c|x) + E log q_twin(c|x)."""
        return {"loss": self.head_weight * (self.posterior.loss(fake, condition) - self.twin.loss(fake, condition))}


class Discriminative(Head):
    """ADC-GAN: one classifier q(c, o|x) of the label together with the origin o, real or generated.

    The generator minimises −E log q(c, real|x) + E log q(c, generated|x) (Hou et al. 2022, eq. 9).
    """

    def __init__(self, schema: Schema, features: int, *, head_weight: HeadWeight = 1.0):
        super().__init__(schema, features)
        self.head_weight = head_weight
        self.posterior = LabelPosterior(schema, features, origins=2)

    def preference(self, h: Features, condition: Condition) -> Scores:
        """log q(c, real|x), [batch]."""
        return self.posterior.log_prob(h, condition, REAL).sum(1)

    def critic(self, real: Features, fake: Features, condition: Condition) -> Terms:
        """−E log q(c, real|x) of real observations and −E log q(c, generated|x) of generated ones."""
        loss = self.posterior.loss(real, condition, REAL) + self.posterior.loss(fake, condition, FAKE)
        return {"loss": self.head_weight * loss, **self.posterior.accuracy(real, condition, "real")}

    def generator(self, fake: Features, condition: Condition) -> Terms:
        """−E log q(c, real|x) + E log q(c, generated|x)."""
        loss = self.posterior.loss(fake, condition, REAL) - self.posterior.loss(fake, condition, FAKE)
        return {"loss": self.head_weight * loss}


class Contrastive(Head):
    """ReACGAN's data-to-data cross-entropy, in one normalised embedding of h per attribute (Kang et al. 2021, eq. 7).

    An observation f is drawn to the proxy v of its label and pushed from the batch's observations with another label:
    −log [exp(⌊f·v − m_p⌋₋/τ) / (exp(⌊f·v − m_p⌋₋/τ) + Σ exp(⌊f·f′ − m_n⌋₊/τ))], with m_n = 1 − m_p. Pairs beyond the
    margins, which are easy, have no further weight.

    temperature, margin: τ and m_p.
    width: of the embeddings.
    apart: two values of a measured attribute count as different labels if they differ by more than this share of its
        range, on its own scale.
    """

    def __init__(
        self,
        schema: Schema,
        features: int,
        *,
        head_weight: HeadWeight = 1.0,
        temperature: Annotated[
            float, Field(gt=0), Setting("Temperature τ of the contrast. Lower is sharper."), WEIGHTED
        ] = 0.5,
        margin: Annotated[
            float, Field(gt=0, le=1), Setting("Similarity m_p beyond which a pair has no further weight."), WEIGHTED
        ] = 0.98,
        width: Annotated[Count, Setting("Width of the compared embeddings."), WEIGHTED] = 64,
        apart: Annotated[
            float,
            Field(gt=0, lt=1),
            Setting("Difference, as a share of a number's range, at which two values count as different labels."),
            NUMBERS,
            WEIGHTED,
        ] = 0.1,
    ):
        super().__init__(schema, features)
        self.head_weight = head_weight
        self.temperature = temperature
        self.margin = margin
        self.width = width
        self.apart = apart
        self.embed = nn.Linear(features, len(schema) * width)
        self.proxies = AttributeEmbedding(schema, width)

    def critic(self, real: Features, fake: Features, condition: Condition) -> Terms:
        """The data-to-data cross-entropy of real observations."""
        return {"loss": self.head_weight * self.cross_entropy(real, condition)}

    def generator(self, fake: Features, condition: Condition) -> Terms:
        """The data-to-data cross-entropy of generated observations."""
        return {"loss": self.head_weight * self.cross_entropy(fake, condition)}

    def cross_entropy(self, h: Features, condition: Condition) -> Float[Tensor, ""]:
        """The loss in nats: the mean over the observations that have an attribute, summed over attributes."""
        h, condition = together.gathered(h), together.gathered(condition)
        f = normalize(self.embed(h).float().unflatten(1, (len(self.schema), self.width)), dim=2)
        to_proxy = (f * normalize(self.proxies(condition), dim=2)).sum(2)  # [batch, attribute]
        positive = (to_proxy - self.margin).clamp(max=0) / self.temperature
        to_others = torch.einsum("iaw,jaw->ija", f, f)
        negative = (to_others - (1 - self.margin)).clamp(min=0) / self.temperature
        negative = negative.where(self._differ(condition), NEVER)
        loss = torch.logaddexp(positive, negative.logsumexp(1)) - positive
        given = condition.present
        return (loss.where(given, 0).sum(0) / given.sum(0).clamp(min=1)).sum()

    def _differ(self, condition: Condition) -> Bool[Tensor, "batch batch attribute"]:
        """Whether observations i and j are known to have different labels, per attribute."""
        codes = [(a, condition.values[a.name]) for a in self.schema]
        differ = torch.stack([a.distance(c[:, None], c[None]) > self.apart for a, c in codes], dim=2)
        return differ & condition.present[:, None] & condition.present
