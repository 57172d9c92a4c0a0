"""Exact gradients of rate networks by predictive coding on graphs: a source that is independent of the rules.

A network is built as a graph of small operations, and Z-IL gives the gradient of any cost of its output rates
(Salvatori and others, arXiv:2103.04689), without the backward passes of the rules.
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
    """The forward pass: products of rates and weights, times a gain, through the activation.

    The gain of a microcircuit follows from its conductances: 1/(1 + leak), times 1 - mixing in hidden layers.
    """
    hidden = [f"hidden{k + 1}" for k in range(len(network.hidden))]
    shapes: dict[str, Shape] = {}
    nodes = [Node("input", Input((circuit["input"].size,)))]
    for k, name in enumerate([*hidden, "output"]):
        gain = 1.0
        if isinstance(network, Microcircuit):
            mixing = per_layer(network.mixing, len(network.hidden) + 1)[k] if name != "output" else 0.0
            gain, function = (1 - mixing) / (1 + network.leak), network.activation
        else:
            function = network.output_activation if name == "output" else network.activation
        below = hidden[k - 1] if k else "input"
        names = [f"{below}->{name}.basal", *([f"bias->{name}.basal"] if network.bias else [])]
        shapes |= {one: circuit_shape(circuit, one) for one in names}
        nodes += [
            Node(f"input of {name}", Dense(), (nodes[-1].name,), tuple(names)),
            Node(f"potential {name}", Scale(gain), (f"input of {name}",)),
            Node(name, Activation(_FUNCTIONS[function]), (f"potential {name}",)),
        ]
    return Graph(tuple(nodes), shapes, "output")


def circuit_shape(circuit: Circuit, name: str) -> Shape:
    """The shape of a projection's weights, (size,) for a bias."""
    shape = next(one.weights.shape for one in circuit.projections if one.name == name)
    return shape[1:] if name.startswith("bias->") else shape


def as_parameters(graph: Graph, weights: Mapping[str, NDArray[np.floating]]) -> dict[str, Values]:
    """A state's weights as the graph's parameters."""
    return {name: weights[name].reshape(shape).astype(np.float64) for name, shape in graph.parameters.items()}


def rates(graph: Graph, weights: Mapping[str, NDArray[np.floating]], inputs: NDArray[np.floating]) -> dict[str, Values]:
    """The value of every node for inputs (samples, inputs)."""
    return graph.forward({"input": inputs}, as_parameters(graph, weights))


def gradients(
    graph: Graph,
    weights: Mapping[str, NDArray[np.floating]],
    inputs: NDArray[np.floating],
    derivative: NDArray[np.floating],
) -> dict[str, NDArray[np.floating]]:
    """The derivatives of a cost with respect to all weights, in their shapes, mean over samples.

    derivative  dC/d(output rate) of each sample (samples, outputs)
    """
    parameters = as_parameters(graph, weights)
    values = graph.forward({"input": inputs}, parameters)
    updates = z_il(graph, values, parameters, -derivative)
    return {name: -one.reshape(weights[name].shape) / len(inputs) for name, one in updates.items()}


def unrolled(steps: int, inputs: int, cells: int, leak: float, function: str) -> Graph:
    """Recurrent rate cells, unrolled in time: u <- (1 - leak) u + leak (x W + phi(u) R), from 0.

    The input has the shape (steps, inputs); the output is the rates of the last step.
    """
    nodes = [Node("input", Input((steps, inputs)))]
    for t in range(steps):
        nodes += [Node(f"x{t}", Select(t), ("input",)), Node(f"input{t}", Dense(), (f"x{t}",), ("W",))]
        if t == 0:
            nodes.append(Node("u0", Scale(leak), ("input0",)))
            continue
        nodes += [
            Node(f"recurrent{t}", Dense(function), (f"u{t - 1}",), ("R",)),
            Node(f"sum{t}", Add(), (f"input{t}", f"recurrent{t}")),
            Node(f"new{t}", Scale(leak), (f"sum{t}",)),
            Node(f"old{t}", Scale(1 - leak), (f"u{t - 1}",)),
            Node(f"u{t}", Add(), (f"old{t}", f"new{t}")),
        ]
    nodes.append(Node("output", Activation(function), (f"u{steps - 1}",)))
    return Graph(tuple(nodes), {"W": (inputs, cells), "R": (cells, cells)}, "output")
