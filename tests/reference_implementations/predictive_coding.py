"""Predictive coding on graphs: inference of value nodes, and the learning rules IL and Z-IL.

Every node i of a graph has a value x_i, a prediction mu_i that its operation computes from its parents' values, and an
error eps_i = x_i - mu_i. Inputs are clamped to the sample, the output to its target. A step of inference moves all
other values simultaneously down the energy F = 1/2 sum_i |eps_i|^2:

    x_i <- x_i + gamma (-eps_i + sum over children c of (dmu_c/dx_i)^T eps_c)

and the parameters of a node learn by (dmu_i/dtheta)^T eps_i.

IL, inference learning (Whittington and Bogacz, Neural Computation 29:1229, 2017), takes many steps and then updates all
parameters. Z-IL (Song, Lukasiewicz, Xu and Bogacz, NeurIPS 2020; on graphs Salvatori and others, AAAI 2022,
arXiv:2103.04689) starts from the forward pass, has gamma = 1 and updates each node once: at the step equal to its
level, the number of edges between it and the output. Errors are initially 0 everywhere but at the output and spread by
one level per step. When they reach a node, everything before it is still at its value of the forward pass, so that its
error is exactly that of backpropagation, if all its paths to the output are equally long.

The price of exactness: inference no longer converges to a minimum of F. It is stopped on the way, and what is learned
is what the backward pass computes (Rosenbaum, PLOS ONE 17:e0266102, 2022). A gamma below 1 scales the update of a node
by gamma to the power of its level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from computation_graph import Graph, Local, Node, Values
from computation_graph.graph import add


@dataclass(eq=False)
class Inference:
    """The state of inference. Values are stored as their change since the forward pass.

    A node that is in neither `moved` nor `errors` has a change and an error of exactly 0, and is not computed until an
    error reaches one of its children or one of its parents moves. x - mu would lose an error that is small beside x to
    rounding; the difference of changes does not.

    start       values of the forward pass
    parameters  by name
    target      target of the output minus its value
    weight      of the output's error in the energy: the inverse of its variance
    """

    graph: Graph
    start: Mapping[str, Values]
    parameters: Mapping[str, Values]
    target: Values
    weight: float = 1.0
    moved: dict[str, Values] = field(default_factory=dict, init=False)
    errors: dict[str, Values] = field(default_factory=dict, init=False)
    predicted: dict[str, Values] = field(init=False)
    _values: dict[str, Values] = field(init=False)

    def __post_init__(self) -> None:
        if missing := {node.name for node in self.graph.nodes} - self.start.keys():
            raise ValueError(f"values of another graph: no {sorted(missing)}")
        self.predicted, self._values = dict(self.start), dict(self.start)
        self._move(self.graph.output, self.target)
        self._update_error(self.graph[self.graph.output])

    def step(self, gamma: float = 1.0, nodes: Iterable[Node] | None = None) -> None:
        """Move all values simultaneously down the energy, then update predictions and errors.

        nodes  that are computed, None for all
        """
        nodes = self.graph.order if nodes is None else tuple(nodes)
        directions = {node.name: self._direction(node) for node in nodes if self._is_free(node)}
        for name, direction in directions.items():
            if direction is not None:
                self._move(name, direction if gamma == 1 else gamma * direction)
        for node in nodes:
            self._update_error(node)

    def updates(self, nodes: Iterable[Node]) -> dict[str, Values]:
        """The parameter updates from the errors of these nodes; shared parameters get the sum."""
        updates: dict[str, Values] = {}
        for node in nodes:
            if node.parameters and node.name in self.errors:
                add(updates, node.parameters, node.operation.to_parameters(self.errors[node.name], self._local(node)))
        return updates

    def value(self, name: str) -> Values:
        """The current value of a node (samples, *shape)."""
        if name not in self._values:
            self._values[name] = self.start[name] + self.moved[name]
        return self._values[name]

    def _is_free(self, node: Node) -> bool:
        return node.name != self.graph.output and node.name not in self.graph.constant

    def _direction(self, node: Node) -> Values | None:
        """-dF/dx of a node, from its own error and its children's; None if all of them are 0."""
        direction: dict[str, Values] = {}
        for child, position in self.graph.children[node.name]:
            if child.name in self.errors:
                propagated = child.operation.to_parent(position, self.errors[child.name], self._local(child))
                add(direction, (node.name,), (propagated,))
        if node.name in self.errors:
            add(direction, (node.name,), (-self.errors[node.name],))
        return direction.get(node.name)

    def _move(self, name: str, change: Values) -> None:
        add(self.moved, (name,), (change,))
        self._values.pop(name, None)

    def _update_error(self, node: Node) -> None:
        """Update the prediction and the error of a node."""
        if any(parent in self.moved for parent in node.parents):
            local = self._local(node)
            prediction = node.operation.forward(local.parents, local.parameters)
            drift = prediction - self.start[node.name]
            error = self.moved[node.name] - drift if node.name in self.moved else -drift
            self.predicted[node.name] = prediction
        elif node.name in self.moved:
            error = self.moved[node.name]  # the prediction is still that of the forward pass
        else:
            return
        weighted = node.name == self.graph.output and self.weight != 1
        self.errors[node.name] = self.weight * error if weighted else error

    def _local(self, node: Node) -> Local:
        return Local(
            tuple(self.value(parent) for parent in node.parents),
            tuple(self.parameters[name] for name in node.parameters),
            self.predicted[node.name],
        )


