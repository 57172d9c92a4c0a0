"""Inference cost as NeuroBench counts it: spikes, synaptic operations, sparsity and size.

Definitions are those of Yik et al., The NeuroBench framework (Nature Communications 2025, arXiv:2304.04640), and of its
public harness. A synaptic operation is one activation times one weight. A spike is an activation of 1, so its
operations are accumulates (AC). The activation of a rate-based cell is any number; its operations are
multiply-accumulates (MAC), unless it is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.networks.populations import Population
from snnlab.networks.weights import Convolution, Pooling, Weights, fan_out, sparse, trainable_parameters


@dataclass(frozen=True)
class Cost:
    """Mean cost of one sample, and the size of the network.

    spikes               population -> spikes; 0 for rate-based cells
    input_spikes         of all sources
    dense                operations with every synapse active in every time step (and relaxation step)
    effective_acs        operations of spikes, and of rates of 1, on non-zero weights
    effective_macs       operations of other non-zero rates on non-zero weights
    activation_sparsity  share of neurons times steps without a spike, or with a rate of 0; of all populations
    connection_sparsity  share of weights that are zero; of pairs of neurons unless weights are shared
    parameters           number of trained weights
    footprint_bytes      stored weights, and every state variable of every neuron in the precision of the weights
    """

    spikes: Mapping[str, float]
    input_spikes: float
    dense: float
    effective_acs: float
    effective_macs: float
    activation_sparsity: float
    connection_sparsity: float
    parameters: int
    footprint_bytes: int


def cost(
    circuit: Circuit,
    ones: Mapping[str, NDArray[np.integer]],
    *,
    samples: int,
    steps: int,
    trained: Collection[str] | None = None,
    graded: Mapping[str, NDArray[np.integer]] = MappingProxyType({}),
    relaxation_steps: int = 1,
) -> Cost:
    """The cost of `samples` samples of `steps` time steps each.

    ones              population or source -> activations of 1 (spikes) of each neuron, over all samples (neurons,)
    trained           projections with trained weights; by default all with trainable weights
    graded            rate-based population or source -> activations other than 0 and 1 (neurons,)
    relaxation_steps  steps in which populations transmit their final activation; sources transmit once

    A spike counts for all of its synapses, also if the sample ends before it arrives.

    Raises InputError for no samples, no steps and no population, which have no mean.
    """
    if samples < 1 or steps < 1 or not circuit.populations:
        problem = f"{samples} samples, {steps} steps, {len(circuit.populations)} populations"
        raise InputError("cost", problem, "must be at least one of each")
    weights = [projection.weights for projection in circuit.projections]
    sizes = {node.name: node.size for node in circuit.nodes}
    spikes = {name: 0 if name in graded else int(ones[name].sum()) for name in sizes}
    others = {name: graded.get(name, np.zeros(size, dtype=np.int64)) for name, size in sizes.items()}
    active = sum(int((ones[each.name] + others[each.name]).sum()) for each in circuit.populations)
    repeats = dict.fromkeys(sizes, relaxation_steps) | {source.name: 1 for source in circuit.sources}
    acs, macs = (
        sum(repeats[each.pre] * int(activations[each.pre] @ _effective(each.weights)) for each in circuit.projections)
        for activations in (ones, others)
    )
    neurons = sum(each.size for each in circuit.populations)
    zeros, pairs = (sum(part) for part in zip(*map(_zeros, weights), strict=True)) if weights else (0, 0)
    arrays = {each.name: trainable_parameters(each.weights) for each in circuit.projections}
    parameters = {name: array for name, array in arrays.items() if array is not None}
    precision = np.result_type(*parameters.values()).itemsize if parameters else np.dtype(float).itemsize
    return Cost(
        spikes={each.name: spikes[each.name] / samples for each in circuit.populations},
        input_spikes=sum(spikes[source.name] for source in circuit.sources) / samples,
        dense=float(steps * sum(repeats[each.pre] * _synapses(each.weights) for each in circuit.projections)),
        effective_acs=acs / samples,
        effective_macs=macs / samples,
        activation_sparsity=1 - active / (samples * steps * neurons),
        connection_sparsity=zeros / pairs if pairs else 0.0,
        parameters=sum(array.size for name, array in parameters.items() if trained is None or name in trained),
        footprint_bytes=sum(map(_bytes, weights)) + _state_variables(circuit) * precision,
    )


class ActivityCounter:
    """Sums the activity of a circuit's neurons over samples: activations of 1, and other non-zero rates."""

    def __init__(self, circuit: Circuit) -> None:
        self._ones = {node.name: np.zeros(node.size, dtype=np.int64) for node in circuit.nodes}
        self._graded: dict[str, NDArray[np.int64]] = {}
        self._steps = 0

    def add(self, source: str, inputs: SpikeTrains | RateInput, activity: Mapping[str, NDArray[np.generic]]) -> None:
        """Add a batch.

        activity  population -> (samples, neurons): spike counts (integers) or rates (floats)
        """
        if isinstance(inputs, SpikeTrains):
            self._steps = inputs.steps
            self._ones[source] += np.bincount(inputs.ids, minlength=inputs.size)
        else:
            self._steps = inputs.segments
            self._add_rates(source, inputs.values.reshape(-1, inputs.size))
        for name, values in activity.items():
            if values.dtype.kind == "f":
                self._add_rates(name, values)
            else:
                self._ones[name] += values.sum(axis=0)

    def cost(
        self, circuit: Circuit, *, samples: int, trained: Collection[str] | None = None, relaxation_steps: int = 1
    ) -> Cost:
        """The cost of these samples in the circuit, or in the part of it that predictions use.

        Raises InputError as `cost` does.
        """
        return cost(
            circuit, self._ones, samples=samples, steps=self._steps, trained=trained, graded=self._graded,
            relaxation_steps=relaxation_steps,
        )  # fmt: skip

    def _add_rates(self, name: str, rates: NDArray[np.generic]) -> None:
        ones = np.count_nonzero(rates == 1, axis=0)
        self._ones[name] += ones
        graded = self._graded.setdefault(name, np.zeros_like(self._ones[name]))
        graded += np.count_nonzero(rates, axis=0) - ones


