"""A trained network held against Brian2, spike for spike."""

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
from snnlab.rules.rule import SpikingRule, State, spikes
from snnlab.training.loop import TrainingConfig

_AT_A_TIME = 20  # samples; bounds the memory that many samples take


@dataclass(frozen=True)
class Agreement:
    """Spikes of one population in two simulations: those in both, and those in one of the two alone."""

    identical: int = 0
    differing: int = 0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.identical + other.identical, self.differing + other.differing)


@dataclass(frozen=True)
class Certificate:
    """What was found on the first `samples` of the test set; each population by its name.

    brian            float64 engine against Brian2
    float32          float32 engine against float64 engine
    changed_answers  samples to which the two precisions answer differently
    """

    samples: int
    brian: Mapping[str, Agreement]
    float32: Mapping[str, Agreement]
    changed_answers: int

    @property
    def holds(self) -> bool:
        """Whether there were spikes to compare, and Brian2 fired the same."""
        agreements = self.brian.values()
        return not any(one.differing for one in agreements) and any(one.identical for one in agreements)


def certify(
    trial: TrainingConfig, state: State, samples: int, *, done: Callable[[], object] = lambda: None
) -> Certificate:
    """Run the network on the first samples of the test set in Brian2 and in the engine in both precisions.

    done  is called as each sample is finished

    Raises InputError for more samples than there are, and for cells that do not fire.
    """
    rule = _spiking(trial)
    if not 1 <= samples <= len(trial.test):
        raise InputError("--samples", f"found {samples}", f"the test set has 1 to {len(trial.test)}")
    names = [population.name for population in trial.circuit.populations]
    brian, single = {name: Agreement() for name in names}, {name: Agreement() for name in names}
    changed = 0
    for first in range(0, samples, _AT_A_TIME):
        chosen = trial.test.take(slice(first, min(first + _AT_A_TIME, samples)))
        inputs = spikes(trial.encode(chosen, 0, TEST), "certify")
        exact = engine_spikes(trial, state, inputs, "float64")
        fast = engine_spikes(trial, state, inputs, "float32")
        witness = brian_spikes(trial.circuit.with_weights(state.weights), inputs, done)
        for name in names:
            brian[name] += compare(exact[name], witness[name])
            single[name] += compare(fast[name], exact[name])
        output = trial.circuit.nodes[-1].name
        answers = [rule.classify(state, spikes[output]) for spikes in (fast, exact)]
        changed += int(np.count_nonzero(answers[0] != answers[1]))
    return Certificate(samples, brian, single, changed)


def _spiking(trial: TrainingConfig) -> SpikingRule:
    if not isinstance(trial.rule, SpikingRule):
        found = f"a rule that answers by the rates of {trial.circuit.nodes[-1].name!r}"
        raise InputError("certify", found, "needs one that answers by spikes: they are what is compared")
    return trial.rule


def compare(one: SpikeTrains, other: SpikeTrains) -> Agreement:
    """How many spikes two simulations of the same samples share.

    Raises InputError for simulations of different things.
    """
    if (one.size, one.offsets.shape) != (other.size, other.offsets.shape):
        raise InputError("compare", "different populations, samples or steps", "needs two simulations of the same")
    identical = len(np.intersect1d(one.keys(), other.keys(), assume_unique=True))
    return Agreement(identical, len(one) + len(other) - 2 * identical)


def engine_spikes(
    trial: TrainingConfig, state: State, inputs: SpikeTrains, precision: Precision
) -> dict[str, SpikeTrains]:
    """Population -> its spikes in the engine."""
    circuit = trial.circuit.with_weights(state.weights)
    given = {circuit.sources[0].name: inputs}
    responses = engine.run(circuit, given, precision=precision, threads=trial.threads)
    return {name: response.spikes for name, response in responses.items()}


def brian_spikes(circuit: Circuit, inputs: SpikeTrains, done: Callable[[], object]) -> dict[str, SpikeTrains]:
    """Population -> its spikes in Brian2, which steps through one sample after another."""
    found = []
    for recording in simulate_batch(circuit, {circuit.sources[0].name: inputs}, inputs.duration):
        found.append(recording.spikes)
        done()
    return {population.name: stack([one[population.name] for one in found]) for population in circuit.populations}
