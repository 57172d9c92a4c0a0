"""Ctrl-C and SIGTERM during long commands."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Ctrl-C or SIGTERM, with the line to print and the exit code."""

    def __init__(self, line: str, code: int) -> None:
        self.code = code
        super().__init__(line)


class _Terminated(BaseException):
    """SIGTERM; not an Exception, like KeyboardInterrupt, so that error handlers let it pass."""


@contextmanager
def interruptible(line: str) -> Iterator[None]:
    """Raise Interrupted with this line for Ctrl-C and SIGTERM inside the ``with`` block."""

    def terminate(*_: object) -> None:
        raise _Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(line, 130) from None
    except _Terminated:
        raise Interrupted(line, 143) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
