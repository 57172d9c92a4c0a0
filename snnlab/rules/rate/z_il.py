"""Z-IL, predictive coding that equals backpropagation (Song, Lukasiewicz, Xu and Bogacz, NeurIPS 2020), in layers.

A layer's rates r are predicted from those below as phi(gain (r W + b)). The output is clamped to its target, all other
rates move from the feed-forward pass down the energy of predictive.py, and a layer learns at the step at which an error
first comes to it: as many steps after the beginning as there are layers above. With gamma 1 its weights change as those
of `Backprop` with the same options, to rounding; with another gamma by gamma of that for each layer above.

Only the layers that errors have just come to are worked out, each once: at gamma 1 this is the arithmetic of a backward
sweep. What inference does behind them is left out, as no change reads it (predictive.py has the whole of it too).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from snnlab.engine import one_blas_thread
from snnlab.errors import InputError
from snnlab.graph import Graph, Input, Local, Node, Shape
from snnlab.graph.operation import check_many
from snnlab.rules.common.transfer import Values
from snnlab.rules.rate.descent import Asked, Descent
from snnlab.rules.rate.forward import Forward, Link, with_bias
from snnlab.rules.rate.predictive import arrivals
from snnlab.rules.rule import State

Array: TypeAlias = NDArray[Any]  # a graph holds complex numbers too, and a transfer function real ones


@dataclass(frozen=True)
class Cells:
    """Rates of a layer, phi(gain (x @ W + b)).

    Parameters: W (in, out), and b (1, out) where there is a bias.
    """

    link: Link

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_many(parents, 1, "parent")
        weights, *bias = parameters
        if parents[0] != weights[:1] or any(one != (1, weights[1]) for one in bias):
            right = f"needs weights ({', '.join(map(str, parents[0]))}, out) and a bias (1, out)"
            raise InputError("", f"a parent {parents[0]} for parameters {list(parameters)}", right)
        return weights[1:]

    def forward(self, parents: Sequence[Array], parameters: Sequence[Array]) -> Array:
        arrived = parents[0] @ parameters[0]
        return self.link.transfer.rate(self.link.gain * (arrived + parameters[1] if parameters[1:] else arrived))

    def asked(self, error: Array, made: Array) -> Array:
        """What an error of the rates is one of in what arrives."""
        return self.link.gain * self.link.transfer.slope(made) * error

    def to_parent(self, which: int, error: Array, local: Local) -> Array:
        return self.asked(error, local.made) @ local.parameters[0].T

    def to_parameters(self, error: Array, local: Local) -> tuple[Array, ...]:
        asked = self.asked(error, local.made)
        found = local.parents[0].T @ asked
        return (found, asked.sum(axis=0, keepdims=True)) if len(local.parameters) == 2 else (found,)


@lru_cache(maxsize=8)
def graph_of(way: Forward, sizes: tuple[int, ...]) -> Graph:
    """The layers as a graph: nodes "input" and the names of the populations, parameters those of the projections.

    sizes  of the input and every layer
    """
    shapes: dict[str, Shape] = {}
    nodes = [Node("input", Input(sizes[:1]))]
    for link, before, after in zip(way.links, sizes, sizes[1:], strict=False):
        needs: dict[str, Shape] = {link.basal: (before, after)}
        if way.bias:
            needs[with_bias(link.basal)] = (1, after)
        nodes.append(Node(link.name, Cells(link), (nodes[-1].name,), tuple(needs)))
        shapes |= needs
    return Graph(tuple(nodes), shapes, nodes[-1].name)


@dataclass(frozen=True)
class ZIL(Descent):
    """The rule, in layers of rate cells or in the basal weights of a microcircuit.

    gamma  of each step of inference, 1 for what equals backpropagation
    """

    title: ClassVar[str] = "Z-IL"

    gamma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.gamma <= 1:
            raise InputError("ZIL.gamma", f"found {self.gamma}", "needs a number above 0 and at most 1")

    def asked(self, way: Forward, state: State, rates: list[Values], error: Values) -> list[Asked]:
        graph = graph_of(way, tuple(rate.shape[1] for rate in rates))
        values: dict[str, Array] = dict(zip([node.name for node in graph.nodes], rates, strict=True))
        weights = {name: state.weights[name] for name in way.names}
        before = dict(zip(way.basal, rates, strict=False))
        links = {link.name: link for link in way.links}
        found: list[Asked] = []
        with one_blas_thread():
            for inference, reached in arrivals(graph, values, weights, error, self.gamma, front=True):
                for node in reached:
                    basal = links[node.name].basal
                    error_here: Array = inference.errors[node.name]
                    after = Cells(links[node.name]).asked(error_here, values[node.name])
                    found.append(Asked(basal, before[basal], after))
                    if way.bias:
                        found.append(Asked(with_bias(basal), np.ones((len(error), 1), dtype=error.dtype), after))
        return found
