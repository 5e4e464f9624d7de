"""Reading of an observation's condition by the model's own likelihood."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condgen.errors import RequestError
from condgen.models import Model
from condgen.models.protocols import HasLikelihood
from condgen.schema import Condition, LabelDistribution

BATCH = 500
FIRST = 64  # most frequent candidates, from the best of which the search starts
FINALISTS = 4  # candidates of each x that a rough estimate leaves

Pairs = Int[Tensor, "pair 2"]  # an observation and a candidate, by their indices


@torch.inference_mode()
def likeliest(
    model: Model, joint: LabelDistribution, x: Float[Tensor, "n ..."], samples: int = 8, most: int = 1000
) -> Condition:
    """The most likely condition of each x under the model: argmax over c of log p(x|c) + log p(c).

    Candidates are the `most` most frequent complete combinations of the joint distribution. The search goes from the
    best of the first of them to the best that differs in one attribute, as long as there is a better one, by estimates
    from one sample of the latent. Estimates from `samples` of them decide between the best.

    Raises RequestError for a model without a likelihood, or a distribution without a complete combination.
    """
    if not isinstance(model, HasLikelihood):
        raise RequestError(
            f"The model {model.recipe.get('model')} has no likelihood to read an image by. Say what the image shows "
            "(`source`)."
        )
    x = x.to(model.device)
    candidates, log_prior = _commonest(joint, most)
    rough = _climbed(model, x, candidates, log_prior)
    index = rough.topk(min(FINALISTS, len(candidates))).indices
    pairs = torch.stack([torch.arange(len(x)).repeat_interleave(index.shape[1]), index.flatten()], 1)
    scores = _log_likelihood(model, x, candidates, pairs, samples).view(index.shape) + log_prior[index]
    return candidates[index.gather(1, scores.argmax(1, keepdim=True)).squeeze(1)]


def _climbed(
    model: HasLikelihood, x: Float[Tensor, "n ..."], candidates: Condition, log_prior: Float[Tensor, " candidate"]
) -> Float[Tensor, "n candidate"]:
    """Rough estimates of log p(x, c) for the candidates on the way to the best one, and -∞ for all others."""
    scores = torch.full((len(x), len(candidates)), -torch.inf)
    wanted = torch.zeros_like(scores, dtype=torch.bool)
    wanted[:, :FIRST] = True
    while wanted.any():
        pairs = wanted.nonzero()
        scores[wanted] = _log_likelihood(model, x, candidates, pairs, 1) + log_prior[pairs[:, 1]]
        wanted = (_differences(candidates, scores.argmax(1)) <= 1) & scores.isneginf()
    return scores


def _differences(candidates: Condition, chosen: Int[Tensor, " n"]) -> Int[Tensor, "n candidate"]:
    """The number of attributes in which each candidate differs from the chosen ones."""
    codes = [values.reshape(len(candidates), -1) for values in candidates.values.values()]
    return torch.stack([(each[chosen, None] != each).any(-1) for each in codes]).sum(0)


def _log_likelihood(
    model: HasLikelihood, x: Float[Tensor, "n ..."], candidates: Condition, pairs: Pairs, samples: int
) -> Float[Tensor, " pair"]:
    """The estimate of log p(x|c) of each pair, in nats, on the CPU.

    Each part starts from the same seed, so that a flow compares all candidates along the same directions.
    """
    parts = [
        model.log_likelihood(
            x[part[:, 0]],
            candidates[part[:, 1]].to(x.device),
            samples,
            torch.Generator(x.device).manual_seed(0),
        ).cpu()
        for part in pairs.split(BATCH)
    ]
    return torch.cat(parts)


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
