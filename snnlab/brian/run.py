"""Run a circuit in Brian2: in this process with NumPy, or as a C++ program.

Continuous inputs are summed before each step and plastic connections are updated in it, see ``continuous.py``. A step
of `dt` runs in Brian2's order: cells are integrated, thresholds are checked, spikes raise the receptors that they
reach, and cells that fired are reset. A spike of step t therefore acts on its target from step t + 1 on, and one step
later per `dt` of delay. Weights that reach a receptor in the same step are added one after another: by projection in
the circuit's order, then by presynaptic neuron in ascending order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import brian2

from snnlab import native
from snnlab.brian.device import COMPILE_SECONDS, REPORT_PERIOD, compiled, progress_bar, runtime
from snnlab.brian.error_messages import as_input_error
from snnlab.brian.inputs import Input, LearningSteps, Neurons, Simulation, check_arguments
from snnlab.brian.network import BrianNetwork, build_network, find_not_finite, make_recording, set_inputs
from snnlab.brian.running_time import estimated_numpy_seconds
from snnlab.data.recording import Recording
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import Circuit, Number

TARGETS = ("auto", "numpy", "cpp")
"""Where a simulation runs: in NumPy, in compiled C++, or in the one that is expected to be faster."""

_EMPTY: Mapping[str, Any] = {}


def simulate(
    circuit: Circuit,
    inputs: Mapping[str, Input],
    duration: Number,
    *,
    record: Mapping[str, Sequence[str]] = _EMPTY,
    neurons: Mapping[str, Neurons] = _EMPTY,
    plastic: LearningSteps = True,
    seed: int = 0,
    target: str = "auto",
    progress: bool = False,
) -> Recording:
    """Simulate a circuit once in Brian2.

    inputs    source -> SpikeTrains of one sample, silent after their end, or RateInput for a continuous source;
              "population.compartment" -> Pulse, or an array of currents (steps,) or (steps, neurons) in SI units
    duration  seconds or text; a whole number of the circuit's steps
    record    population -> variables to record at the start of every step; plastic projection, by its name -> state
              variables of its card. Spikes and the final weights of plastic projections are always recorded
    neurons   population -> neurons to record, by default the first ten; plastic projection -> synapses, numbered
              pre*(postsynaptic neurons) + post, by default all
    plastic   steps in which plastic connections learn: all, none, or bool (steps,)
    seed      of white noise `xi` and of Poisson counts
    target    "numpy", "cpp", or "auto": C++ if there is a compiler and NumPy would take longer than compiling
    progress  show a progress bar on stderr

    Spikes and traces are the same on every target, up to the rounding of exp and similar functions.

    Raises InputError for invalid names, shapes, units and numbers, for a missing compiler, and for state variables that
    are not finite after the run.
    """
    simulation = check_arguments(circuit, inputs, duration, record, neurons, plastic, seed)
    if simulation.samples != 1:
        hint = "must be one sample; simulate_batch runs a batch"
        raise InputError("inputs", f"a batch of {simulation.samples} samples", hint)
    if choose_target(target, estimated_numpy_seconds(simulation)) == "cpp":
        return _run_compiled(simulation, progress)
    (recording,) = _run_numpy(simulation, progress)
    return recording


def simulate_batch(
    circuit: Circuit,
    inputs: Mapping[str, Input],
    duration: Number,
    *,
    record: Mapping[str, Sequence[str]] = _EMPTY,
    neurons: Mapping[str, Neurons] = _EMPTY,
    plastic: LearningSteps = True,
    seed: int = 0,
    progress: bool = False,
) -> Iterator[Recording]:
    """Simulate every sample of a batch from the circuit's initial state; the network is built once.

    The arguments are those of ``simulate``, but SpikeTrains and RateInput have any number of samples, the same for
    every source, and currents are injected in every sample. Sample b is the result of ``simulate`` with NumPy and the
    seed `seed` + b.
    """
    return _run_numpy(check_arguments(circuit, inputs, duration, record, neurons, plastic, seed), progress)


def choose_target(target: str, numpy_seconds: float) -> str:
    """The target, with "auto" decided by the expected time of NumPy. Raises InputError for an unknown target."""
    if target not in TARGETS:
        raise InputError("target", f"got {target!r}", one_of(target, TARGETS))
    if target != "auto":
        return target
    return "cpp" if numpy_seconds > COMPILE_SECONDS and native.has_compiler() else "numpy"


def _run_numpy(simulation: Simulation, progress: bool) -> Iterator[Recording]:
    with progress_bar(simulation.samples, progress) as report:
        network = None
        for sample in range(simulation.samples):
            # the block ends before every yield, so that the caller finds Brian2's own settings
            with runtime(simulation.seed + sample):
                network = _initial_network(simulation, network, sample)
                _run_network(simulation, network, report(sample))
                recording = make_recording(simulation, network, sample)
                variable = find_not_finite(network)
            if variable:
                raise _not_finite_error(simulation, sample, variable)
            yield recording


def _initial_network(simulation: Simulation, network: BrianNetwork | None, sample: int) -> BrianNetwork:
    """The network in its initial state with the inputs of one sample; built if `network` is None."""
    if network is None:
        network = build_network(simulation)
        if simulation.samples > 1:
            with as_input_error("circuit"):
                network.network.run(0 * brian2.second, namespace={})
                network.network.store()
        return network
    network.network.restore()
    set_inputs(simulation, network, sample)
    return network


def _run_network(simulation: Simulation, network: BrianNetwork, report: Callable[..., None] | None) -> None:
    duration = simulation.duration * brian2.second
    with as_input_error("circuit"):
        network.network.run(duration, namespace={}, report=report, report_period=REPORT_PERIOD * brian2.second)


def _run_compiled(simulation: Simulation, progress: bool) -> Recording:
    with compiled(simulation.seed, progress) as run:
        network = build_network(simulation)
        run(network.network, simulation.duration)
        recording = make_recording(simulation, network, 0)
        variable = find_not_finite(network)
    if variable:
        raise _not_finite_error(simulation, 0, variable)
    return recording


def _not_finite_error(simulation: Simulation, sample: int, variable: tuple[str, str]) -> InputError:
    """The error for a (field, state variable) that is not finite; simulates again to find the time."""
    first: list[tuple[str, str, float]] = []
    step = itertools.count(1)
    with runtime(simulation.seed + sample):
        network = build_network(simulation, sample)

        def check() -> None:
            time = next(step) * simulation.dt
            if variable := find_not_finite(network):
                first.append((*variable, time))
                network.network.stop()

        network.network.add(brian2.NetworkOperation(check, clock=network.clock, when="end", name="check"))
        _run_network(simulation, network, None)
    field, name, time = first[0] if first else (*variable, None)
    when = f"from {time:g} s on" if time is not None else "at the end of the run"
    alternative = "slower learning" if field.startswith("projection") else "another method"
    hint = f"use a smaller dt than {simulation.dt:g} s, weaker input, or {alternative}"
    return InputError(field, f"{name!r} is not finite {when}", hint)
