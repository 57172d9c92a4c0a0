"""How many threads compiled code uses. No result depends on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from snnlab.errors import InputError

_COUNT: ContextVar[int | None] = ContextVar("threads", default=None)


def cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def thread_count() -> int:
    """Number of threads that compiled code uses: that of the enclosing `threads` block, else one per core."""
    return _COUNT.get() or cores()


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let compiled code use `count` threads within a `with` block; None keeps the current number.

    The setting is a context variable: another thread starts with one thread per core unless it runs in a copy of the
    caller's context (``contextvars.copy_context().run``).

    Raises InputError if the count is below 1.
    """
    if count is not None and count < 1:
        raise InputError("threads", f"got {count}", "must be at least 1, or None for the current number")
    before = _COUNT.get()
    _COUNT.set(before if count is None else count)
    try:
        yield
    finally:
        _COUNT.set(before)  # without a token: a generator may end in another context than it started in
