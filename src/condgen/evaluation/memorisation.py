"""Memorisation: does a model give back its training data, or the same sample again and again?"""

from dataclasses import dataclass

from condgen.evaluation.estimate import Estimate


@dataclass(frozen=True)
class Memorisation:
    """What nearest neighbours say, each beside what they say of held-out real data.

    copies, copies_real:         share of samples (of held-out observations) much nearer to one training observation
                                 than to any other.
    nearer:                      share of samples nearer to training data than to as much held-out data; 0.5 if it makes
                                 no difference what was trained on.
    duplicates, duplicates_real: share of samples (of held-out observations) with a twin among themselves.
    """

    copies: Estimate
    copies_real: Estimate
    nearer: Estimate
    duplicates: Estimate
    duplicates_real: Estimate
