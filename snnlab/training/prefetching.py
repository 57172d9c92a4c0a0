"""Prefetching: encode the next batches in another thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

_Item = TypeVar("_Item")

_AHEAD = 2  # items


def prefetch(items: Iterator[_Item], ahead: int = _AHEAD) -> Generator[_Item, None, None]:
    """The same items in the same order, produced in another thread while the caller works, at most `ahead` in advance.

    An exception of the iterator is raised here. `close` waits only for the item in production.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    context = copy_context()  # for the number of threads

    def produce() -> _Item | None:
        return context.run(next, items, None)

    try:
        waiting = deque(pool.submit(produce) for _ in range(ahead))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(produce))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
