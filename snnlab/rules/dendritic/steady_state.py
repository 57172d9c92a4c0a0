"""A dendritic microcircuit in its steady state: the mixing of somatic potentials, and initial weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from snnlab.errors import InputError
from snnlab.networks.activations import Activation, Values, activation_of
from snnlab.networks.circuit import Circuit, Population
from snnlab.rules.rate.forward_pass import ForwardPath, bias_projection, forward_path, parameter

InterneuronInit = Literal["self_predicting", "random"]
"""Initial weights of interneurons: those that exactly cancel the top-down input without a teacher, or random ones."""


@dataclass(frozen=True)
class Mixing:
    """The shares of conductances in a soma's steady-state potential.

    dendrite  of its basal dendrite (of an interneuron: its only dendrite)
    nudging   of its apical dendrite, its teacher (output) or its target cell (interneuron)
    unnudged  of its basal dendrite without a teacher or target
    """

    dendrite: float
    nudging: float
    unnudged: float


@dataclass(frozen=True)
class HiddenLayer:
    """The projections of a hidden layer's interneurons and apical dendrites.

    dendrite        from the layer to its interneurons
    dendrite_bias   from the bias to the interneurons, "" if there is none
    inhibition      from the interneurons to the apical dendrites
    apical          from the layer above to the apical dendrites
    interneurons    their mixing
    """

    dendrite: str
    dendrite_bias: str
    inhibition: str
    apical: str
    interneurons: Mixing


@dataclass(frozen=True)
class SteadyState:
    """The layers of a microcircuit, from the first hidden layer to the output.

    path        the forward path, without a teacher
    mixing      of the pyramidal cells of each layer
    hidden      one for each layer but the output
    activation  of all cells
    """

    path: ForwardPath
    mixing: tuple[Mixing, ...]
    hidden: tuple[HiddenLayer, ...]
    activation: Activation


@lru_cache(maxsize=8)
def steady_state(circuit: Circuit, rule: str) -> SteadyState:
    """The steady state of a circuit. Raises InputError naming `rule` unless it is a microcircuit."""
    layers, interneurons = circuit.layers, circuit.populations_of("interneuron")
    if len(layers) < 2 or len(interneurons) != len(layers) - 1:
        names = ", ".join(sorted(node.name for node in circuit.nodes))
        raise InputError(f"{rule}: circuit", f"got populations {names}", "must be a dendritic microcircuit")
    hidden = []
    for own, cells, above in zip(layers, interneurons, layers[1:], strict=False):
        ends = ((own.name, cells.name), (cells.name, own.name), (above.name, own.name))
        dendrite, inhibition, apical = (circuit.between(pre, post)[0].name for pre, post in ends)
        bias = bias_projection(circuit, cells.name)
        hidden.append(HiddenLayer(dendrite, bias, inhibition, apical, _mixing(cells, "g_D", "g_som")))
    mixing = [_mixing(layer, "g_B", "g_A", always_open=True) for layer in layers[:-1]]
    mixing.append(_mixing(circuit.output, "g_B", "g_som"))
    return SteadyState(forward_path(circuit, rule), tuple(mixing), tuple(hidden), activation_of(circuit.output))


def _mixing(population: Population, dendrite: str, nudging: str, *, always_open: bool = False) -> Mixing:
    """`always_open` is true for apical dendrites, and false for teachers and target cells."""
    leak, own, above = (parameter(population, name, "hertz") for name in ("g_L", dendrite, nudging))
    total = leak + own + above
    return Mixing(own / total, above / total, own / total if always_open else own / (leak + own))


def check_reachable(activation: Activation, field: str, **rates: float) -> None:
    """Raises InputError, at the option below `field`, for a rate outside the range of the activation."""
    low, high = activation.lowest, activation.highest
    for name, rate in rates.items():
        if not low < rate < high:
            raise InputError(f"{field}.{name}", f"got {rate}", f"must be a rate above {low:g} and below {high:g}")


def random_weights(
    circuit: Circuit, steady: SteadyState, scales: Sequence[float], top_down_scale: float, rng: np.random.Generator
) -> dict[str, Values]:
    """Uniform weights in [-scale, scale].

    scales          of the basal weights of each layer, and of the interneurons that predict it
    top_down_scale  of weights from the layer above and from interneurons
    """
    shapes = {projection.name: projection.weights.shape for projection in circuit.projections}
    layers = steady.path.layers
    scale_of = {layer.weights: scale for layer, scale in zip(layers, scales, strict=True)}
    for hidden, scale in zip(steady.hidden, scales[1:], strict=True):
        scale_of |= {hidden.dendrite: scale, hidden.apical: top_down_scale, hidden.inhibition: top_down_scale}
    scale_of |= {layer.bias: scale for layer, scale in zip(layers, scales, strict=True) if layer.bias}
    biases = zip(steady.hidden, scales[1:], strict=True)
    scale_of |= {hidden.dendrite_bias: scale for hidden, scale in biases if hidden.dendrite_bias}
    return {name: rng.uniform(-scale, scale, shapes[name]) for name, scale in scale_of.items()}


def self_predicting_weights(steady: SteadyState, weights: Mapping[str, Values]) -> dict[str, Values]:
    """The interneurons' weights with which they predict the layer above and cancel its top-down input."""
    predicting = {}
    for hidden, above, mixing in zip(steady.hidden, steady.path.layers[1:], steady.mixing[1:], strict=True):
        ratio = mixing.unnudged / hidden.interneurons.unnudged
        predicting[hidden.inhibition] = -weights[hidden.apical]
        predicting[hidden.dendrite] = ratio * weights[above.weights]
        if hidden.dendrite_bias:
            predicting[hidden.dendrite_bias] = ratio * weights[above.bias]
    return predicting
