"""Reading of an observation's condition by the model's own likelihood."""

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import Model
from condgen.models.protocols import HasLikelihood
from condgen.schema import Condition, LabelDistribution

BATCH = 500


@torch.inference_mode()
def likeliest(
    model: Model, joint: LabelDistribution, x: Float[Tensor, "n ..."], samples: int = 8, most: int = 64
) -> Condition:
    """The most likely condition of each x under the model: argmax over c of log p(x|c) + log p(c).

    Candidates are the `most` most frequent complete combinations of the joint distribution.
    samples: number of samples for the estimate of the likelihood.

    Raises RequestError for a model without a likelihood, or a distribution without a complete combination.
    """
    if not isinstance(model, HasLikelihood):
        raise RequestError(
            f"The model {model.recipe.get('model')} has no likelihood to read an image by. Say what the image shows "
            "(`source`)."
        )
    candidates, log_prior = _commonest(joint, most)
    repeated = x.to(model.device).repeat_interleave(len(candidates), 0)
    asked = candidates[torch.arange(len(candidates)).repeat(len(x))].to(model.device)
    generator = torch.Generator(model.device).manual_seed(0)
    scores = [
        model.log_likelihood(repeated[k : k + BATCH], asked[k : k + BATCH], samples, generator)
        for k in range(0, len(repeated), BATCH)
    ]
    best = (torch.cat(scores).cpu().view(len(x), -1) + log_prior).argmax(1)
    return candidates[best]


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
