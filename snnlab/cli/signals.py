"""What a long command says when it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Ctrl-C, or a request of the system to end, while there is something to say about it; and the exit code."""

    def __init__(self, line: str, code: int) -> None:
        self.code = code
        super().__init__(line)


class _Terminated(BaseException):
    """SIGTERM; like KeyboardInterrupt not an Exception, so that nobody takes it for a failure."""


@contextmanager
def interruptible(line: str) -> Iterator[None]:
    """Where Ctrl-C and SIGTERM become Interrupted, with a line that says how to go on."""

    def terminate(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(line, 130) from None
    except _Terminated:
        raise Interrupted(line, 143) from None
    finally:
        signal.signal(signal.SIGTERM, before)
