"""Actors of Ray on this machine. A Ray takes ten seconds to start, so one serves all tests."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from condgen.bulk.generate import generate
from condgen.errors import RunError
from condgen.progress import SILENT
from condgen.runs.run import Run
from tests.bulk.jobs import Here, Pretended
from tests.unchecked import unchecked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="the engine of Ray; pip install 'condgen[ray]' runs its tests")
    from condgen.bulk.on_ray import Ray

    made = Ray(2)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()


def made(engine: Any, job: Any, n: int) -> list[int]:
    return sorted(each.shard for each in engine.run(job, range(n)))


def test_a_shard_whose_worker_is_killed_is_made_by_another(engine: Any, tmp_path: Path) -> None:
    job = Pretended(tmp_path, deadly={2: 2})
    assert made(engine, job, 6) == [*range(6)]
    assert len([*tmp_path.glob("death-2-*")]) == 2


def test_a_shard_that_kills_its_workers_is_given_up(engine: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Shard 1 ended 3 workers"):
        made(engine, Pretended(tmp_path, deadly={1: 9}), 3)
    assert len([*tmp_path.glob("death-1-*")]) == 3


def test_an_error_in_a_worker_is_raised_here(engine: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="this shard cannot be made"):
        made(engine, Pretended(tmp_path, wrong=1), 4)


def test_the_shards_have_the_bytes_of_one_process(engine: Any, run: Run, tmp_path: Path) -> None:
    with unchecked():
        for name, how in (("ray", engine), ("here", Here())):
            generate(run, "digit=4|9", 600, tmp_path / name, engine=how, shard=250, progress=SILENT)
    names = sorted(file.name for file in (tmp_path / "here").iterdir() if file.is_file())
    assert names == sorted(file.name for file in (tmp_path / "ray").iterdir() if file.is_file())
    assert [(tmp_path / "ray" / name).read_bytes() for name in names] == [
        (tmp_path / "here" / name).read_bytes() for name in names
    ]
