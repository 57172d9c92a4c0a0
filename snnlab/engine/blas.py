"""NumPy's matrix products on one thread, for a block of code.

A product that is spread over all cores leaves their threads spinning for a while, in the way of the engine's own; and
its sums would depend on how many there are.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[object]:
    """For a `with` block, in which every matrix product of NumPy's runs on the calling thread alone."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
