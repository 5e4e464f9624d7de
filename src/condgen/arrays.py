"""Arrays of NumPy or of PyTorch. A function follows the library of the array that it is given.

    xp = namespace(codes)
    xp.where(codes > 0.5, 1.0, -1.0)

Both are asked by the names of the array API standard (https://data-apis.org/array-api), which NumPy has itself and
array-api-compat gives PyTorch. A model that was exported answers with NumPy, where PyTorch need not be installed.
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING or sys.modules.get("jaxtyping"):  # tests check the shapes, and import it first
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Int as Int
    from jaxtyping import Shaped as Shaped
    from jaxtyping import UInt8 as UInt8
else:  # elsewhere nobody reads them, and importing it would take longer than all of `condgen.schema`

    class _Shapes:
        def __class_getitem__(cls, shape: object) -> Any:
            return Any

    Bool = Float = Int = Shaped = UInt8 = _Shapes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Array = Tensor
    Device = torch.device
else:
    Array = Device = Any  # in annotations, which must not import PyTorch: Float[Array, "batch width"]


def namespace(x: Array) -> Any:
    """The library of an array: its functions and types, by the names of the array API."""
    return np if isinstance(x, np.ndarray | np.generic) else pytorch()


@cache
def pytorch() -> Any:
    """PyTorch by the names of the array API: the library of arrays that are made without another to follow."""
    import array_api_compat.torch

    return array_api_compat.torch


def inference(x: Array) -> AbstractContextManager[object]:
    """Computation with the library of an array that keeps nothing for gradients."""
    if isinstance(x, np.ndarray):
        return nullcontext()
    import torch

    return torch.inference_mode()


def floats(numbers: float | Sequence[Any] | Array, like: Array) -> Array:
    """Numbers as 32-bit floats, in the library and on the device of another array."""
    xp = namespace(like)
    return xp.asarray(numbers, dtype=xp.float32, device=like.device)


def float32(x: Array) -> Array:
    """An array's numbers as 32-bit floats."""
    return x.astype(np.float32, copy=False) if isinstance(x, np.ndarray | np.generic) else x.float()


def moved(x: Array, device: Device | str) -> Array:
    """An array on another device. Arrays of NumPy stay, since they have only one.

    Nothing waits for a copy to an accelerator. A copy to the CPU is complete, since it may be read at once.
    """
    return x if isinstance(x, np.ndarray) else x.to(device, non_blocking=str(device) != "cpu")


def distinct_rows(x: Array) -> tuple[Array, Array]:
    """The distinct rows of a matrix, in the order of their first numbers, and the index of each row among them."""
    if isinstance(x, np.ndarray):
        return np.unique(x, axis=0, return_inverse=True)
    return x.unique(dim=0, return_inverse=True)


def spread(count: int, n: int, like: Array) -> Array:
    """n indices of `count` things, evenly spread from the first to the last."""
    return namespace(like).arange(n, device=like.device) * (count - 1) // max(n - 1, 1)


def to_numpy(x: Array) -> np.ndarray:
    """An array of NumPy with the same numbers, which shares memory where it can."""
    return x if isinstance(x, np.ndarray) else x.detach().cpu().numpy()
