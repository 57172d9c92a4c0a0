"""Compare the spikes of a trained network between the engine and Brian2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from snnlab import engine
from snnlab.brian import simulate_batch
from snnlab.data.spikes import SpikeTrains, stack
from snnlab.encoders import TEST
from snnlab.engine import Precision
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.rules.rule import SpikingRule, State, spike_inputs
from snnlab.training.config import TrainingConfig

_CHUNK = 20  # samples that are held in memory at a time


@dataclass(frozen=True)
class Agreement:
    """Numbers of spikes of one population in two simulations: those in both, and those in only one of them."""

    identical: int = 0
    differing: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.identical + other.identical, self.differing + other.differing)


@dataclass(frozen=True)
class Certificate:
    """Result of a comparison on the first `samples` of the test set.

    engine_vs_brian     population -> agreement of the float64 engine with Brian2
    float32_vs_float64  population -> agreement of the engine's two precisions
    changed_predictions samples that the two precisions classify differently
    """

    samples: int
    engine_vs_brian: Mapping[str, Agreement]
    float32_vs_float64: Mapping[str, Agreement]
    changed_predictions: int

    @property
    def passed(self) -> bool:
        """True if there were spikes and all of them are identical in Brian2."""
        total = self._total
        return total.identical > 0 and total.differing == 0

    @property
    def _total(self) -> Agreement:
        return sum(self.engine_vs_brian.values(), Agreement())

    def summary(self) -> list[str]:
        """The result in lines of text; the last one is the verdict."""
        lines = [
            f"{name}: {pair.identical} spikes identical in Brian2 and the float64 engine, {pair.differing} differing"
            for name, pair in self.engine_vs_brian.items()
        ]
        for name, pair in self.float32_vs_float64.items():
            lines.append(f"{name}: {pair.differing} spikes of the float32 engine differ from float64")
        lines.append(f"predictions changed by float32: {self.changed_predictions} of {self.samples}")
        total = self._total
        if total.differing:
            return [*lines, f"not certified: {total.differing} spikes differ from Brian2"]
        if not total.identical:
            return [*lines, "not certified: no spikes to compare"]
        return [*lines, f"certified: all {total.identical} spikes are identical in Brian2"]


def certify(
    config: TrainingConfig, state: State, samples: int, *, progress: Callable[[], object] = lambda: None
) -> Certificate:
    """Simulate the first samples of the test set in Brian2 and in the engine with both precisions.

    progress  called after each sample

    Raises InputError for more samples than the test set has, and for a rule that does not predict from spikes.
    """
    rule = config.rule
    if not isinstance(rule, SpikingRule):
        problem = f"the rule predicts from the rates of {config.circuit.output.name!r}"
        raise InputError("certify", problem, "must be a rule that predicts from spikes, which are compared")
    if not 1 <= samples <= len(config.test):
        raise InputError("--samples", f"got {samples}", f"must be between 1 and {len(config.test)}, the test samples")
    circuit = config.circuit.with_weights(state.weights)
    brian = {population.name: Agreement() for population in circuit.populations}
    float32 = dict(brian)
    changed = 0
    for first in range(0, samples, _CHUNK):
        chunk = config.test.take(slice(first, min(first + _CHUNK, samples)))
        inputs = spike_inputs(config.encode(chunk, 0, TEST), "certify")
        double = engine_spikes(circuit, inputs, "float64", config.threads)
        single = engine_spikes(circuit, inputs, "float32", config.threads)
        reference = brian_spikes(circuit, inputs, progress)
        for name in brian:
            brian[name] += compare_spikes(double[name], reference[name])
            float32[name] += compare_spikes(single[name], double[name])
        output = circuit.output.name
        changed += int(np.count_nonzero(rule.classify(state, single[output]) != rule.classify(state, double[output])))
    return Certificate(samples, brian, float32, changed)


def compare_spikes(first: SpikeTrains, second: SpikeTrains) -> Agreement:
    """Count the identical and the differing spikes of two simulations of the same samples.

    Raises InputError for simulations of different populations, samples or steps.
    """
    if (first.size, first.offsets.shape) != (second.size, second.offsets.shape):
        problem = "different populations, samples or steps"
        raise InputError("compare_spikes", problem, "must be two simulations of the same samples")
    identical = len(np.intersect1d(first.keys(), second.keys(), assume_unique=True))
    return Agreement(identical, len(first) + len(second) - 2 * identical)


def engine_spikes(
    circuit: Circuit, inputs: SpikeTrains, precision: Precision, threads: int | None
) -> dict[str, SpikeTrains]:
    """Population -> its spikes in the engine."""
    with engine.threads(threads):
        responses = engine.run(circuit, {circuit.input.name: inputs}, precision=precision)
    return {name: response.spikes for name, response in responses.items()}


def brian_spikes(circuit: Circuit, inputs: SpikeTrains, progress: Callable[[], object]) -> dict[str, SpikeTrains]:
    """Population -> its spikes in Brian2."""
    recordings = []
    for recording in simulate_batch(circuit, {circuit.input.name: inputs}, inputs.duration):
        recordings.append(recording)
        progress()
    names = [population.name for population in circuit.populations]
    return {name: stack([recording.spikes[name] for recording in recordings]) for name in names}
