"""A computation graph as a value: its nodes in order, their levels, its forward pass and its gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter

import numpy as np

from computation_graph.operation import Local, Operation, Shape, Values
from computation_graph.operations import Identity, Input


@dataclass(frozen=True)
class Node:
    """A value that an operation computes from its parents.

    parents     names of nodes, in the order of the operation; a name may occur twice
    parameters  names of arrays; nodes may share them
    """

    name: str
    operation: Operation
    parents: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes without a cycle, all of which lead to one output. Values of parameters come with each call.

    nodes       in any order
    parameters  name -> shape
    output      name of the output node
    """

    nodes: tuple[Node, ...]
    parameters: Mapping[str, Shape]
    output: str

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def order(self) -> tuple[Node, ...]:
        """Every node after its parents."""
        names = TopologicalSorter({node.name: node.parents for node in self.nodes}).static_order()
        return tuple(self[name] for name in names)

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each node's value for one sample."""
        inputs = {node.name: np.zeros((1, *node.operation.size)) for node in self.nodes
                  if isinstance(node.operation, Input)}  # fmt: skip
        parameters = {name: np.zeros(shape) for name, shape in self.parameters.items()}
        return {name: values.shape[1:] for name, values in self.forward(inputs, parameters).items()}

    @cached_property
    def children(self) -> dict[str, tuple[tuple[Node, int], ...]]:
        """The children of each node, and at which position each has it as a parent."""
        children: dict[str, list[tuple[Node, int]]] = {node.name: [] for node in self.nodes}
        for node in self.order:
            for position, parent in enumerate(node.parents):
                children[parent].append((node, position))
        return {name: tuple(pairs) for name, pairs in children.items()}

    @cached_property
    def levels(self) -> dict[str, int]:
        """The length of the longest path from each node to the output."""
        levels: dict[str, int] = {}
        for node in reversed(self.order):
            levels[node.name] = max((levels[child.name] + 1 for child, _ in self.children[node.name]), default=0)
        return levels

    @cached_property
    def constant(self) -> frozenset[str]:
        """Nodes that depend on inputs only, and on no parameter."""
        names: set[str] = set()
        for node in self.order:
            if not node.parameters and names.issuperset(node.parents):
                names.add(node.name)
        return frozenset(names)

    @cached_property
    def parametric(self) -> tuple[Node, ...]:
        """Nodes with parameters."""
        return tuple(node for node in self.order if node.parameters)

    def at(self, level: int) -> tuple[Node, ...]:
        """The nodes of a level."""
        return self._by_level.get(level, ())

    @cached_property
    def _by_level(self) -> dict[int, tuple[Node, ...]]:
        nodes: dict[int, tuple[Node, ...]] = {}
        for node in self.order:
            level = self.levels[node.name]
            nodes[level] = (*nodes.get(level, ()), node)
        return nodes

    @cached_property
    def skips(self) -> tuple[tuple[str, str], ...]:
        """Edges (parent, child) that skip a level, without those from constant nodes, which receive no error."""
        return tuple(
            (parent, node.name)
            for node in self.order
            for parent in node.parents
            if parent not in self.constant and self.levels[parent] - self.levels[node.name] > 1
        )

    def levelled(self) -> Graph:
        """The same graph with identity nodes in every edge that skips levels, so that all paths are equally long.

        Edges out of one node share them: "x@3" is the value of x at level 3.
        """
        inserted: dict[str, Node] = {}
        skips = set(self.skips)

        def at(name: str, lowest: int) -> str:
            """The node that has the value of this one at a level below its own."""
            current = name
            for level in range(self.levels[name] - 1, lowest - 1, -1):
                previous, current = current, f"{name}@{level}"
                inserted.setdefault(current, Node(current, Identity(), (previous,)))
            return current

        nodes = tuple(
            replace(node, parents=tuple(
                at(parent, self.levels[node.name] + 1) if (parent, node.name) in skips else parent
                for parent in node.parents
            ))
            for node in self.nodes
        )  # fmt: skip
        return Graph((*nodes, *inserted.values()), self.parameters, self.output)

    def forward(self, inputs: Mapping[str, Values], parameters: Mapping[str, Values]) -> dict[str, Values]:
        """The forward pass: the value of every node (samples, *shape)."""
        values: dict[str, Values] = {}
        for node in self.order:
            if isinstance(node.operation, Input):
                values[node.name] = inputs[node.name]
            else:
                parents = [values[parent] for parent in node.parents]
                values[node.name] = node.operation.forward(parents, [parameters[name] for name in node.parameters])
        return values

    def gradients(
        self, values: Mapping[str, Values], parameters: Mapping[str, Values], derivative: Values
    ) -> dict[str, Values]:
        """The gradient of a cost with respect to all parameters, by reverse mode, summed over samples.

        values      from `forward`
        derivative  dC/d(output) (samples, *shape)
        """
        errors = {self.output: derivative}
        gradients: dict[str, Values] = {}
        for node in reversed(self.order):
            if node.name in self.constant:
                continue
            error, local = errors.pop(node.name), self.local(node, values, parameters)
            add(gradients, node.parameters, node.operation.to_parameters(error, local))
            for position, parent in enumerate(node.parents):
                if parent not in self.constant:
                    add(errors, (parent,), (node.operation.to_parent(position, error, local),))
        return gradients

    def local(self, node: Node, values: Mapping[str, Values], parameters: Mapping[str, Values]) -> Local:
        """What a node has access to, given the values of all nodes."""
        return Local(
            tuple(values[parent] for parent in node.parents),
            tuple(parameters[name] for name in node.parameters),
            values[node.name],
        )


def add(sums: dict[str, Values], names: Sequence[str], values: Iterable[Values]) -> None:
    """Add each value to the sum of its name; not in place, as an identity passes on the array that it receives."""
    for name, value in zip(names, values, strict=True):
        sums[name] = sums[name] + value if name in sums else value
