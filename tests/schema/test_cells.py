"""Cells that hold no value."""

import numpy as np
import pandas as pd
import pytest

from condgen.schema.cells import missing


@pytest.mark.parametrize("cell", [None, "", " N/A ", float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_gaps_of_every_library_are_missing(cell: object) -> None:
    assert missing(cell)


@pytest.mark.parametrize("cell", [0, False, np.bool_(False), 0.0, "no", (float("nan"),), [], np.zeros(3), ["a"]])
def test_values_are_not_missing(cell: object) -> None:
    assert not missing(cell)
