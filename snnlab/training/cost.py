"""What an answer costs: spikes, synaptic operations, sparsity and size, as NeuroBench counts them.

Definitions are those of Yik et al., The NeuroBench framework (Nature Communications 2025, arXiv:2304.04640), and of its
public harness. A synaptic operation is one activation meeting one weight. A spike is an activation of 1: its operations
add a weight and multiply nothing, they are accumulates (AC). Where cells are heard by a rate, an activation is any
number, and its operations are multiply-accumulates (MAC), unless it happens to be 0 or 1.
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
from snnlab.networks.circuit import Circuit, Population
from snnlab.networks.weights import Convolution, Pooling, Weights, fan_out, sparse, trainable_parameters


@dataclass(frozen=True)
class Cost:
    """Of one sample, the mean over those measured; and of the network.

    spikes               population -> spikes; cells that are heard by a rate fire none
    input_spikes         of all sources
    dense                operations if every synapse were served in every time step, silent and zero ones too; where
                         cells settle in one, those of populations in every step of that
    effective_acs        operations of spikes, and of rates of 1, that cross a weight other than zero
    effective_macs       those of rates other than 0 and 1
    activation_sparsity  share of neurons times steps without a spike, or with a rate of 0, 0 to 1; of all populations
    connection_sparsity  share of weights that are zero, 0 to 1; of pairs, where weights are not shared
    parameters           numbers that are learned
    footprint_bytes      the weights as they are kept, and each state variable of each neuron in their precision
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
    counts: Mapping[str, NDArray[np.integer]],
    *,
    samples: int,
    steps: int,
    trained: Collection[str] | None = None,
    graded: Mapping[str, NDArray[np.integer]] = MappingProxyType({}),
    settling: int = 1,
) -> Cost:
    """The cost of `samples` samples of `steps` time steps each.

    counts    population or source -> activations of 1, which are spikes, of each of its neurons over all samples
              (neurons,)
    trained   projections whose weights are learned; all that could be, if left out
    graded    population or source that is heard by a rate -> activations other than 0 and 1 (neurons,); its activations
              of 1 are no spikes
    settling  steps in which cells hear one another until they rest. What populations say crosses its weights in each
              of them, counted as if it were what they say in the end; what sources say, which stays, once

    A spike pays for all its synapses, also where the sample ends before it arrives.

    Raises InputError for no samples, no steps and no population, of which there is no mean.
    """
    if samples < 1 or steps < 1 or not circuit.populations:
        found = f"{samples} samples, {steps} steps, {len(circuit.populations)} populations"
        raise InputError("cost", found, "needs at least one of each")
    weights = [one.weights for one in circuit.projections]
    nodes = {node.name: node.size for node in circuit.nodes}
    fired = {name: 0 if name in graded else int(counts[name].sum()) for name in nodes}
    other = {name: graded.get(name, np.zeros(size, dtype=np.int64)) for name, size in nodes.items()}
    active = sum(int((counts[one.name] + other[one.name]).sum()) for one in circuit.populations)
    times = dict.fromkeys(nodes, settling) | {one.name: 1 for one in circuit.sources}
    acs, macs = (sum(times[one.pre] * int(said[one.pre] @ _effective(one.weights)) for one in circuit.projections)
                 for said in (counts, other))  # fmt: skip
    cells = sum(one.size for one in circuit.populations)
    zeros, pairs = (sum(part) for part in zip(*map(_zeros, weights), strict=True)) if weights else (0, 0)
    numbers = [
        (one.name, values) for one in circuit.projections if (values := trainable_parameters(one.weights)) is not None
    ]
    return Cost(
        spikes={one.name: fired[one.name] / samples for one in circuit.populations},
        input_spikes=sum(fired[one.name] for one in circuit.sources) / samples,
        dense=float(steps * sum(times[one.pre] * _synapses(one.weights) for one in circuit.projections)),
        effective_acs=acs / samples,
        effective_macs=macs / samples,
        activation_sparsity=1 - active / (samples * steps * cells),
        connection_sparsity=zeros / pairs if pairs else 0.0,
        parameters=sum(values.size for name, values in numbers if trained is None or name in trained),
        footprint_bytes=sum(map(_bytes, weights)) + _neurons(circuit) * _precision([values for _, values in numbers]),
    )


