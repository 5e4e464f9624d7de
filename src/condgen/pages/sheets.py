"""Pictures for the report: samples by request, worst mistakes, nearest training images, latent dimensions, edits."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from condgen.data import Dataset, as_float
from condgen.evaluation.judge.judge import Reading
from condgen.evaluation.measure import Evaluation
from condgen.evaluation.metrics.combinations import named_codes
from condgen.evaluation.metrics.edits import can_be_measured, trials
from condgen.evaluation.metrics.latents import kl_per_dimension, posterior, without_prior
from condgen.evaluation.metrics.memorisation import nearest
from condgen.evaluation.protocol import MIN_EDITS
from condgen.models import Model
from condgen.models.protocols import Encodes, HasPrior
from condgen.pages.html import Picture, Sheet
from condgen.pictures import pil_image
from condgen.runs.run import Run
from condgen.schema import Condition

MAX_ROWS, MAX_COLUMNS = 12, 9
MAX_MISTAKES = 24
MAX_NEAREST = 8
STEPS = torch.linspace(-2.5, 2.5, 9)  # standard deviations of the prior


def sheets_of(evaluation: Evaluation) -> dict[str, Sheet]:
    """The pictures of an evaluation, by their place on the page. Empty for vectors."""
    run, data, config, made = evaluation.subject.run, evaluation.subject.data, evaluation.config, evaluation.samples
    if len(data.shape) != 3:
        return {}
    sheets = {"requests": by_request(made), "nearest": nearest_training(made, data.train)}
    if evaluation.subject.conditional:
        sheets["mistakes"] = worst_mistakes(made, evaluation.judge.read(made.x))
    if config.latents and isinstance(run.model, Encodes) and run.schema == data.schema:
        complete = data.test[data.test.condition.present.all(1).nonzero()[:500, 0]]
        if len(complete):
            sheets["traversals"] = traversals(run.model, complete)
    if config.edits and can_be_measured(run, data.test):
        sheets["edits"] = edits_sheet(run, data.test)
    return sheets


# ---- samples


def by_request(made: Dataset) -> Sheet:
    """Samples by the requested named values, the most frequent combinations first, with numbers as captions."""
    rows = []
    for label, members in _requests(made.condition):
        captions = _measured(made.condition[members])
        rows.append((label, tuple(_picture(made.x[i], c) for i, c in zip(members.tolist(), captions, strict=True))))
    return Sheet("Samples by request", "Not chosen: the first samples of each request.", tuple(rows))


def _requests(asked: Condition) -> Iterator[tuple[str, Int[Tensor, " m"]]]:
    """The text of a request and its first samples, for the most frequent requests in the order of their values."""
    distinct, inverse, counts = named_codes(asked).unique(dim=0, return_inverse=True, return_counts=True)
    named = [a.name for a in asked.schema.discrete]
    for k in counts.argsort(descending=True, stable=True)[:MAX_ROWS].sort().values.tolist():
        members = (inverse == k).nonzero()[:MAX_COLUMNS, 0]
        text = asked[members[:1]].select(named).describe()[0] if distinct.shape[1] else "as in the data"
        yield text, members


def _measured(asked: Condition) -> list[str]:
    """The requested values of measured attributes, per sample."""
    numbers = [a.name for a in asked.schema.measured]
    return asked.select(numbers).describe() if numbers else [""] * len(asked)


def worst_mistakes(made: Dataset, read: Reading) -> Sheet:
    """Samples that the judge reads differently from the request, the most certain first."""
    told = made.condition
    doubt = torch.stack([-read.log_prob(a.name, told.values[a.name]) * told.given(a.name) for a in told.schema]).sum(0)
    missed = torch.stack([missed_by(read, told, name) for name in told.schema.names], dim=1)
    wrong = missed.any(1)
    order = doubt.argsort(descending=True)
    order = order[wrong[order]][:MAX_MISTAKES]
    rows = zip(told[order].rows(), read.condition[order].rows(), missed[order].tolist(), strict=True)
    shown = tuple(_picture(x, _mistake(*row)) for x, row in zip(made.x[order], rows, strict=True))
    note = f"Of {len(wrong):,} samples the judge reads {int(wrong.sum()):,} otherwise than asked; these most surely."
    return Sheet("Worst mistakes", note, (("", shown),) if shown else ())


def missed_by(read: Reading, told: Condition, name: str) -> Bool[Tensor, " n"]:
    """A mask of samples that missed an attribute. A number is missed if it is off by more than twice the judge's usual
    error.
    """
    return read.misread(name, told.values[name]) & told.given(name)


def _mistake(asked: Mapping[str, str | None], seen: Mapping[str, str | None], missed: list[bool]) -> str:
    """The request and the reading of the attributes that were missed."""
    wrong = [name for name, off in zip(asked, missed, strict=True) if off]
    return "; ".join(f"{name}={asked[name]} reads {seen[name]}" for name in wrong)


def nearest_training(made: Dataset, train: Dataset, among: int = 1_000) -> Sheet:
    """The samples nearest to a training image, relative to the next nearest, each beside its neighbours."""
    distance, index = nearest(made.x[:among], train.observations, 3)
    order = (distance[:, 0] / distance[:, 1].clamp(min=1e-9)).argsort()[:MAX_NEAREST].tolist()
    rows = []
    for i in order:
        beside = [_picture(x, f"at {d:.2f}") for x, d in zip(train.take(index[i]), distance[i].tolist(), strict=True)]
        rows.append((made.condition[i : i + 1].describe()[0], (_picture(made.x[i], "sample"), *beside)))
    note = "Each sample with its three nearest training images. Possible copies come first."
    return Sheet("Nearest training images", note, tuple(rows))


# ---- what the model makes of held-out images


@torch.inference_mode()
def traversals(model: Model, data: Dataset, dimensions: int = 6) -> Sheet:
    """The effect of single latent dimensions: one held-out image, decoded with each dimension moved across
    the prior.
    """
    one = data[:1]
    kl = kl_per_dimension(model, data[:500])
    use = posterior(model, data[:500]).mean.var(0) if kl is None else kl
    assert isinstance(model, Encodes)
    repeated = one.condition.to(model.device).repeat(len(STEPS))
    rows = []
    for k in use.argsort(descending=True)[:dimensions].tolist():
        noise = _moved(without_prior(model, posterior(model, one).mean, one.condition), k).to(model.device)
        x = model.decode(_latent(model, noise, repeated), repeated).cpu()
        pictures = tuple(_picture(image, f"{step:+.1f}") for image, step in zip(x, STEPS.tolist(), strict=True))
        rows.append((f"dimension {k} ({use[k]:.2f} {'nats' if kl is not None else 'variance'})", pictures))
    note = "One held-out image under its own condition. Each row moves one dimension, in standard deviations."
    return Sheet("Latent dimensions", note, tuple(rows))


def _latent(model: Model, noise: Float[Tensor, "n latent"], condition: Condition) -> Float[Tensor, "n latent"]:
    """The latent for noise of the prior. The inverse of `without_prior`."""
    return model.prior.from_noise(noise, model.condition_encoder(condition)) if isinstance(model, HasPrior) else noise


def _moved(noise: Float[Tensor, "1 latent"], dimension: int) -> Float[Tensor, "step latent"]:
    moved = noise.repeat(len(STEPS), 1)
    moved[:, dimension] = STEPS
    return moved


def edits_sheet(run: Run, data: Dataset, rows: int = 8, attributes: int = 6) -> Sheet:
    """Held-out images with their edits, one attribute at a time, for at most `attributes` attributes."""
    usable = data.condition.present.all(1).nonzero()[: max(rows, MIN_EDITS), 0]
    made = trials(run, Dataset(data.take(usable), data.condition[usable]), len(usable))
    changed = list(made.changed.items())[:attributes]
    told = made.originals.condition.describe()
    shown = tuple(
        (
            told[k],
            (_picture(made.originals.x[k], "original"), *(_picture(part.x[k], _to(part, k, a)) for a, part in changed)),
        )
        for k in range(min(rows, len(usable)))
    )
    return Sheet("Edits", "The model was not trained on the originals. One attribute is changed at a time.", shown)


def _to(part: Dataset, k: int, name: str) -> str:
    return part.condition[k : k + 1].select([name]).describe()[0]


def _picture(x: Tensor, caption: str = "") -> Picture:
    return Picture(pil_image(as_float(x)), caption)
