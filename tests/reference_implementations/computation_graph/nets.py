"""Networks on which predictive coding is compared with backpropagation (arXiv:2103.04689), as graphs of any size."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from computation_graph.graph import Graph, Node
from computation_graph.images import Convolution
from computation_graph.operation import Shape, Values
from computation_graph.operations import Activation, Add, Dense, Input, Reshape, Scale, Select
from computation_graph.sequences import LayerNorm, Product, Softmax


def perceptron(sizes: tuple[int, ...], function: str = "tanh") -> Graph:
    """Dense layers of these sizes, the input first; values are potentials, mu = W f(x) + b."""
    parameters: dict[str, Shape] = {}
    nodes, last = [Node("input", Input(sizes[:1]))], len(sizes) - 1
    for layer, (before, after) in enumerate(pairwise(sizes), start=1):
        name = "output" if layer == last else f"layer{layer}"
        parameters |= {f"W{layer}": (before, after), f"b{layer}": (after,)}
        operation = Dense("identity" if layer == 1 else function)
        nodes.append(Node(name, operation, (nodes[-1].name,), (f"W{layer}", f"b{layer}")))
    return Graph(tuple(nodes), parameters, "output")


def convolutional(
    image: Shape, channels: tuple[int, ...], classes: int, kernel: int = 3, stride: int = 1, padding: int = 0
) -> Graph:
    """Convolutions, each followed by a tanh, and a dense layer."""
    parameters: dict[str, Shape] = {}
    nodes = [Node("input", Input(image))]
    for layer, (before, after) in enumerate(pairwise((image[2], *channels)), start=1):
        parameters[f"K{layer}"] = (kernel, kernel, before, after)
        nodes += [
            Node(f"conv{layer}", Convolution(stride, padding), (nodes[-1].name,), (f"K{layer}",)),
            Node(f"tanh{layer}", Activation("tanh"), (f"conv{layer}",)),
        ]
    last = nodes[-1].name
    size = Graph(tuple(nodes), parameters, last).shapes[last]
    parameters |= {"W": (int(np.prod(size)), classes), "b": (classes,)}
    nodes += [Node("flat", Reshape((-1,)), (last,)), Node("output", Dense(), ("flat",), ("W", "b"))]
    return Graph(tuple(nodes), parameters, "output")


def recurrent(steps: int, inputs: int, hidden: int, outputs: int) -> Graph:
    """Recurrent tanh units, unrolled over the steps of a sequence; the last step is read out."""
    parameters = {"W": (inputs, hidden), "b": (hidden,), "R": (hidden, hidden), "O": (hidden, outputs), "c": (outputs,)}
    nodes = [Node("input", Input((steps, inputs)))]
    for t in range(steps):
        driven = f"u{t}" if t == 0 else f"input{t}"
        nodes += [Node(f"x{t}", Select(t), ("input",)), Node(driven, Dense(), (f"x{t}",), ("W", "b"))]
        if t:
            nodes.append(Node(f"recurrent{t}", Dense("tanh"), (f"u{t - 1}",), ("R",)))
            nodes.append(Node(f"u{t}", Add(), (f"input{t}", f"recurrent{t}")))
    nodes.append(Node("output", Dense("tanh"), (f"u{steps - 1}",), ("O", "c")))
    return Graph(tuple(nodes), parameters, "output")


def residual(inputs: int, width: int, blocks: int, outputs: int) -> Graph:
    """A chain of blocks x + W' f(W f(x)); the skip connections span two levels."""
    parameters: dict[str, Shape] = {"W0": (inputs, width), "b0": (width,)}
    nodes = [Node("input", Input((inputs,))), Node("x0", Dense(), ("input",), ("W0", "b0"))]
    for k in range(1, blocks + 1):
        parameters |= {f"{name}{k}": (width, width) for name in "UV"}
        nodes += [
            Node(f"h{k}", Dense("tanh"), (f"x{k - 1}",), (f"U{k}",)),
            Node(f"r{k}", Dense("tanh"), (f"h{k}",), (f"V{k}",)),
            Node(f"x{k}", Add(), (f"x{k - 1}", f"r{k}")),
        ]
    parameters |= {"O": (width, outputs), "c": (outputs,)}
    nodes.append(Node("output", Dense("tanh"), (f"x{blocks}",), ("O", "c")))
    return Graph(tuple(nodes), parameters, "output")


def attention(time: int, features: int, width: int, hidden: int, classes: int) -> Graph:
    """A pre-norm transformer block (Vaswani et al., NeurIPS 2017) with one head; all times are read out."""
    parameters: dict[str, Shape] = {"E": (features, width), "e": (width,)}
    parameters |= {f"{name}{k}": (width,) for k in (1, 2) for name in ("gain", "shift")}
    parameters |= {name: (width, width) for name in "QKVP"}
    parameters |= {"H": (width, hidden), "h": (hidden,), "D": (hidden, width), "d": (width,)}
    parameters |= {"O": (time * width, classes), "o": (classes,)}
    heads = [Node(name, Dense(), ("norm1",), (name.upper(),)) for name in ("q", "k", "v")]
    nodes = (
        Node("input", Input((time, features))),
        Node("x", Dense(), ("input",), ("E", "e")),
        Node("norm1", LayerNorm(), ("x",), ("gain1", "shift1")),
        *heads,
        Node("scores", Product(transposed=True), ("q", "k")),
        Node("scaled", Scale(width**-0.5), ("scores",)),
        Node("weights", Softmax(), ("scaled",)),
        Node("attended", Product(), ("weights", "v")),
        Node("projected", Dense(), ("attended",), ("P",)),
        Node("y", Add(), ("x", "projected")),
        Node("norm2", LayerNorm(), ("y",), ("gain2", "shift2")),
        Node("expanded", Dense(), ("norm2",), ("H", "h")),
        Node("reduced", Dense("tanh"), ("expanded",), ("D", "d")),
        Node("z", Add(), ("y", "reduced")),
        Node("flat", Reshape((-1,)), ("z",)),
        Node("output", Dense(), ("flat",), ("O", "o")),
    )
    return Graph(nodes, parameters, "output")


def random_parameters(graph: Graph, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Normal parameters with a variance of 1/fan-in."""
    return {name: rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape) for name, shape in graph.parameters.items()}


def random_inputs(graph: Graph, samples: int, rng: np.random.Generator) -> dict[str, Values]:
    """Normal inputs (samples, *shape)."""
    inputs = [node for node in graph.nodes if isinstance(node.operation, Input)]
    return {node.name: rng.normal(size=(samples, *graph.shapes[node.name])) for node in inputs}
