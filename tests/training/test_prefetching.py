"""Prefetching: in order, limited in number, and without leftover threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from errors_in_tests import raises_input_error
from small_run import create_run

from snnlab.errors import InputError
from snnlab.training.loop import train
from snnlab.training.prefetching import prefetch


def test_items_come_in_order_from_a_single_other_thread() -> None:
    items = list(prefetch((number, threading.get_ident()) for number in range(50)))
    assert [number for number, _ in items] == list(range(50))
    assert len({thread for _, thread in items}) == 1 and items[0][1] != threading.get_ident()


def test_no_more_items_than_allowed_are_produced_ahead() -> None:
    produced, third = [], threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(10):
            produced.append(number)
            if number == 2:
                third.set()
            yield number

    with closing(prefetch(numbers(), 2)) as items:
        assert next(items) == 0
        assert third.wait(10)
        time.sleep(0.05)
        assert produced == [0, 1, 2]


def test_an_exception_of_the_iterator_is_raised_in_the_caller() -> None:
    def numbers() -> Iterator[int]:
        yield 0
        raise InputError("here", "a fault")

    items = prefetch(numbers())
    assert next(items) == 0
    with raises_input_error("here", "a fault"):
        next(items)
    assert no_thread_left()


def test_close_ends_the_thread_and_the_production() -> None:
    produced = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            produced.append(number)
            yield number

    items = prefetch(numbers())
    next(items)
    items.close()
    assert no_thread_left()
    number = len(produced)
    time.sleep(0.05)
    assert len(produced) == number <= 4


def test_an_interrupted_training_leaves_no_thread(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run")
    reports = train(run.config, run.directory)
    next(reports)
    assert not no_thread_left()
    reports.close()
    assert no_thread_left()


def no_thread_left() -> bool:
    return not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