def _effective(weights: Weights) -> NDArray[np.int64]:
    """Non-zero synapses of each presynaptic neuron (pre,)."""
    if isinstance(weights, np.ndarray):
        return np.count_nonzero(weights, axis=1)
    synapses = sparse(weights)
    return np.bincount(synapses.coords[0][synapses.data != 0], minlength=synapses.shape[0])


def _synapses(weights: Weights) -> int:
    """All synapses, including zeros; a sparse array counts as a full one."""
    return int(fan_out(weights).sum()) if isinstance(weights, Convolution | Pooling) else int(np.prod(weights.shape))


def _zeros(weights: Weights) -> tuple[int, int]:
    """Number of zero weights and of all weights; pooling has none."""
    if isinstance(weights, Pooling):
        return 0, 0
    if isinstance(weights, Convolution):
        weights = weights.kernels
    number = int(np.prod(weights.shape))
    nonzero = np.count_nonzero(weights) if isinstance(weights, np.ndarray) else sparse(weights).count_nonzero()
    return number - int(nonzero), number


def _bytes(weights: Weights) -> int:
    """Stored bytes; a sparse array also stores two indices per weight."""
    if isinstance(weights, Pooling):
        return np.dtype(float).itemsize
    if isinstance(weights, Convolution | np.ndarray):
        return int((weights.kernels if isinstance(weights, Convolution) else weights).nbytes)
    synapses = sparse(weights)
    return int(synapses.data.nbytes + sum(indices.nbytes for indices in synapses.coords))


def _state_variables(circuit: Circuit) -> int:
    """State variables of all neurons: those with a differential equation on the cards of cells and synapses."""
    return sum(population.size * _states(population) for population in circuit.populations)


def _states(population: Population) -> int:
    equations = [line for receptor in population.receptors.values() for line in receptor.synapse.equations]
    return len(population.cell.states) + sum(line.differential for line in equations)
