"""Set Brian2 up for one run, in this process with NumPy or as a C++ program, and restore its settings afterwards."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2.devices.device import get_device, reset_device, runtime_device
from brian2.utils.logger import catch_logs
from rich.console import Console
from rich.progress import Progress

from snnlab import native
from snnlab.brian.error_messages import as_input_error
from snnlab.brian.preferences import code_target
from snnlab.errors import InputError

COMPILE_SECONDS = 6.0
"""Expected NumPy time from which compiling C++ is faster."""

REPORT_PERIOD = 0.2
"""Seconds between two updates of the progress bar."""

_REPORT_CPP = (
    r"""std::cerr << "\rsimulated " << int(100*completed) << " %" << (completed < 1 ? "" : "\n") << std::flush;"""
)

# What Brian2's files include, precompiled while Brian2 is still writing them.
_HEADER = "standard.h"
_STANDARD = "".join(
    f"#include <{name}>\n"
    for name in "algorithm climits cmath ctime fstream iostream map random set string vector".split()
)

_REPORTED_AS_ERRORS = ("invalid_values", "unused_brian_object")  # warnings of Brian2 that snnlab raises as InputError


@contextmanager
def runtime(seed: int) -> Iterator[None]:
    """Set Brian2 for one run in this process; afterwards its settings and random state are restored."""
    with code_target("numpy"), _settings():
        random_state = runtime_device.get_random_state()
        brian2.seed(seed % 2**32)
        try:
            # an overflow is detected by the values that it leaves
            with np.errstate(all="ignore"):
                yield
        finally:
            runtime_device.set_random_state(random_state)


@contextmanager
def _settings() -> Iterator[None]:
    """Fix preferences that change results or hide an interruption, and pass Brian2's log on as Python warnings."""
    fixed = {"core.stop_on_keyboard_interrupt": False, "devices.cpp_standalone.openmp_threads": 0}
    previous = {name: brian2.prefs[name] for name in fixed}
    for name, value in fixed.items():
        brian2.prefs[name] = value
    try:
        with catch_logs() as log:
            yield
    finally:
        for name, value in previous.items():
            brian2.prefs[name] = value
    for _, name, message in log:
        if not name.endswith(_REPORTED_AS_ERRORS):
            warnings.warn(message, stacklevel=2)


@contextmanager
def compiled(seed: int, progress: bool) -> Iterator[Callable[[brian2.Network, float], None]]:
    """Set Brian2 for a C++ program; yields run(network, seconds) for a network that is built in the block.

    The network's values can be read until the block ends.
    """
    with (
        tempfile.TemporaryDirectory(prefix="snnlab-") as folder,
        ThreadPoolExecutor(1) as executor,
        _standalone() as device,
    ):
        Path(folder, _HEADER).write_text(_STANDARD, encoding="utf-8")
        precompiled = executor.submit(native.precompile, Path(folder), _HEADER)
        brian2.seed(seed)

        def run(network: brian2.Network, seconds: float) -> None:
            with as_input_error("circuit"):
                network.run(
                    seconds * brian2.second,
                    namespace={},
                    report=_REPORT_CPP if progress else None,
                    report_period=REPORT_PERIOD * brian2.second,
                )
                device.build(directory=folder, compile=False, run=False)
            with Console(stderr=True, quiet=not progress).status("compiling"):
                precompiled.result()
                native.program(Path(folder), list(device.writer.source_files), header=_HEADER)
            # Brian2 prints the program's output when it fails, which only a signal or lack of memory can cause
            with as_input_error("compiled simulation"), contextlib.redirect_stdout(io.StringIO()):
                device.run(folder, with_output=False)

        yield run


@contextmanager
def _standalone() -> Iterator[Any]:
    """Brian2's C++ device, empty, for one block. Raises InputError if the caller already uses one."""
    if type(get_device()).__name__ != "RuntimeDevice":
        hint = "simulate before set_device, or use the target 'numpy'"
        raise InputError("target", "Brian2's C++ device is in use", hint)
    brian2.set_device("cpp_standalone", build_on_run=False)
    device = get_device()
    device.reinit()
    device.activate(build_on_run=False)
    try:
        with _settings():
            yield device
    finally:
        device.reinit()
        reset_device()


@contextmanager
def progress_bar(samples: int, shown: bool) -> Iterator[Callable[[int], Callable[..., None] | None]]:
    """Show a progress bar over all samples; yields a function sample -> Brian2's report callback, or None."""
    if not shown:
        yield lambda sample: None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulating", total=samples)
        yield lambda sample: lambda elapsed, done, start, duration: progress.update(task, completed=sample + done)
