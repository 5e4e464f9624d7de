"""The parts of a run's header about its data and its teacher."""

from typing import Any

import pytest

from condgen.data import DataSource
from condgen.errors import CondgenError, RunError
from condgen.runs.header import Teacher, coordinates_of, source_of, teacher_of
from condgen.training.checkpoint import Info


def header(shape: tuple[int, ...] = (1, 8, 8), **data: Any) -> Info:
    return Info(recipe={}, shape=shape, schema={}, training={}, data=data)


def test_built_in_data_has_no_settings_of_files_which_earlier_versions_accepted() -> None:
    settings = {"resize": "pad", "broken": 0.5}
    built_in, files = (source_of(header(source=name, **settings)) for name in ("digits", "pictures"))
    assert (built_in.resize, built_in.broken) == (DataSource().resize, DataSource().broken)
    assert (files.resize, files.broken) == ("pad", 0.5)
    assert source_of(header()).address is None


def test_only_vectors_have_coordinates() -> None:
    assert coordinates_of(header(coordinates={"names": ["a", "b"]})) is None
    found = coordinates_of(header((2,)))
    assert found is not None
    assert found.names == ("x0", "x1")
    with pytest.raises(CondgenError, match="coordinates"):
        coordinates_of(header((3,), coordinates={"names": ["a"]}))


@pytest.mark.parametrize("guidance", [2.0, {"digit": 1.5}])
def test_a_teacher_is_read(guidance: Any) -> None:
    assert teacher_of(header(teacher={"path": "a", "guidance": guidance})) == Teacher("a", guidance)
    assert teacher_of(header()) is None


@pytest.mark.parametrize(
    "content", [7, {"path": "a"}, {"path": "a", "guidance": float("inf")}, {"path": [], "guidance": 1}]
)
def test_a_teacher_that_is_none_is_told(content: Any) -> None:
    with pytest.raises(RunError, match="teacher of the run cannot be read"):
        teacher_of(header(teacher=content))
