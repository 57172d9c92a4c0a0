"""The number of threads is one setting, per context."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context

import pytest
from errors_in_tests import raises_input_error

from snnlab.native import cores, thread_count, threads


def test_the_default_is_one_thread_per_core() -> None:
    assert Context().run(thread_count) == cores() >= 1


def test_a_block_sets_the_count_and_restores_it() -> None:
    before = thread_count()
    with threads(3):
        assert thread_count() == 3
        with threads(5):
            assert thread_count() == 5
        with threads(None):
            assert thread_count() == 3
        assert thread_count() == 3
    assert thread_count() == before


def test_the_count_is_restored_after_an_error() -> None:
    before = thread_count()
    with pytest.raises(ZeroDivisionError), threads(3):
        raise ZeroDivisionError
    assert thread_count() == before


def test_another_thread_sees_the_setting_in_a_copied_context_only() -> None:
    with threads(7), ThreadPoolExecutor(1) as pool:
        assert pool.submit(thread_count).result() == cores()
        assert pool.submit(copy_context().run, thread_count).result() == 7


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_1_is_refused(count: int) -> None:
    with raises_input_error("threads", str(count), "1"), threads(count):
        pass
