"""Directions of the noise that change samples most, and samples moved along them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from condgen.arrays import Array, Float, floats, to_numpy
from condgen.errors import RequestError
from condgen.rng import Stream
from condgen.runs.answering import Answering
from condgen.runs.noise import Change, changed
from condgen.runs.samples import Samples
from condgen.runs.sampling import BATCH, Part, SamplingOptions
from condgen.schema import Condition

MOST_NUMBERS = 128  # of noise. Beyond it each single direction changes almost nothing.
OBSERVED = 16  # samples at which directions are measured
STEP = 0.5  # length of a measuring step, in standard deviations


@dataclass(frozen=True)
class Directions:
    """Orthogonal directions of the noise, the one with the largest effect first.

    vectors: [direction, number], each of length one.
    shares: of the effect of all noise, [direction]. They add up to 1 over all directions.
    """

    vectors: Float[np.ndarray, "direction number"]
    shares: Float[np.ndarray, " direction"]


def noise_size(generator: Answering) -> int:
    """The number of numbers of the noise that one sample begins with: of its latent, or of a whole image."""
    sizes: list[int] = []

    def measured(noise: Any) -> Any:
        sizes.append(math.prod(noise.shape[1:]))
        return noise

    condition = _conditions(generator, 1)
    generator.from_streams(condition, changed(generator.numbers(range(1)), measured))
    return sizes[0] if sizes else 0


def directions(generator: Answering, most: int = 6) -> Directions:
    """The `most` directions that change samples most, on average over conditions of the data.

    They are the first eigenvectors of the mean of JᵀJ, where J is the derivative of a sample by its noise, measured by
    central differences (compare Zhu et al. 2021, section 3.1). Raises RequestError for noise of more than 128 numbers.
    """
    size = noise_size(generator)
    if not 0 < size <= MOST_NUMBERS:
        raise RequestError(
            f"Directions are measured in noise of at most {MOST_NUMBERS} numbers, and this model has {size:,}."
        )
    jacobian = _jacobian(generator, size)
    values, vectors = np.linalg.eigh(np.einsum("sip,sjp->ij", jacobian, jacobian))
    order = values.argsort()[::-1][:most]
    return Directions(_facing(vectors.T[order]).astype(np.float32), values[order] / max(values.sum(), 1e-12))


def moved(
    generator: Answering,
    parts: Sequence[Part],
    moves: Float[np.ndarray, "n number"],
    sampling: SamplingOptions | None = None,
) -> Samples:
    """The samples of requests, each with its noise moved by its own vector."""
    return generator.together(parts, sampling, _moving(moves))


def _jacobian(generator: Answering, size: int) -> np.ndarray:
    """The derivatives of samples by their noise, [sample, number, value]."""
    steps = STEP * np.concatenate([np.eye(size), -np.eye(size)]).astype(np.float32)
    conditions, seeds = _conditions(generator, OBSERVED), range(OBSERVED)
    moves, index = np.tile(steps, (OBSERVED, 1)), [k for k in seeds for _ in steps]
    x = np.concatenate(
        [
            to_numpy(_at(generator, conditions, index[k : k + BATCH], moves[k : k + BATCH]))
            for k in range(0, len(moves), BATCH)
        ]
    ).reshape(OBSERVED, 2, size, -1)
    jacobian: np.ndarray = (x[:, 0] - x[:, 1]) / (2 * STEP)
    return jacobian


def _at(generator: Answering, conditions: Condition, index: list[int], moves: np.ndarray) -> Array:
    rows = generator.numbers(index)
    return generator.from_streams(conditions[rows], changed(rows, _moving(moves)))


def _moving(moves: np.ndarray) -> Change:
    """The change that adds a vector to each sample's noise."""

    def move(noise: Any) -> Any:
        return noise + floats(moves.tolist(), noise).reshape(noise.shape)

    return move


def _conditions(generator: Answering, n: int) -> Condition:
    return generator.joint.draw({}, Stream.CONDITION.rng(generator.numbers(range(n))))


def _facing(vectors: np.ndarray) -> np.ndarray:
    """The vectors with the sign that makes each one's largest number positive, so that they are the same every time."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(1)[:, None], 1)
    facing: np.ndarray = vectors * np.sign(largest)
    return facing
