"""The latent space of a model that encodes: its information about the condition, the dimensions in use, and its order.

All numbers are about posterior means, encoded under each observation's own condition. If another choice matters, the
report has both.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from condgen.data import Dataset
from condgen.errors import RequestError
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.metrics.fidelity import FIDELITY, MIN_DIVERSITY
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.gaussian import DiagonalGaussian
from condgen.models import Model
from condgen.models.protocols import Encodes, HasPrior
from condgen.models.registry import that_can
from condgen.models.vae.priors import GaussianPrior
from condgen.rng import Rng
from condgen.schema import Condition
from condgen.units import number

Latents = Float[Tensor, "n latent"]
Codes = Shaped[Tensor, " n"]

NEIGHBOURS = 10  # of each latent, whose labels are compared with its own
MIN_HELD_OUT = NEIGHBOURS + 2  # of held-out observations; of fewer, all are neighbours of each other
MIN_NATS = 0.1  # latents that carry less in total count as empty


@dataclass(frozen=True)
class LatentReport:
    """Properties of the latents of held-out observations.

    z: posterior means, [n, latent].
    noise: the same with the prior removed, [n, latent]: the information left to encode when the condition is known.
    probe: share of labels that a linear classifier reads from z, from 1/values (none) to 1.
    drawn_probe: the same for one draw from every posterior, which is the decoder's input.
    overlap: of the labels in z, from 0 (separate) to 1 (mixed as if by chance).
    noise_probe, noise_overlap: `probe` and `overlap` of `noise`. Equal to those if the prior is the same for all
        conditions.
    kl: per dimension in nats, [latent]. None for a model without a KL per dimension.
    active: the number of active dimensions of `noise`.
    scale: standard deviation of z (the root of the variances' mean over dimensions).
    """

    z: Latents
    noise: Latents
    probe: float
    drawn_probe: float
    overlap: float
    noise_probe: float
    noise_overlap: float
    kl: Float[Tensor, " latent"] | None
    active: int
    scale: float


def latent_report(model: Model, train: Dataset, test: Dataset, attribute: str) -> LatentReport:
    """Every number of this file for a model and one named attribute. Probes are fitted on `train`.

    Observations without a value of it are left out. Raises RequestError for a measured attribute and for a model that
    cannot encode.
    """
    if not train.schema[attribute].choices:
        raise RequestError(
            f"The attribute '{attribute}' is {train.schema[attribute].kind}: it has no classes that could overlap."
        )
    train, test = _labelled(train, attribute), _labelled(test, attribute)
    q_train, q = posterior(model, train), posterior(model, test)
    seen, z = q_train.mean, q.mean
    seen_noise, noise = without_prior(model, seen, train.condition), without_prior(model, z, test.condition)
    seen_codes, codes = train.condition.values[attribute], test.condition.values[attribute]
    return LatentReport(
        z=z,
        noise=noise,
        probe=linear_probe(seen, seen_codes, z, codes),
        drawn_probe=linear_probe(_draw(q_train), seen_codes, _draw(q), codes),
        overlap=class_overlap(z, codes),
        noise_probe=linear_probe(seen_noise, seen_codes, noise, codes),
        noise_overlap=class_overlap(noise, codes),
        kl=kl_per_dimension(model, test),
        active=active_units(noise),
        scale=_scale(z),
    )


@torch.inference_mode()
def posterior(model: Model, data: Dataset, batch: int = 500) -> DiagonalGaussian:
    """q(z|x,c) of every observation under its own condition, [n, latent], on the CPU.

    Raises RequestError for a model that cannot encode.
    """
    if not isinstance(model, Encodes):
        raise RequestError(f"This model cannot encode, so it has no latents to measure; {that_can(Encodes)} can.")
    parts = [model.encode(x.to(model.device), condition.to(model.device)) for x, condition in data.in_turn(batch)]
    return DiagonalGaussian(torch.cat([p.mean for p in parts]).cpu(), torch.cat([p.log_variance for p in parts]).cpu())


@torch.inference_mode()
def without_prior(model: Model, z: Latents, condition: Condition) -> Latents:
    """Latents as noise of the prior under their conditions, which removes the information from c.

    Without a prior, z.
    """
    if not isinstance(model, HasPrior):
        return z
    c = model.condition_encoder(condition.to(model.device))
    return model.prior.to_noise(z.to(model.device), c).cpu()


@torch.inference_mode()
def kl_per_dimension(model: Model, data: Dataset) -> Float[Tensor, " latent"] | None:
    """KL(q(z_i|x,c) ‖ p(z_i|c)) in nats, averaged over the data. The sum over i is the KL term of the bound.

    None for an autoencoder, and for priors whose dimensions depend on each other.
    """
    if not isinstance(model, HasPrior) or not isinstance(model.prior, GaussianPrior):
        return None
    p = model.prior.gaussian(model.condition_encoder(data.condition.to(model.device)))
    return posterior(model, data).kl(DiagonalGaussian(p.mean.cpu(), p.log_variance.cpu())).mean(0)


def active_units(mean: Latents, threshold: float = 0.01) -> int:
    """The number of latent dimensions that vary with x: Var_x E_q[z_i] > threshold (Burda et al. 2016, section 5.2).

    With a prior per condition use means without the prior, because a mean that changes with c alone contains nothing
    about x.
    """
    return int((mean.var(0) > threshold).sum())


def linear_probe(
    train: Latents, train_codes: Codes, test: Float[Tensor, "m latent"], test_codes: Shaped[Tensor, " m"]
) -> float:
    """Share of test labels that logistic regression, fitted on training latents, predicts. With one label in training,
    that is predicted for all.

    It is a lower bound of the information in z, since only linear separation counts. `class_overlap` covers the rest.

    Latents are centred and divided by one number, their overall scale, so that the penalty means the same for every
    model. A scale per dimension would inflate dimensions that are drowned in the posterior's noise.
    """
    from sklearn.linear_model import LogisticRegression

    if len(train_codes.unique()) == 1:
        return float((test_codes == train_codes[0]).float().mean())
    centre, scale = train.mean(0), max(_scale(train), 1e-12)  # also if all latents are equal
    classifier = LogisticRegression(max_iter=5_000)
    classifier.fit(((train - centre) / scale).numpy(), train_codes.numpy())
    return float(classifier.score(((test - centre) / scale).numpy(), test_codes.numpy()))


def class_overlap(z: Latents, codes: Codes, neighbours: int = NEIGHBOURS) -> float:
    """The degree of mixing of labels: 0 if every neighbourhood has one label, 1 if labels lie as if shuffled.

    The share of other labels among each latent's nearest neighbours, divided by their share among all other latents. It
    assumes nothing about the classes' shape, unlike the overlap of fitted Gaussians, which falls towards 0 with every
    further dimension. Only ranks of distances count, so latents of any scale can be compared. With more neighbours, or
    fewer observations per class, the same latents overlap more.
    """
    nearest = _nearest(z, neighbours)
    differ = codes[nearest] != codes[:, None]
    others = (codes[:, None] != codes).sum() / (len(codes) * (len(codes) - 1))
    return float(differ.float().mean() / others)


def _nearest(z: Latents, neighbours: int) -> Int[Tensor, "n neighbour"]:
    """Indices of each latent's nearest others, by Euclidean distance."""
    from sklearn.neighbors import NearestNeighbors

    return torch.from_numpy(NearestNeighbors(n_neighbors=neighbours).fit(z.numpy()).kneighbors()[1])


def _labelled(data: Dataset, attribute: str) -> Dataset:
    """The observations whose value is known, with the most likely values in place of probabilities."""
    known = data[data.condition.given(attribute).nonzero()[:, 0]]
    return Dataset(known.observations, known.condition.hard())


def _draw(q: DiagonalGaussian) -> Latents:
    return q.at(torch.randn(q.mean.shape, generator=torch.Generator().manual_seed(0)))


def _scale(z: Latents) -> float:
    return float(z.var(0).mean().sqrt())


@dataclass(frozen=True)
class LatentSummary:
    """The numbers of a `LatentReport` that a report keeps. `chance` is the score of a probe without information."""

    attribute: str
    probe: float
    chance: float
    overlap: float
    noise_probe: float
    noise_overlap: float
    kl: tuple[float, ...]
    active: int
    dimensions: int


def latent_summary(model: Model, train: Dataset, test: Dataset, attribute: str) -> LatentSummary:
    """The numbers of `latent_report`. Raises RequestError as it does."""
    found = latent_report(model, train, test, attribute)
    codes = _labelled(test, attribute).condition.values[attribute]
    return LatentSummary(
        attribute=attribute,
        probe=found.probe,
        chance=float(codes.long().bincount().max() / len(codes)),
        overlap=found.overlap,
        noise_probe=found.noise_probe,
        noise_overlap=found.noise_overlap,
        kl=() if found.kl is None else tuple(found.kl.tolist()),
        active=found.active,
        dimensions=found.z.shape[1],
    )


# ---- the metric


class LatentsMetric(Metric[LatentSummary]):
    """The information in the latent about the first named attribute that differs between observations."""

    name = "latents"
    title = "Latents"
    about = "What does the encoder keep of an observation?"
    result = LatentSummary

    def skipped(self, case: Measurement) -> str:
        """A reason if it was switched off, if there are no latents, or if no named attribute can be probed."""
        if not case.config.latents:
            return "`latents=0` leaves it out"
        if not isinstance(case.subject.run.model, Encodes):
            return "this model cannot encode"
        if not _named(case):
            return "the model knows no attribute of the data with named values"
        if not _probed(case):
            return f"no attribute has two values in training data and in {MIN_HELD_OUT} or more held-out observations"
        return ""

    def measure(self, case: Measurement) -> LatentSummary:
        """Probes fitted on training data and read on held-out data."""
        train, test = (_complete(case, part) for part in _parts(case))
        return latent_summary(case.subject.run.model, train, test, _probed(case)[0])

    def findings(self, result: LatentSummary, evidence: Evidence) -> Iterator[Finding]:
        """An empty latent, which is a fault only if samples lack what it should have carried."""
        fidelity, total = FIDELITY.first(evidence.results), sum(result.kl)
        if fidelity is None or not result.kl or (total >= MIN_NATS and result.active):
            return
        nats, diversity = (number(value, ".2f") for value in (total, fidelity.overall.diversity))
        carries = f"The latent carries {nats} nats in {result.active} active of {result.dimensions} dimensions"
        if fidelity.overall.diversity < MIN_DIVERSITY:
            yield Finding(
                "posterior collapse",
                f"{carries}, and samples differ only {diversity} times as much as real data.",
                evidence.trained.against_posterior_collapse,
            )
        elif math.isfinite(fidelity.overall.diversity):
            yield Finding(
                "healthy low KL",
                f"{carries}, yet samples are as varied as real data ({diversity}): nothing was left to encode.",
                "Nothing needs to be done.",
                grave=False,
            )


LATENTS = LatentsMetric()


def _named(case: Measurement) -> list[str]:
    """The named attributes that run and data have in common."""
    schema = case.data.schema
    return [a.name for a in schema.discrete] if case.subject.run.schema == schema else []


def _parts(case: Measurement) -> tuple[Dataset, Dataset]:
    """The training and the held-out observations that are encoded."""
    return case.data.train[: case.config.latents], case.data.test[: case.config.latents]


def _probed(case: Measurement) -> list[str]:
    """The named attributes with at least two values in training data and in enough held-out data."""
    parts = _parts(case)
    enough = len(parts[1]) >= MIN_HELD_OUT
    return [name for name in _named(case) if enough and all(_differs(part.condition, name) for part in parts)]


def _differs(condition: Condition, name: str) -> bool:
    """Whether at least two values of a named attribute are given."""
    codes = condition.hard().values[name][condition.given(name)]
    return len(codes.unique()) > 1


def _complete(case: Measurement, part: Dataset) -> Dataset:
    """Observations with all their labels. Missing ones are drawn as in the data, and of probabilities the most likely
    values are taken.
    """
    return Dataset(part.observations, case.subject.joint.fill(part.condition.hard(), Rng(range(len(part)))))
