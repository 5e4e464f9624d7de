"""The best of several candidates per image (rejection by a critic or a judge).

Candidate 1 of seed s is the sample of that seed, and the others have noise of their own. So image k is the best of the
same candidates in any batch, and more candidates never make it worse in the eyes of the one that chooses.
"""

from collections.abc import Iterator, Sequence

from condgen.arrays import Array, Float, Int, namespace
from condgen.rng import NumpyRng, Stream

MOST = 64  # largest number of candidates
APART = 2**40  # between the streams of candidates: seeds are smaller


def candidates(seeds: Int[Array, " batch"], n: int) -> Iterator[NumpyRng]:
    """The noise of n candidates for each seed, the first of which is the seed's own."""
    yield Stream.NOISE.rng(seeds)
    for k in range(n - 1):
        yield Stream.CANDIDATES.rng(k * APART + seeds)


def best(
    found: Sequence[Float[Array, "batch ..."]], scores: Sequence[Float[Array, " batch"]]
) -> Float[Array, "batch ..."]:
    """Of each sample's candidates the one with the highest score, and of equal ones the first."""
    xp = namespace(found[0])
    chosen = xp.argmax(xp.stack(list(scores)), 0)
    together = xp.stack(list(found))
    return together[chosen, xp.arange(len(found[0]))]
