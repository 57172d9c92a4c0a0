"""Exact gradients of what the house's rate networks make, by predictive coding on a graph: a second independent source.

A network is written as a graph of small operations, and Z-IL on it gives the gradient of any cost of the output's rates
(Salvatori and others, arXiv:2103.04689). It shares no code with the rules' own ways down.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from computation_graph import Activation, Add, Dense, Graph, Input, Node, Scale, Select, Shape, Values
from numpy.typing import NDArray
from predictive_coding import z_il

from snnlab.networks.activations import ACTIVATIONS
from snnlab.networks.building import per_layer
from snnlab.networks.circuit import Circuit
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP

_FUNCTIONS = {name: name for name in ACTIVATIONS} | {"linear": "identity"}


def as_graph(network: MLP | Microcircuit, circuit: Circuit) -> Graph:
    """The way up: what is heard, times the part that it has in the potential, through the transfer function.

    A microcircuit's parts are those of its conductances: 1/(1 + leak), and 1 - mixing of that in hidden layers.
    """
    hidden = [f"hidden{k + 1}" for k in range(len(network.hidden))]
    shapes: dict[str, Shape] = {}
    nodes = [Node("input", Input((circuit["input"].size,)))]
    for k, name in enumerate([*hidden, "output"]):
        part, function = 1.0, ""
        if isinstance(network, Microcircuit):
            held = per_layer(network.mixing, len(network.hidden) + 1)[k] if name != "output" else 0.0
            part, function = (1 - held) / (1 + network.leak), network.activation
        else:
            function = network.output_activation if name == "output" else network.activation
        below = hidden[k - 1] if k else "input"
        names = [f"{below}->{name}.basal", *([f"bias->{name}.basal"] if network.bias else [])]
        shapes |= {one: circuit_shape(circuit, one) for one in names}
        nodes += [
            Node(f"heard {name}", Dense(), (nodes[-1].name,), tuple(names)),
            Node(f"potential {name}", Scale(part), (f"heard {name}",)),
            Node(name, Activation(_FUNCTIONS[function]), (f"potential {name}",)),
        ]
    return Graph(tuple(nodes), shapes, "output")


def circuit_shape(circuit: Circuit, name: str) -> Shape:
    """Of a projection's weights; those of a bias are a vector."""
    shape = next(one.weights.shape for one in circuit.projections if one.name == name)
    return shape[1:] if name.startswith("bias->") else shape


def as_parameters(graph: Graph, weights: Mapping[str, NDArray[np.floating]]) -> dict[str, Values]:
    """A state's weights as the graph's parameters."""
    return {name: weights[name].reshape(shape).astype(np.float64) for name, shape in graph.parameters.items()}


def rates(graph: Graph, weights: Mapping[str, NDArray[np.floating]], seen: NDArray[np.floating]) -> dict[str, Values]:
    """What every node makes of samples (samples, inputs)."""
    return graph.forward({"input": seen}, as_parameters(graph, weights))


def gradients(
    graph: Graph, weights: Mapping[str, NDArray[np.floating]], seen: NDArray[np.floating], slope: NDArray[np.floating]
) -> dict[str, NDArray[np.floating]]:
    """The derivative of a cost by all weights, in their shapes, the mean over samples.

    slope  dC/d(rate of the output) of each sample (samples, outputs)
    """
    parameters = as_parameters(graph, weights)
    values = graph.forward({"input": seen}, parameters)
    found = z_il(graph, values, parameters, -slope)
    return {name: -one.reshape(weights[name].shape) / len(seen) for name, one in found.items()}


def unrolled(steps: int, inputs: int, cells: int, leak: float, function: str) -> Graph:
    """Rate cells with connections among themselves, in time: u <- (1 - leak) u + leak (x W + phi(u) R), from 0.

    The input (steps, inputs) comes step by step, and the output is the last step's rates.
    """
    nodes = [Node("input", Input((steps, inputs)))]
    for t in range(steps):
        nodes += [Node(f"x{t}", Select(t), ("input",)), Node(f"seen{t}", Dense(), (f"x{t}",), ("W",))]
        if t == 0:
            nodes.append(Node("u0", Scale(leak), ("seen0",)))
            continue
        nodes += [
            Node(f"own{t}", Dense(function), (f"u{t - 1}",), ("R",)),
            Node(f"heard{t}", Add(), (f"seen{t}", f"own{t}")),
            Node(f"new{t}", Scale(leak), (f"heard{t}",)),
            Node(f"old{t}", Scale(1 - leak), (f"u{t - 1}",)),
            Node(f"u{t}", Add(), (f"old{t}", f"new{t}")),
        ]
    nodes.append(Node("output", Activation(function), (f"u{steps - 1}",)))
    return Graph(tuple(nodes), {"W": (inputs, cells), "R": (cells, cells)}, "output")
