"""Running a task: in this process through NumPy, or as a C++ program of its own.

What is heard in every step is summed before it and learnt from within it, see ``hearing.py``. A step of `dt` runs in
Brian2's own order: every cell moves, thresholds are looked at, spikes raise the receptors they reach, cells that fired
are reset. So a spike of step t moves its target from step t + 1 on, and one step later for every `dt` of delay. Weights
that reach one receptor in the same step are added one after another, projection by projection in the circuit's order
and within each neuron by neuron in ascending order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import brian2

from snnlab import native
from snnlab.brian.device import COMPILING, REPORT, bar, compiled, runtime
from snnlab.brian.error_messages import as_input_error
from snnlab.brian.inputs import Input, Neurons, Plastic, Task, estimated_numpy_seconds, plan
from snnlab.brian.wiring import Wired, feed, not_finite, read, wire
from snnlab.data.recording import Recording
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import Circuit, Number

TARGETS = ("auto", "numpy", "cpp")
"""What computes a simulation: NumPy at once, C++ once it is compiled, or whichever is sooner."""

_NOTHING: Mapping[str, Any] = {}


def simulate(
    circuit: Circuit,
    inputs: Mapping[str, Input],
    duration: Number,
    *,
    record: Mapping[str, Sequence[str]] = _NOTHING,
    neurons: Mapping[str, Neurons] = _NOTHING,
    plastic: Plastic = True,
    seed: int = 0,
    target: str = "auto",
    progress: bool = False,
) -> Recording:
    """One run of a circuit in Brian2.

    inputs    source -> Spikes, a batch of one, silent where it ends before the run, or Rates where it is heard in every
              step; "population.compartment" -> Pulse, or an array of currents (steps,) or (steps, neurons) in SI units
    duration  seconds or text; a whole number of the circuit's steps
    record    population -> variables whose traces are kept, each at the start of every step; spikes are always kept.
              Plastic projection, by its name -> state variables of its card; their last weights are always kept
    neurons   population -> neurons that are traced, the first ten if left out; projection -> synapses, counted
              pre*(neurons after) + post, all if left out
    plastic   in which steps plastic connections learn: all, none, or bool (steps,)
    seed      of the noise `xi` and of counts that are drawn, where an equation has them
    target    "numpy", "cpp", or "auto": C++ where there is a compiler and NumPy would take longer than it
    progress  a bar on stderr

    Trains and traces are the same on every target, to the rounding of exp and its kin.

    Raises InputError for names, shapes, units and numbers that do not fit, for a missing compiler, and for state
    variables that stop being numbers during the run.
    """
    task = plan(circuit, inputs, duration, record, neurons, plastic, seed)
    if task.samples != 1:
        raise InputError("inputs", f"a batch of {task.samples} samples", "needs one; simulate_batch runs a batch")
    if chosen(target, estimated_numpy_seconds(task)) == "cpp":
        return _run_compiled(task, progress)
    (recording,) = _run_here(task, progress)
    return recording


def simulate_batch(
    circuit: Circuit,
    inputs: Mapping[str, Input],
    duration: Number,
    *,
    record: Mapping[str, Sequence[str]] = _NOTHING,
    neurons: Mapping[str, Neurons] = _NOTHING,
    plastic: Plastic = True,
    seed: int = 0,
    progress: bool = False,
) -> Iterator[Recording]:
    """One run for every sample of a batch, each from the circuit's start; the network is built once.

    As ``simulate``, but Spikes and Rates hold any number of samples, the same for every source, and currents enter
    every sample. Sample b gives what ``simulate`` gives for it on NumPy with the seed `seed` + b.
    """
    return _run_here(plan(circuit, inputs, duration, record, neurons, plastic, seed), progress)


def chosen(asked: str, numpy: float) -> str:
    """The target asked for, or for "auto" the sooner one where NumPy would take so many seconds. Raises InputError."""
    if asked not in TARGETS:
        raise InputError("target", f"found {asked!r}", one_of(asked, TARGETS))
    if asked != "auto":
        return asked
    return "cpp" if numpy > COMPILING and native.has_compiler() else "numpy"


# In this process ------------------------------------------------------------------------------------------------------


def _run_here(task: Task, progress: bool) -> Iterator[Recording]:
    with bar(task.samples, progress) as report:
        wired = None
        for sample in range(task.samples):
            # left before every yield: who draws the next recording finds Brian2 as it was
            with runtime(task.seed + sample):
                wired = _fed(task, wired, sample)
                _advance(task, wired, report(sample))
                recording = read(task, wired, sample)
                lost = not_finite(wired)
            if lost:
                raise _lost(task, sample, lost)
            yield recording


def _fed(task: Task, wired: Wired | None, sample: int) -> Wired:
    """The network at its start, with the spikes and rates of one sample; made anew the first time."""
    if wired is None:
        wired = wire(task)
        if task.samples > 1:
            with as_input_error("circuit"):
                wired.network.run(0 * brian2.second, namespace={})
                wired.network.store()
        return wired
    wired.network.restore()
    feed(task, wired, sample)
    return wired


def _advance(task: Task, wired: Wired, report: Callable[..., None] | None) -> None:
    with as_input_error("circuit"):
        wired.network.run(
            task.duration * brian2.second, namespace={}, report=report, report_period=REPORT * brian2.second
        )


# As a C++ program -----------------------------------------------------------------------------------------------------


def _run_compiled(task: Task, progress: bool) -> Recording:
    with compiled(task.seed, progress) as run:
        wired = wire(task)
        run(wired.network, task.duration)
        recording = read(task, wired, 0)
        lost = not_finite(wired)
    if lost:
        raise _lost(task, 0, lost)
    return recording


# What a person sees ---------------------------------------------------------------------------------------------------


def _lost(task: Task, sample: int, lost: tuple[str, str]) -> InputError:
    """The refusal of a run in which a state variable stopped being a number; runs it again to say when."""
    first: list[tuple[str, str, float]] = []
    step = itertools.count(1)
    with runtime(task.seed + sample):
        wired = wire(task, sample)

        def watch() -> None:
            when = next(step) * task.dt
            if found := not_finite(wired):
                first.append((*found, when))
                wired.network.stop()

        wired.network.add(brian2.NetworkOperation(watch, clock=wired.clock, when="end", name="watch"))
        _advance(task, wired, None)
    where, variable, when = first[0] if first else (*lost, None)
    since = f"from {when:g} s on" if when is not None else "at the end of the run"
    other = "slower learning" if where.startswith("projection") else "another method"
    right = f"use a smaller dt than {task.dt:g} s, weaker input, or {other}"
    return InputError(where, f"{variable!r} is no finite number {since}", right)
