"""The engine of many machines: actors of Ray, each of which holds the model."""

import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from condgen.bulk.engine import KEPT, Deaths, Work, must_be_some, usual_workers
from condgen.bulk.made import Made
from condgen.errors import RunError
from condgen.extras import explained

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}  # unless they are set


class Ray:
    """Actors on a Ray cluster. Each uses one core, or one GPU where the cluster has some.

    workers: their number. By default one per GPU, or one per core without a GPU.
    ray_address: of the cluster. By default RAY_ADDRESS, or else a Ray of this machine, which starts and ends with the
        work.

    Every machine needs condgen, and the model and the folder at the same addresses.

    Raises RequestError for a wrong number, and MissingExtraError without the package ray.
    """

    def __init__(self, workers: int | None = None, ray_address: str | None = None):
        must_be_some(workers)
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        with explained():
            import ray  # noqa: F401
        self._workers = workers
        self._address = ray_address or os.environ.get("RAY_ADDRESS")

    def run(self, job: Work, shards: Sequence[int]) -> Iterator[Made]:
        """The records of the shards, each when it is finished. The workers write; only records come back."""
        with _explained(), self._connected() as (workers, needs):
            yield from _Pool(job, needs).run(shards, min(workers, len(shards)))

    @contextmanager
    def _connected(self) -> Iterator[tuple[int, dict[str, int]]]:
        """A connection to Ray: the number of workers, and what each of them needs."""
        import ray

        already = ray.is_initialized()
        if not already:
            own = {} if self._address else {"num_cpus": self._workers or usual_workers(), "include_dashboard": False}
            ray.init(self._address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        try:
            there = ray.cluster_resources()
            kind = "GPU" if there.get("GPU", 0) else "CPU"
            needs = {"num_gpus": 1} if kind == "GPU" else {"num_cpus": 1}
            yield self._workers or max(int(there.get(kind, 1)), 1), needs
        finally:
            if not already:
                ray.shutdown()


class _Pool:
    """Actors, each of which makes one shard after the other. One that died is replaced by a new one."""

    def __init__(self, job: Work, needs: dict[str, int]):
        import ray

        self._job = ray.put(job)
        self._hire = ray.remote(**needs)(Actor)
        self._deaths = Deaths()

    def run(self, shards: Sequence[int], workers: int) -> Iterator[Made]:
        import ray
        from ray.exceptions import RayActorError

        todo, busy = deque(shards), dict[Any, tuple[Any, int]]()
        idle = [self._hire.remote([self._job]) for _ in range(workers)]
        while todo or busy:
            while todo and idle:
                actor, shard = idle.pop(), todo.popleft()
                busy[actor.make.remote(shard)] = actor, shard
            (ready,), _ = ray.wait([*busy], num_returns=1)
            actor, shard = busy.pop(ready)
            try:
                yield Made.loads(ray.get(ready))
            except RayActorError:
                self._deaths.count(shard, "without a word")
                todo.appendleft(shard)
                actor = self._hire.remote([self._job])
            idle.append(actor)


class Actor:
    """A worker of Ray.

    job: in a list, so that Ray passes the reference on, and an actor on any machine fetches the job when it starts.
    """

    def __init__(self, job: Sequence[Any]):
        self._job = job[0]
        self._make: Any = None

    def make(self, shard: int) -> bytes:
        """The record of a shard, as it is stored. The first call opens the model, so that its errors are a call's."""
        import ray

        if self._make is None:
            self._make = ray.get(self._job).start()
        record: bytes = self._make(shard).dumps()
        return record


@contextmanager
def _explained() -> Iterator[None]:
    """Turn an error in a worker into that error, and one of Ray itself into a RunError that says how to go on."""
    from ray.exceptions import RayError, RayTaskError

    try:
        yield
    except RayTaskError as error:
        raise error.cause from None
    except (RayError, ConnectionError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise RunError(
            f"Ray has ended the work: {(lines or [type(error).__name__])[0][:300].rstrip('.')}. {KEPT}"
        ) from None