class Tally:
    """What the neurons of a circuit did, summed over samples: their activations of 1, and those of other rates.

    circuit  of which they are
    """

    def __init__(self, circuit: Circuit) -> None:
        self._counts = {node.name: np.zeros(node.size, dtype=np.int64) for node in circuit.nodes}
        self._graded: dict[str, NDArray[np.int64]] = {}
        self._steps = 0

    def add(self, source: str, inputs: SpikeTrains | RateInput, activity: Mapping[str, NDArray[np.generic]]) -> None:
        """What some samples were, and what they led to.

        activity  population -> (samples, neurons): spikes, which are whole numbers, or rates
        """
        if isinstance(inputs, SpikeTrains):
            self._steps = inputs.steps
            self._counts[source] += np.bincount(inputs.ids, minlength=inputs.size)
        else:
            self._steps = inputs.segments
            self._rated(source, inputs.values.reshape(-1, inputs.size))
        for name, said in activity.items():
            if said.dtype.kind == "f":
                self._rated(name, said)
            else:
                self._counts[name] += said.sum(axis=0)

    def cost(
        self, circuit: Circuit, *, samples: int, trained: Collection[str] | None = None, settling: int = 1
    ) -> Cost:
        """What these samples cost in the circuit, or in the part of it that answered.

        Raises InputError as `cost` does.
        """
        counts, graded, steps = self._counts, self._graded, self._steps
        return cost(circuit, counts, samples=samples, steps=steps, trained=trained, graded=graded, settling=settling)

    def _rated(self, name: str, rates: NDArray[np.generic]) -> None:
        ones = np.count_nonzero(rates == 1, axis=0)
        self._counts[name] += ones
        known = self._graded.setdefault(name, np.zeros_like(self._counts[name]))
        known += np.count_nonzero(rates, axis=0) - ones


def _effective(weights: Weights) -> NDArray[np.int64]:
    """Synapses of each neuron before whose weight is not zero (pre,)."""
    if isinstance(weights, np.ndarray):
        return np.count_nonzero(weights, axis=1)
    synapses = sparse(weights)
    return np.bincount(synapses.coords[0][synapses.data != 0], minlength=synapses.shape[0])


def _synapses(weights: Weights) -> int:
    """All that a machine serves that knows of shared weights and not of zeros: a sparse array is a full one to it."""
    return int(fan_out(weights).sum()) if isinstance(weights, Convolution | Pooling) else int(np.prod(weights.shape))


def _zeros(weights: Weights) -> tuple[int, int]:
    """Weights that are zero, and all of them; pooling has none to leave out."""
    if isinstance(weights, Pooling):
        return 0, 0
    if isinstance(weights, Convolution):
        weights = weights.kernels
    number = int(np.prod(weights.shape))
    nonzero = np.count_nonzero(weights) if isinstance(weights, np.ndarray) else sparse(weights).count_nonzero()
    return number - int(nonzero), number


def _bytes(weights: Weights) -> int:
    """Of a sparse array also the two numbers that say where each weight stands."""
    if isinstance(weights, Pooling):
        return np.dtype(float).itemsize
    if isinstance(weights, Convolution | np.ndarray):
        return int((weights.kernels if isinstance(weights, Convolution) else weights).nbytes)
    coordinates = sparse(weights)
    return int(coordinates.data.nbytes + sum(one.nbytes for one in coordinates.coords))


def _neurons(circuit: Circuit) -> int:
    """State variables of all neurons."""
    return sum(one.size * _states(one) for one in circuit.populations)


def _states(population: Population) -> int:
    """Variables with a differential equation, on the cell's card and on those of its receptors."""
    added = sum(one.differential for receptor in population.receptors.values() for one in receptor.synapse.equations)
    return len(population.cell.states) + added


def _precision(numbers: list[NDArray[np.floating]]) -> int:
    return np.result_type(*numbers).itemsize if numbers else np.dtype(float).itemsize
