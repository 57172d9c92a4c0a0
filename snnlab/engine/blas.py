"""NumPy's matrix products in a single thread.

A product on all cores leaves BLAS threads spinning for a while, which slows the engine's own threads down, and its
rounding depends on the number of threads.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[object]:
    """A context in which NumPy computes every matrix product in the calling thread."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
