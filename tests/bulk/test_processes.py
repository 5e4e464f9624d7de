import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from condgen.bulk.processes import Processes
from condgen.errors import RequestError, RunError
from tests.bulk.jobs import Pretended


def made(job: Any, n: int, workers: int) -> list[int]:
    return sorted(each.shard for each in Processes(workers).run(job, range(n)))


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_workers_make_all_shards_and_end(tmp_path: Path) -> None:
    job = Pretended(tmp_path, slow=0.05)
    assert made(job, 12, workers=2) == [*range(12)]
    assert len(job.workers) == 2
    assert alive(job.workers) == []


def test_a_shard_whose_worker_is_killed_is_made_by_another(tmp_path: Path) -> None:
    job = Pretended(tmp_path, deadly={2: 2, 5: 1})
    assert made(job, 8, workers=2) == [*range(8)]
    assert len([*tmp_path.glob("death-2-*")]) == 2


def test_a_shard_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    job = Pretended(tmp_path, deadly={1: 9})
    with pytest.raises(RunError, match="Shard 1 ended 3 workers, one after the other, the last by the signal SIGKILL"):
        made(job, 3, workers=1)
    assert len([*tmp_path.glob("death-1-*")]) == 3
    assert alive(job.workers) == []


def test_an_error_in_a_worker_is_raised_here(tmp_path: Path) -> None:
    job = Pretended(tmp_path, wrong=3)
    with pytest.raises(RunError, match="this shard cannot be made"):
        made(job, 20, workers=2)
    assert alive(job.workers) == []


def test_workers_end_with_whoever_asked(tmp_path: Path) -> None:
    job = Pretended(tmp_path, slow=0.3)
    waiting = Processes(2).run(job, range(100))
    next(waiting)
    waiting.close()  # type: ignore[attr-defined]
    assert alive(job.workers) == []


DRIVER = """
from pathlib import Path
from condgen.bulk.processes import Processes
from tests.bulk.jobs import Pretended
list(Processes(2).run(Pretended(Path({folder!r}), slow=600), range(4)))
"""


def test_workers_of_a_killed_process_end(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    driver = subprocess.Popen([sys.executable, "-c", DRIVER.format(folder=str(tmp_path))], env=environment)
    job = Pretended(tmp_path)
    try:
        _until(lambda: len(job.workers) == 2)
        assert len(alive(job.workers)) == 2
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    _until(lambda: alive(job.workers) == [])


def _until(true: Any, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_there_is_at_least_one_worker() -> None:
    with pytest.raises(RequestError, match="at least 1 worker"):
        Processes(0)
