"""The joint distribution of attributes as named arrays, as checkpoints and exported models hold it."""

from collections.abc import Mapping

import numpy as np

from condgen.arrays import Array, to_numpy
from condgen.schema.condition import Condition
from condgen.schema.distribution import LabelDistribution
from condgen.schema.schema import Schema


def stored(joint: LabelDistribution) -> dict[str, Array]:
    """A joint distribution as arrays."""
    values = {f"values/{name}": codes for name, codes in joint.rows.values.items()}
    return {**values, "present": joint.rows.present, "counts": joint.counts}


def restored(schema: Schema, arrays: Mapping[str, Array]) -> LabelDistribution:
    """The inverse of `stored`. Raises ValueError or KeyError if they are no such distribution."""
    counts, present = arrays["counts"], arrays["present"]
    values = {a.name: arrays[f"values/{a.name}"] for a in schema}
    rows, often = len(counts) if counts.ndim else 0, _numbers(counts)
    if not rows or counts.shape != (rows,) or not _finite(often) or not (often > 0).all():
        raise ValueError("the rows of the joint distribution do not say how often each occurs")
    if _numbers(present).dtype != np.bool_ or present.shape != (rows, len(schema)):
        raise ValueError("the joint distribution does not say which attributes its rows have")
    for a in schema:
        codes = _numbers(values[a.name])
        if codes.shape != (rows, *a.shape) or not _finite(codes):
            raise ValueError(f"the joint distribution has no numbers of the attribute '{a.name}'")
        if a.choices and not ((codes >= 0) & (codes <= len(a.choices) - 1)).all():
            raise ValueError(f"the joint distribution has values of '{a.name}' that there are not")
    return LabelDistribution(Condition(schema, values, present), counts)


def _numbers(array: Array) -> np.ndarray:
    """An array of NumPy. Raises ValueError for a type that NumPy lacks."""
    try:
        return to_numpy(array)
    except TypeError as error:
        raise ValueError(f"the joint distribution has numbers of another type: {error}") from None


def _finite(numbers: np.ndarray) -> bool:
    return bool(np.issubdtype(numbers.dtype, np.floating) and np.isfinite(numbers).all())
