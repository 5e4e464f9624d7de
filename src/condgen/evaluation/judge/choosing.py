"""The judge that chooses the best of several candidates, for models without a critic.

It is another one than the judge of evaluations: of another seed, so that no judge chooses the samples that it judges.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from condgen.data import Splits
from condgen.evaluation.judge.judge import Judge, judge_for
from condgen.pixels import as_uint8
from condgen.progress import shown
from condgen.schema import Condition

SEED = 1  # of its training; the judge of evaluations has 0


def scorer(data: Callable[..., Splits], device: torch.device) -> Callable[[Tensor, Condition], Tensor]:
    """log q(c|x) of observations by this judge, which is trained once and then cached.

    data: loads what it learns from, and takes the `progress`.
    """
    progress = shown()
    learned = data(progress=progress)
    progress.note("A judge that chooses among candidates, trained on real data once and then cached …")
    judge = judge_for(learned, progress=progress, advise=False, seed=SEED).to(device)
    return lambda x, condition: log_likelihood(judge, x, condition)


def log_likelihood(judge: Judge, x: Tensor, condition: Condition) -> Tensor:
    """log q(c|x) of the attributes that conditions give, summed, [batch]. Images are read as they would be saved."""
    read = judge.read(as_uint8(x) if x.dim() == 4 else x)
    known = [
        read.log_prob(name, condition.values[name].cpu()).where(condition.given(name).cpu(), 0.0)
        for name in condition.schema.names
    ]
    return torch.stack(known).sum(0)
