"""Running a task: in this process through NumPy, or as a C++ program of its own.

A step of `dt` runs in Brian2's own order: every cell moves, thresholds are looked at, spikes raise the receptors they
reach, cells that fired are reset. So a spike of step t moves its target from step t + 1 on, and one step later for
every `dt` of delay. Weights that reach one receptor in the same step are added one after another, projection by
projection in the circuit's order and within each neuron by neuron in ascending order.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from snnlab.circuit import Circuit, Number
from snnlab.equations import code_target
from snnlab.errors import Refused, one_of
from snnlab.recording import Recording
from snnlab.simulate.task import Input, Neurons, Task, numpy_seconds, plan
from snnlab.simulate.wiring import Wired, feed, not_finite, read, refusing, wire

TARGETS = ("auto", "numpy", "cpp")
"""What computes a simulation: NumPy at once, C++ once it is compiled, or whichever is sooner."""

_COMPILING = 6.0  # seconds that NumPy may take before the C++ compiler pays
_REPORT = 0.2  # seconds between two movements of the progress bar
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

_NOTHING: Mapping[str, Any] = {}


def simulate(
    circuit: Circuit,
    inputs: Mapping[str, Input],
    duration: Number,
    *,
    record: Mapping[str, Sequence[str]] = _NOTHING,
    neurons: Mapping[str, Neurons] = _NOTHING,
    seed: int = 0,
    target: str = "auto",
    progress: bool = False,
) -> Recording:
    """One run of a circuit in Brian2.

    inputs    source -> Spikes, a batch of one, silent where it ends before the run; "population.compartment" -> Pulse,
              or an array of currents (steps,) or (steps, neurons) in SI units
    duration  seconds or text; a whole number of the circuit's steps
    record    population -> variables whose traces are kept, each at the start of every step; spikes are always kept
    neurons   population -> neurons that are traced, the first ten if left out
    seed      of the noise `xi`, where an equation has it
    target    "numpy", "cpp", or "auto": C++ where there is a compiler and NumPy would take longer than it
    progress  a bar on stderr

    Trains and traces are the same on every target, to the rounding of exp and its kin.

    Raises Refused for names, shapes, units and numbers that do not fit, for a missing compiler, and for state variables
    that stop being numbers during the run.
    """
    task = plan(circuit, inputs, duration, record, neurons, seed)
    if task.samples != 1:
        raise Refused("inputs", f"a batch of {task.samples} samples", "needs one; simulate_each runs a batch")
    if _target(task, target) == "cpp":
        return _run_compiled(task, progress)
    (recording,) = _run_here(task, progress)
    return recording


def simulate_each(
    circuit: Circuit,
    inputs: Mapping[str, Input],
    duration: Number,
    *,
    record: Mapping[str, Sequence[str]] = _NOTHING,
    neurons: Mapping[str, Neurons] = _NOTHING,
    seed: int = 0,
    progress: bool = False,
) -> Iterator[Recording]:
    """One run for every sample of a batch, each from the circuit's start; the network is built once.

    As ``simulate``, but Spikes hold any number of samples, the same for every source, and currents enter every sample.
    Sample b gives what ``simulate`` gives for it on NumPy with the seed `seed` + b.
    """
    return _run_here(plan(circuit, inputs, duration, record, neurons, seed), progress)


def _target(task: Task, asked: str) -> str:
    if asked not in TARGETS:
        raise Refused("target", f"found {asked!r}", one_of(asked, TARGETS))
    if asked != "auto":
        return asked
    return "cpp" if numpy_seconds(task) > _COMPILING and native.has_compiler() else "numpy"


# In this process ------------------------------------------------------------------------------------------------------


def _run_here(task: Task, progress: bool) -> Iterator[Recording]:
    with _bar(task, progress) as report:
        wired = None
        for sample in range(task.samples):
            # left before every yield: who draws the next recording finds Brian2 as it was
            with _runtime(task.seed + sample):
                wired = _fed(task, wired, sample)
                _advance(task, wired, report(sample))
                recording = read(task, wired, sample)
                lost = not_finite(wired)
            if lost:
                raise _lost(task, sample, lost)
            yield recording


def _fed(task: Task, wired: Wired | None, sample: int) -> Wired:
    """The network at its start, with the spikes of one sample; made anew the first time."""
    if wired is None:
        wired = wire(task)
        if task.samples > 1:
            with refusing("circuit"):
                wired.network.run(0 * brian2.second, namespace={})
                wired.network.store()
        return wired
    wired.network.restore()
    feed(task, wired, sample)
    return wired


def _advance(task: Task, wired: Wired, report: Callable[..., None] | None) -> None:
    with refusing("circuit"):
        wired.network.run(
            task.duration * brian2.second, namespace={}, report=report, report_period=_REPORT * brian2.second
        )


@contextmanager
def _runtime(seed: int) -> Iterator[None]:
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


# As a C++ program -----------------------------------------------------------------------------------------------------


def _run_compiled(task: Task, progress: bool) -> Recording:
    with (
        tempfile.TemporaryDirectory(prefix="snnlab-") as folder,
        ThreadPoolExecutor(1) as meanwhile,
        _standalone() as device,
    ):
        Path(folder, _HEADER).write_text(_STANDARD, encoding="utf-8")
        ahead = meanwhile.submit(native.precompile, Path(folder), _HEADER)
        brian2.seed(task.seed)
        wired = wire(task)
        with refusing("circuit"):
            wired.network.run(
                task.duration * brian2.second,
                namespace={},
                report=_REPORT_CPP if progress else None,
                report_period=_REPORT * brian2.second,
            )
            device.build(directory=folder, compile=False, run=False)
        with Console(stderr=True, quiet=not progress).status("compiling"):
            ahead.result()
            native.program(Path(folder), list(device.writer.source_files), header=_HEADER)
        # Brian2 prints what the program said when it fails; it can only have been stopped, by memory or by hand
        with refusing("compiled simulation"), contextlib.redirect_stdout(io.StringIO()):
            device.run(folder, with_output=False)
        recording = read(task, wired, 0)
        lost = not_finite(wired)
    if lost:
        raise _lost(task, 0, lost)
    return recording


@contextmanager
def _standalone() -> Iterator[Any]:
    """Brian2's C++ device, empty and ours for one block."""
    if type(get_device()).__name__ != "RuntimeDevice":
        raise Refused("target", "Brian2's C++ device is in use", "simulate before set_device, or on the target 'numpy'")
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


