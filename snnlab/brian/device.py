"""Brian2 lent for one run: in this process through NumPy, or for a C++ program of its own; afterwards as it was."""

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

COMPILING = 6.0
"""Seconds that NumPy may take before the C++ compiler pays."""

REPORT = 0.2
"""Seconds between two movements of the progress bar."""

_REPORT_CPP = (
    r"""std::cerr << "\rsimulated " << int(100*completed) << " %" << (completed < 1 ? "" : "\n") << std::flush;"""
)

# What Brian2's files include, compiled while Brian2 is still writing them.
_HEADER = "standard.h"
_STANDARD = "".join(
    f"#include <{name}>\n"
    for name in "algorithm climits cmath ctime fstream iostream map random set string vector".split()
)

_OURS = ("invalid_values", "unused_brian_object")  # what Brian2 warns of and snnlab refuses


@contextmanager
def runtime(seed: int) -> Iterator[None]:
    """Brian2 set for one run in this process; its settings and everybody's random numbers as before afterwards."""
    with code_target("numpy"), _settings():
        before = runtime_device.get_random_state()
        brian2.seed(seed % 2**32)
        try:
            # an overflow shows in what it leaves behind
            with np.errstate(all="ignore"):
                yield
        finally:
            runtime_device.set_random_state(before)


@contextmanager
def _settings() -> Iterator[None]:
    """Preferences that change results or hide an interruption, at known values; Brian2's log as Python's warnings."""
    wanted = {"core.stop_on_keyboard_interrupt": False, "devices.cpp_standalone.openmp_threads": 0}
    before = {name: brian2.prefs[name] for name in wanted}
    for name, value in wanted.items():
        brian2.prefs[name] = value
    try:
        with catch_logs() as said:
            yield
    finally:
        for name, value in before.items():
            brian2.prefs[name] = value
    for _, name, message in said:
        if not name.endswith(_OURS):
            warnings.warn(message, stacklevel=2)


@contextmanager
def compiled(seed: int, progress: bool) -> Iterator[Callable[[brian2.Network, float], None]]:
    """Brian2 set for a C++ program; gives what runs a network, made in the block, for some seconds in one.

    What the network holds can be read until the block ends.
    """
    with (
        tempfile.TemporaryDirectory(prefix="snnlab-") as folder,
        ThreadPoolExecutor(1) as meanwhile,
        _standalone() as device,
    ):
        Path(folder, _HEADER).write_text(_STANDARD, encoding="utf-8")
        ahead = meanwhile.submit(native.precompile, Path(folder), _HEADER)
        brian2.seed(seed)

        def run(network: brian2.Network, seconds: float) -> None:
            with as_input_error("circuit"):
                network.run(
                    seconds * brian2.second,
                    namespace={},
                    report=_REPORT_CPP if progress else None,
                    report_period=REPORT * brian2.second,
                )
                device.build(directory=folder, compile=False, run=False)
            with Console(stderr=True, quiet=not progress).status("compiling"):
                ahead.result()
                native.program(Path(folder), list(device.writer.source_files), header=_HEADER)
            # Brian2 prints what the program said when it fails; it can only have been stopped, by memory or by hand
            with as_input_error("compiled simulation"), contextlib.redirect_stdout(io.StringIO()):
                device.run(folder, with_output=False)

        yield run


@contextmanager
def _standalone() -> Iterator[Any]:
    """Brian2's C++ device, empty and ours for one block."""
    if type(get_device()).__name__ != "RuntimeDevice":
        raise InputError(
            "target", "Brian2's C++ device is in use", "simulate before set_device, or on the target 'numpy'"
        )
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
def bar(samples: int, shown: bool) -> Iterator[Callable[[int], Callable[..., None] | None]]:
    """A progress bar over all samples; gives for each sample the function that Brian2 reports to."""
    if not shown:
        yield lambda sample: None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("simulating", total=samples)
        yield lambda sample: lambda elapsed, done, start, duration: progress.update(bar, completed=sample + done)
