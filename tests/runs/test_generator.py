"""Whatever answers requests with samples is asked in one way."""

from pathlib import Path

import pytest

from condgen.errors import RunError
from condgen.runs.generator import Generator, open_generator
from condgen.runs.run import Run


def test_a_run_is_a_generator_and_opens_as_one(run: Run) -> None:
    assert isinstance(run, Generator)
    opened = open_generator(run.path)
    (samples,) = opened.stream(opened.requests("digit=7"), 4, seed=3)
    assert samples.x.equal(run.sample("digit=7", n=4, seed=3).x)
    assert opened.schema == run.schema


def test_where_nothing_is_nothing_is_opened(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        open_generator(tmp_path)
    assert not isinstance(object(), Generator)
