"""What is made ahead: in order, no more than may wait, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from small_run import begun

from snnlab.errors import InputError
from snnlab.training.loop import train
from snnlab.training.prefetching import prefetch


def test_what_is_made_ahead_comes_in_order_and_was_made_in_another_thread() -> None:
    made = list(prefetch((number, threading.get_ident()) for number in range(50)))
    assert [number for number, _ in made] == list(range(50))
    assert len({thread for _, thread in made}) == 1 and made[0][1] != threading.get_ident()


def test_no_more_is_made_than_may_wait() -> None:
    made, third = [], threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    with closing(prefetch(numbers(), 2)) as found:
        assert next(found) == 0
        assert third.wait(10)
        time.sleep(0.05)
        assert made == [0, 1, 2]


def test_what_their_making_raises_is_raised_where_they_are_wanted() -> None:
    def numbers() -> Iterator[int]:
        yield 0
        raise InputError("here", "a fault")

    found = prefetch(numbers())
    assert next(found) == 0
    with pytest.raises(InputError, match="here: a fault"):
        next(found)
    assert no_thread_left()


def test_closed_it_leaves_no_thread_and_makes_nothing_more() -> None:
    made = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    found = prefetch(numbers())
    next(found)
    found.close()
    assert no_thread_left()
    seen = len(made)
    time.sleep(0.05)
    assert len(made) == seen <= 4


def test_a_run_that_is_left_leaves_no_thread(tmp_path: Path) -> None:
    study = begun(tmp_path / "run")
    reports = train(study.config, study.directory)
    next(reports)
    assert not no_thread_left()
    reports.close()
    assert no_thread_left()


def no_thread_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
