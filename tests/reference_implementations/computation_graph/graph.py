"""A computation graph as a value: nodes that know their parents, checked, put in order and levelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

import numpy as np

from computation_graph.operation import Local, Operation, Shape, Values
from computation_graph.operations import Identity, Input
from snnlab.errors import InputError, one_of


@dataclass(frozen=True)
class Node:
    """A value, predicted from its parents by an operation.

    parents     names of nodes, in the operation's order; one may come twice
    parameters  names of arrays; several nodes may share one
    """

    name: str
    operation: Operation
    parents: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes without a cycle, all of which lead to one output. Weights are no part of it: they come with each call.

    nodes       in any order; those of `Input` come from outside
    parameters  name -> shape of all that nodes learn
    output      the node that is told what it should have been

    Raises InputError for a cycle, for nodes or parameters that are not there, that nobody uses or that have one name,
    and for shapes that do not compose.
    """

    nodes: tuple[Node, ...]
    parameters: Mapping[str, Shape]
    output: str

    def __post_init__(self) -> None:
        self._check_names()
        self._check_used()
        self._check_sizes()
        shapes = self.shapes  # worked out here, so that what does not compose is refused here
        if isinstance(self[self.output].operation, Input):
            raise InputError(
                "graph.output", f"{self.output!r} of shape {shapes[self.output]}, an input", "needs a node"
            )
        self._check_parameters_used()

    def _check_sizes(self) -> None:
        """Refuse shapes of anything but whole numbers from 1 on, before they are reckoned with."""
        given = {f"parameter {name!r}": shape for name, shape in self.parameters.items()}
        given |= {f"node {one.name!r}": one.operation.size for one in self.nodes if isinstance(one.operation, Input)}
        for where, shape in given.items():
            if not isinstance(shape, tuple) or any(type(size) is not int or size < 1 for size in shape):
                raise InputError(where, f"shape {shape}", "needs a tuple of whole numbers, at least 1")

    def __getitem__(self, name: str) -> Node:
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def order(self) -> tuple[Node, ...]:
        """Every node after its parents."""
        try:
            names = list(TopologicalSorter({node.name: node.parents for node in self.nodes}).static_order())
        except CycleError as error:
            found = " -> ".join(error.args[1])
            raise InputError(
                "graph", f"a cycle {found}", "needs none: unroll it in time, a node for each step"
            ) from error
        return tuple(self[name] for name in names)

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Of what each node makes of one sample."""
        found: dict[str, Shape] = {}
        for node in self.order:
            parents = [found[parent] for parent in node.parents]
            try:
                made = node.operation.shape(parents, [tuple(self.parameters[name]) for name in node.parameters])
            except InputError as refusal:
                raise InputError(f"node {node.name!r}", refusal.problem, refusal.hint) from refusal
            found[node.name] = made
        return found

    @cached_property
    def children(self) -> dict[str, tuple[tuple[Node, int], ...]]:
        """Who hears each node, and as which of its parents."""
        found: dict[str, list[tuple[Node, int]]] = {node.name: [] for node in self.nodes}
        for node in self.order:
            for which, parent in enumerate(node.parents):
                found[parent].append((node, which))
        return {name: tuple(children) for name, children in found.items()}

    @cached_property
    def levels(self) -> dict[str, int]:
        """The longest way from each node to the output."""
        found: dict[str, int] = {}
        for node in reversed(self.order):
            found[node.name] = max((found[child.name] + 1 for child, _ in self.children[node.name]), default=0)
        return found

    @cached_property
    def given(self) -> frozenset[str]:
        """The inputs, and nodes that are worked out of them alone, by nothing that is learned."""
        found: set[str] = set()
        for node in self.order:
            if not node.parameters and found.issuperset(node.parents):
                found.add(node.name)
        return frozenset(found)

    @cached_property
    def learning(self) -> tuple[Node, ...]:
        """Nodes with parameters."""
        return tuple(node for node in self.order if node.parameters)

    def at(self, level: int) -> tuple[Node, ...]:
        """The nodes of a level."""
        return self._by_level.get(level, ())

    @cached_property
    def _by_level(self) -> dict[int, tuple[Node, ...]]:
        found: dict[int, tuple[Node, ...]] = {}
        for node in self.order:
            level = self.levels[node.name]
            found[level] = (*found.get(level, ()), node)
        return found

    @cached_property
    def leaps(self) -> tuple[tuple[str, str], ...]:
        """Edges (parent, child) that skip a level. Those from given nodes do not count: no error has to come there."""
        return tuple(
            (parent, node.name)
            for node in self.order
            for parent in node.parents
            if parent not in self.given and self.levels[parent] - self.levels[node.name] > 1
        )

    def levelled(self) -> Graph:
        """The same with identity nodes in every edge that skips levels: all ways to the output are equally long.

        Edges out of one node share theirs: "x@3" is the value of x at level 3.
        """
        made: dict[str, Node] = {}
        leaps = set(self.leaps)

        def at(name: str, lowest: int) -> str:
            """The node that has the value of this one at a level below its own."""
            here = name
            for level in range(self.levels[name] - 1, lowest - 1, -1):
                below, here = here, f"{name}@{level}"
                made.setdefault(here, Node(here, Identity(), (below,)))
            return here

        nodes = tuple(
            replace(node, parents=tuple(
                at(parent, self.levels[node.name] + 1) if (parent, node.name) in leaps else parent
                for parent in node.parents
            ))
            for node in self.nodes
        )  # fmt: skip
        return Graph((*nodes, *made.values()), self.parameters, self.output)

    def forward(self, inputs: Mapping[str, Values], parameters: Mapping[str, Values]) -> dict[str, Values]:
        """The feed-forward pass: what every node makes (samples, *shape).

        Raises InputError for inputs and parameters that are missing or of other shapes.
        """
        self._check_given(inputs, parameters)
        found: dict[str, Values] = {}
        for node in self.order:
            if isinstance(node.operation, Input):
                found[node.name] = inputs[node.name]
            else:
                parents = [found[parent] for parent in node.parents]
                found[node.name] = node.operation.forward(parents, [parameters[name] for name in node.parameters])
        return found

    def gradients(
        self, values: Mapping[str, Values], parameters: Mapping[str, Values], slope: Values
    ) -> dict[str, Values]:
        """The derivative of a cost by all parameters, by reverse mode: the plain backward sweep.

        values  that `forward` found
        slope   dC/d(output) (samples, *shape); what comes back is summed over samples
        """
        errors = {self.output: slope}
        found: dict[str, Values] = {}
        for node in reversed(self.order):
            if node.name in self.given:
                continue
            error, local = errors.pop(node.name), self.local(node, values, parameters)
            add(found, node.parameters, node.operation.to_parameters(error, local))
            for which, parent in enumerate(node.parents):
                if parent not in self.given:
                    add(errors, (parent,), (node.operation.to_parent(which, error, local),))
        return found

    def local(self, node: Node, values: Mapping[str, Values], parameters: Mapping[str, Values]) -> Local:
        """What a node knows where these are the values of all."""
        return Local(
            tuple(values[parent] for parent in node.parents),
            tuple(parameters[name] for name in node.parameters),
            values[node.name],
        )

    def _check_names(self) -> None:
        for name, many in Counter(node.name for node in self.nodes).items():
            if many > 1:
                raise InputError(f"node {name!r}", f"found {many} of this name", "needs a name for each")
        for node in self.nodes:
            for parent in node.parents:
                if parent not in self._named:
                    raise InputError(f"node {node.name!r}", f"hears {parent!r}", one_of(parent, self._named))
            for name in node.parameters:
                if name not in self.parameters:
                    raise InputError(f"node {node.name!r}", f"has parameter {name!r}", one_of(name, self.parameters))
        if self.output not in self._named:
            raise InputError("graph.output", f"found {self.output!r}", one_of(self.output, self._named))

    def _check_used(self) -> None:
        for node in self.order:  # which refuses a cycle
            if node.name != self.output and not self.children[node.name]:
                right = f"needs a child, to lead to the output {self.output!r}; or to be left out"
                raise InputError(f"node {node.name!r}", "heard by none", right)
        if self.children[self.output]:
            child = self.children[self.output][0][0].name
            raise InputError("graph.output", f"{self.output!r} is heard by {child!r}", "needs a node that none hears")

    def _check_parameters_used(self) -> None:
        used = {name for node in self.nodes for name in node.parameters}
        for name in self.parameters:
            if name not in used:
                raise InputError(f"parameter {name!r}", "used by no node", "needs one, or to be left out")

    def _check_given(self, inputs: Mapping[str, Values], parameters: Mapping[str, Values]) -> None:
        wanted = {node.name: self.shapes[node.name] for node in self.nodes if isinstance(node.operation, Input)}
        many = {len(values) for values in inputs.values() if np.ndim(values)}
        _check_arrays("input", wanted, {name: np.shape(values)[1:] for name, values in inputs.items()})
        _check_arrays("parameter", self.parameters, {name: np.shape(one) for name, one in parameters.items()})
        if len(many) > 1:
            raise InputError("inputs", f"found {sorted(many)} samples", "needs as many in each")


def add(into: dict[str, Values], names: Sequence[str], values: Iterable[Values]) -> None:
    """Each value added to what has its name: never in place, for an identity passes on the array that it was given."""
    for name, value in zip(names, values, strict=True):
        into[name] = into[name] + value if name in into else value


def _check_arrays(kind: str, wanted: Mapping[str, Shape], found: Mapping[str, Shape]) -> None:
    for name in found:
        if name not in wanted:
            raise InputError(f"{kind} {name!r}", "not in the graph", one_of(name, wanted))
    for name, shape in wanted.items():
        if name not in found:
            raise InputError(f"{kind} {name!r}", "missing", f"needs an array {tuple(shape)}")
        if found[name] != tuple(shape):
            samples = "samples of " if kind == "input" else ""
            raise InputError(f"{kind} {name!r}", f"found {samples}{found[name]}", f"needs {samples}{tuple(shape)}")
