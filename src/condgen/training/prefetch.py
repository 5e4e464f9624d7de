"""Preparation of the next batch while the current one trains."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def ahead(items: Iterable[Item], ready: int = 2) -> Iterator[Item]:
    """The same items in the same order. A thread prepares the next `ready` ones.

    An error in preparing an item is raised when that item is requested. Work ends with the iterator.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="next batch") as pool:
        waiting: deque[Future[object]] = deque(pool.submit(next, source, _END) for _ in range(ready))
        try:
            while (item := waiting.popleft().result()) is not _END:
                waiting.append(pool.submit(next, source, _END))
                yield item  # type: ignore[misc]
        finally:
            pool.shutdown(cancel_futures=True)
