"""Predictive coding on graphs: inference by value nodes and errors, and the learning that goes with it.

Every node i of a graph has a value x_i, a prediction mu_i that its operation makes of its parents' values, and an error
eps_i = x_i - mu_i. Inputs are clamped to the sample, the output to its target. One step of inference moves all other
values at once, from the state before, down the energy F = 1/2 sum_i |eps_i|^2:

    x_i <- x_i + gamma (-eps_i + sum over children c of (dmu_c/dx_i)^T eps_c)

and a node's parameters learn by (dmu_i/dtheta)^T eps_i.

IL, inference learning (Whittington and Bogacz, Neural Computation 29:1229, 2017), takes many steps and then changes all
parameters. Z-IL (Song, Lukasiewicz, Xu and Bogacz, NeurIPS 2020; on graphs Salvatori and others, AAAI 2022,
arXiv:2103.04689) begins at the feed-forward pass, takes gamma = 1 and has each node learn once: at the step that is its
level, the number of edges between it and the output. Errors are 0 everywhere but at the output in the beginning and
spread by one level in each step. When they reach a node, all that lies before it is still as the feed-forward pass
left it, so that its error is exactly what backpropagation finds there, if all its ways to the output are equally long.

The price of this exactness: inference is no descent to a minimum of F any more. It is stopped on the way, and what is
learned is what the backward sweep finds (Rosenbaum, PLOS ONE 17:e0266102, 2022, says so). A gamma below 1 scales it by
gamma to the power of the level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from computation_graph import Graph, Local, Node, Values
from computation_graph.graph import add

from snnlab.errors import InputError


@dataclass(eq=False)
class Inference:
    """A graph while its values move. Values are kept as what they have moved by since the feed-forward pass.

    Who is in neither `moved` nor `errors` has moved by exactly 0, and has an error of exactly 0: so it stays until an
    error comes to one of its children or one of its parents moves, and nothing is worked out for it until then. An
    error found as x - mu would be lost to rounding where it is small beside x; what has moved is not.

    start       values of the feed-forward pass, from Graph.forward
    parameters  by name
    target      what the output should have been, less what it was
    weight      of the output's error in the energy: the inverse of its variance

    Raises InputError for values and parameters that are missing, and for a target that is not of the output's shape.
    """

    graph: Graph
    start: Mapping[str, Values]
    parameters: Mapping[str, Values]
    target: Values
    weight: float = 1.0
    moved: dict[str, Values] = field(init=False)
    errors: dict[str, Values] = field(default_factory=dict, init=False)
    predicted: dict[str, Values] = field(init=False)
    _values: dict[str, Values] = field(init=False)

    def __post_init__(self) -> None:
        output = self.graph.output
        nodes = [node.name for node in self.graph.nodes]
        _check_there("values", nodes, self.start)
        _check_there("parameters", list(self.graph.parameters), self.parameters)
        if self.target.shape != self.start[output].shape:
            found, needed = self.target.shape, self.start[output].shape
            raise InputError("target", f"found {found}", f"needs {needed}, as the output")
        self.predicted, self._values = dict(self.start), dict(self.start)
        self.moved = {}
        self._move(output, self.target)
        self._compare(self.graph[output])

    def step(self, gamma: float = 1.0, among: Iterable[Node] | None = None) -> None:
        """All values move at once by what pulls at them in the state before; then predictions and errors follow.

        among  the nodes that are worked out, None for all
        """
        nodes = self.graph.order if among is None else tuple(among)
        pulls = {node.name: self._pull(node) for node in nodes if self._free(node)}
        for name, pull in pulls.items():
            if pull is not None:
                self._move(name, pull if gamma == 1 else gamma * pull)
        for node in nodes:
            self._compare(node)

    def changes(self, nodes: Iterable[Node]) -> dict[str, Values]:
        """What the parameters of these nodes learn of their errors, shared ones in sum; none of an error of 0."""
        found: dict[str, Values] = {}
        for node in nodes:
            if node.parameters and node.name in self.errors:
                asked = node.operation.to_parameters(self.errors[node.name], self._local(node))
                add(found, node.parameters, asked)
        return found

    def value(self, name: str) -> Values:
        """Where a node is now (samples, *shape)."""
        if name not in self._values:
            self._values[name] = self.start[name] + self.moved[name]
        return self._values[name]

    def _free(self, node: Node) -> bool:
        return node.name != self.graph.output and node.name not in self.graph.given

    def _pull(self, node: Node) -> Values | None:
        """-dF/dx of one node, from errors of its own and its children's alone; None where all of these are 0."""
        found: dict[str, Values] = {}
        for child, which in self.graph.children[node.name]:
            if child.name in self.errors:
                sent = child.operation.to_parent(which, self.errors[child.name], self._local(child))
                add(found, (node.name,), (sent,))
        if node.name in self.errors:
            add(found, (node.name,), (-self.errors[node.name],))
        return found.get(node.name)

    def _move(self, name: str, by: Values) -> None:
        add(self.moved, (name,), (by,))
        self._values.pop(name, None)

    def _compare(self, node: Node) -> None:
        """The prediction and the error that this node now has."""
        if any(parent in self.moved for parent in node.parents):
            local = self._local(node)
            made = node.operation.forward(local.parents, local.parameters)
            drift = made - self.start[node.name]
            error = self.moved[node.name] - drift if node.name in self.moved else -drift
            self.predicted[node.name] = made
        elif node.name in self.moved:
            error = self.moved[node.name]  # its prediction is still that of the feed-forward pass
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
    """What Z-IL changes parameters by, summed over samples: at gamma 1 the descent of 1/2 |target|^2, exactly.

    values      of the feed-forward pass, from Graph.forward
    target      what the output should have been, less what it was: any -dC/d(output) for another cost C
    gamma       of each step
    front       work out in each step only the nodes that errors come to in it. What lies behind moves on, but no later
                change reads it: its errors reach nodes only after these have learned. The result is the same to the
                last bit, and the work that of a backward sweep
    unlevelled  take a graph whose edges skip levels, of which the result is wrong: a control

    Raises InputError for edges that skip levels, and for a target that is not of the output's shape.
    """
    found: dict[str, Values] = {}
    for inference, reached in arrivals(graph, values, parameters, target, gamma, front=front, unlevelled=unlevelled):
        changes = inference.changes(reached)
        add(found, list(changes), changes.values())
    return found


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
    """The steps of Z-IL, as `z_il` takes them: the state after each, and the nodes that learn in it."""
    _check_gamma(gamma)
    if graph.leaps and (front or not unlevelled):
        parent, child = graph.leaps[0]
        levels = f"level {graph.levels[child]} hears {parent!r} of level {graph.levels[parent]}"
        right = "needs one level between them: take graph.levelled()"
        raise InputError(f"node {child!r}", levels, right)
    inference = Inference(graph, values, parameters, target)
    last = max((graph.levels[node.name] for node in graph.learning), default=0)
    yield inference, graph.at(0)
    for level in range(1, last + 1):
        # behind the front nothing holds values back, with a gamma near 1: in deep graphs they run away at last
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
    """What inference learning changes parameters by, after so many steps, summed over samples; options as of `z_il`.

    weight  of the output's error in the energy, the inverse of its variance: as it goes to 0, changes divided by it go
            to those of backpropagation
    """
    _check_gamma(gamma)
    if steps < 0:
        raise InputError("steps", f"found {steps}", "needs none, or more")
    if not 0 < weight < float("inf"):
        raise InputError("weight", f"found {weight}", "needs a number above 0")
    inference = Inference(graph, values, parameters, target, weight)
    for _ in range(steps):
        inference.step(gamma)
    return inference.changes(graph.learning)


def _check_there(kind: str, needed: list[str], given: Mapping[str, Values]) -> None:
    for name in needed:
        if name not in given:
            raise InputError(
                kind, f"none of {name!r}", "needs those of Graph.forward of the same graph, levelled or not"
            )


def _check_gamma(gamma: float) -> None:
    if not 0 < gamma <= 1:
        raise InputError("gamma", f"found {gamma}", "needs a number above 0 and at most 1")
