"""One formula for arrays of both libraries."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from condgen.arrays import floats, namespace, to_numpy
from condgen.schema import Continuous


def test_a_function_follows_the_array_that_it_is_given() -> None:
    assert namespace(np.zeros(2)) is np
    assert namespace(torch.zeros(2)).concat([torch.zeros(2), torch.ones(1)]).tolist() == [0, 0, 1]


@pytest.mark.parametrize("like", [np.zeros(1, np.int64), torch.zeros(1, dtype=torch.long)], ids=["numpy", "torch"])
def test_numbers_become_floats_of_the_same_library(like: torch.Tensor) -> None:
    made = floats([1, 2.5], like)
    assert type(made) is type(like)
    assert str(made.dtype).endswith("float32")
    assert made.tolist() == [1.0, 2.5]


def test_arrays_of_either_library_become_numpy() -> None:
    given = np.arange(3.0)
    assert to_numpy(given) is given
    assert to_numpy(torch.ones(2, requires_grad=True) * 2).tolist() == [2.0, 2.0]


def test_arrays_of_numpy_need_no_pytorch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import numpy, condgen.arrays as a; print(a.namespace(numpy.ones(1)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("<module 'numpy'")


def test_shapes_are_checked_here_and_cost_nothing_elsewhere() -> None:
    with pytest.raises(Exception, match="violates type hint"):
        Continuous(name="x", low=0, high=1).decode(torch.zeros(3, dtype=torch.long))
    code = "import sys, condgen.arrays as a; print(a.Float[a.Array, 'batch'], 'jaxtyping' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "typing.Any False\n"