# What a person sees ---------------------------------------------------------------------------------------------------


@contextmanager
def _bar(task: Task, shown: bool) -> Iterator[Callable[[int], Callable[..., None] | None]]:
    """A progress bar over all samples; gives for each sample the function that Brian2 reports to."""
    if not shown:
        yield lambda sample: None
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("simulating", total=task.samples)
        yield lambda sample: lambda elapsed, done, start, duration: progress.update(bar, completed=sample + done)


def _lost(task: Task, sample: int, lost: tuple[str, str]) -> Refused:
    """The refusal of a run in which a state variable stopped being a number; runs it again to say when."""
    first: list[tuple[str, str, float]] = []
    step = itertools.count(1)
    with _runtime(task.seed + sample):
        wired = wire(task, sample)

        def watch() -> None:
            when = next(step) * task.dt
            if found := not_finite(wired):
                first.append((*found, when))
                wired.network.stop()

        wired.network.add(brian2.NetworkOperation(watch, clock=wired.clock, when="end", name="watch"))
        _advance(task, wired, None)
    name, variable, when = first[0] if first else (*lost, None)
    since = f"from {when:g} s on" if when is not None else "at the end of the run"
    return Refused(
        f"population {name!r}",
        f"{variable!r} is no finite number {since}",
        f"use a smaller dt than {task.dt:g} s, weaker input, or another method",
    )
