"""Reading of an observation's condition by the model's own likelihood."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import Model
from condgen.models.protocols import HasLikelihood
from condgen.schema import Condition, LabelDistribution

BATCH = 500
FINALISTS = 4  # candidates of each x that a rough estimate leaves


@torch.inference_mode()
def likeliest(
    model: Model, joint: LabelDistribution, x: Float[Tensor, "n ..."], samples: int = 8, most: int = 1000
) -> Condition:
    """The most likely condition of each x under the model: argmax over c of log p(x|c) + log p(c).

    Candidates are the `most` most frequent complete combinations of the joint distribution. One sample of the latent
    orders them roughly, and `samples` of them decide between the best.

    Raises RequestError for a model without a likelihood, or a distribution without a complete combination.
    """
    if not isinstance(model, HasLikelihood):
        raise RequestError(
            f"The model {model.recipe.get('model')} has no likelihood to read an image by. Say what the image shows "
            "(`source`)."
        )
    x = x.to(model.device)
    candidates, log_prior = _commonest(joint, most)
    index = torch.arange(len(candidates)).expand(len(x), -1)
    if len(candidates) > FINALISTS:
        rough = _log_likelihood(model, x, candidates, index, 1) + log_prior
        index = rough.topk(FINALISTS).indices
    scores = _log_likelihood(model, x, candidates, index, samples) + log_prior[index]
    return candidates[index.gather(1, scores.argmax(1, keepdim=True)).squeeze(1)]


def _log_likelihood(
    model: HasLikelihood, x: Float[Tensor, "n ..."], candidates: Condition, index: Int[Tensor, "n k"], samples: int
) -> Float[Tensor, "n k"]:
    """The estimate of log p(x|c) of each x under its own k of the candidates, in nats, on the CPU."""
    generator = torch.Generator(x.device).manual_seed(0)
    rows = torch.arange(len(x)).repeat_interleave(index.shape[1])
    parts = [
        model.log_likelihood(x[row], candidates[chosen].to(x.device), samples, generator).cpu()
        for row, chosen in zip(rows.split(BATCH), index.flatten().split(BATCH), strict=True)
    ]
    return torch.cat(parts).view(index.shape)


def _commonest(joint: LabelDistribution, most: int) -> tuple[Condition, Float[Tensor, " candidate"]]:
    """The most frequent complete combinations, and the logarithms of their frequencies."""
    complete = joint.rows.present.all(1)
    if not complete.any():
        raise RequestError(
            "No training example has all its labels, so the model cannot read them from an image. Say what it shows "
            "(`source`)."
        )
    counts = joint.counts * complete
    order = counts.argsort(descending=True)[: min(most, int(complete.sum()))]
    return joint.rows[order], counts[order].log()