def z_il(
    graph: Graph,
    values: Mapping[str, Values],
    parameters: Mapping[str, Values],
    target: Values,
    gamma: float = 1.0,
    *,
    front: bool = False,
    unlevelled: bool = False,
) -> dict[str, Values]:
    """The parameter updates of Z-IL, summed over samples; with gamma = 1 exactly the descent of 1/2 |target|^2.

    values      of the forward pass
    target      target of the output minus its value: -dC/d(output) for another cost C
    gamma       step size of inference
    front       compute in each step only the nodes that errors reach in it; nodes behind move on, but no later update
                reads them. The result is bit-identical, at the cost of a backward pass
    unlevelled  accept a graph whose edges skip levels, for which the result is wrong: a negative control

    Raises ValueError for edges that skip levels.
    """
    total: dict[str, Values] = {}
    for inference, reached in arrivals(graph, values, parameters, target, gamma, front=front, unlevelled=unlevelled):
        updates = inference.updates(reached)
        add(total, list(updates), updates.values())
    return total


def arrivals(
    graph: Graph,
    values: Mapping[str, Values],
    parameters: Mapping[str, Values],
    target: Values,
    gamma: float = 1.0,
    *,
    front: bool = False,
    unlevelled: bool = False,
) -> Iterator[tuple[Inference, tuple[Node, ...]]]:
    """The steps of Z-IL (see `z_il`): the state after each, and the nodes that learn in it."""
    if graph.skips and (front or not unlevelled):
        parent, child = graph.skips[0]
        raise ValueError(f"edge {parent} -> {child} skips a level: use Graph.levelled()")
    inference = Inference(graph, values, parameters, target)
    last = max((graph.levels[node.name] for node in graph.parametric), default=0)
    yield inference, graph.at(0)
    for level in range(1, last + 1):
        # values behind the front diverge in deep graphs when gamma is near 1
        with np.errstate(over="ignore", invalid="ignore"):
            inference.step(gamma, graph.at(level) if front else None)
        yield inference, graph.at(level)


def il(
    graph: Graph,
    values: Mapping[str, Values],
    parameters: Mapping[str, Values],
    target: Values,
    gamma: float = 0.1,
    steps: int = 100,
    weight: float = 1.0,
) -> dict[str, Values]:
    """The parameter updates of inference learning after so many steps, summed over samples; options as for `z_il`.

    weight  of the output's error in the energy, the inverse of its variance; as it approaches 0, updates divided by it
            approach those of backpropagation
    """
    inference = Inference(graph, values, parameters, target, weight)
    for _ in range(steps):
        inference.step(gamma)
    return inference.updates(graph.parametric)
