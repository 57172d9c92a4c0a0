"""A network as a value: sources, populations of cells, and projections between them."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from snnlab.cards import Cell
from snnlab.errors import InputError, one_of
from snnlab.networks.populations import (
    SOURCE_VARIABLE,
    Number,
    Plastic,
    Population,
    PopulationRole,
    Projection,
    Receptor,
    Source,
    SourceRole,
)
from snnlab.networks.validation import check_nodes, check_plastic_names, check_projection, check_weights
from snnlab.networks.weights import Weights, with_parameters

__all__ = [
    "SOURCE_VARIABLE",
    "Circuit",
    "Number",
    "Plastic",
    "Population",
    "Projection",
    "Receptor",
    "Source",
    "unconnected",
]


@dataclass(frozen=True, eq=False)
class Circuit:
    """Sources, populations and projections with one time step `dt`.

    The roles of sources and populations define the forward path: input, layers, output. Raises InputError for parts
    that do not fit each other.
    """

    nodes: tuple[Source | Population, ...]
    projections: tuple[Projection, ...]
    dt: Number

    def __post_init__(self) -> None:
        check_nodes(self.nodes)
        for projection in self.projections:
            check_projection(projection, self[projection.pre], self[projection.post])
        check_plastic_names(self.projections)

    def __repr__(self) -> str:
        parts = [f"dt={self.dt!r}", *map(repr, (*self.nodes, *self.projections))]
        return "Circuit({})".format(",\n        ".join(parts))

    def __getitem__(self, name: str) -> Source | Population:
        for node in self.nodes:
            if node.name == name:
                return node
        raise InputError("circuit", f"no population {name!r}", one_of(name, [node.name for node in self.nodes]))

    def population(self, name: str) -> Population:
        """The population of this name. Raises InputError if it is a source."""
        node = self[name]
        if isinstance(node, Population):
            return node
        raise InputError("circuit", f"{name!r} is a source", "must be a population of cells")

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Source))

    @property
    def populations(self) -> tuple[Population, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Population))

    # The roles of its parts

    def sources_of(self, role: SourceRole) -> tuple[Source, ...]:
        return tuple(source for source in self.sources if source.role == role)

    def populations_of(self, role: PopulationRole) -> tuple[Population, ...]:
        """The populations of this role, in the order of the layers that they belong to."""
        return tuple(population for population in self.populations if population.role == role)

    @property
    def input(self) -> Source:
        """The source of the samples. Raises InputError unless there is exactly one."""
        sources = self.sources_of("input")
        if len(sources) != 1:
            raise InputError("circuit", f"{len(sources)} input sources", "must be one")
        return sources[0]

    @property
    def bias(self) -> Source | None:
        """The constant source of 1, if there is one."""
        return next(iter(self.sources_of("bias")), None)

    @property
    def layers(self) -> tuple[Population, ...]:
        """The populations of the forward path, from the first hidden layer to the output."""
        return self.populations_of("layer")

    @property
    def output(self) -> Population:
        """The last layer. Raises InputError if there is none."""
        if not self.layers:
            raise InputError("circuit", "no layer", "must have at least one population with the role 'layer'")
        return self.layers[-1]

    @property
    def forward(self) -> tuple[Projection, ...]:
        """The projection onto each layer from the one below it, the first from the afferents or the input.

        Raises InputError unless each layer has exactly one.
        """
        first = next(iter(self.populations_of("afferent")), None) or self.input
        below: list[Source | Population] = [first, *self.layers]
        path = []
        for pre, post in zip(below, self.layers, strict=False):
            projections = self.between(pre.name, post.name)
            if len(projections) != 1:
                problem = f"{len(projections)} projections from {pre.name!r} to {post.name!r}"
                raise InputError("circuit", problem, "must be one between consecutive layers")
            path.append(projections[0])
        return tuple(path)

    # Its projections

    def incoming(self, name: str) -> tuple[Projection, ...]:
        """The projections onto this population, in the order of the circuit."""
        return tuple(projection for projection in self.projections if projection.post == name)

    def between(self, pre: str, post: str) -> tuple[Projection, ...]:
        """The projections from `pre` to `post`, in the order of the circuit."""
        return tuple(projection for projection in self.incoming(post) if projection.pre == pre)

    def unit(self, projection: Projection) -> str:
        """Unit of the weights of a projection, as written on the card of the receptor."""
        post = self.population(projection.post)
        receptor = post.receptors.get(projection.receptor)
        target = receptor.synapse.on_spike if receptor else post.cell.receptors[projection.receptor]
        equations = receptor.synapse.equations if receptor else post.cell.equations
        return next(equation.unit for equation in equations if equation.name == target)

    def is_continuous(self, projection: Projection) -> bool:
        """Whether a projection transmits a variable in every step, rather than spikes."""
        return self.population(projection.post).is_continuous(projection.receptor)

    def transmitted_variable(self, projection: Projection) -> str:
        """The variable of `pre` that a continuous projection transmits."""
        return projection.variable or self[projection.pre].rate

    # Variants of it

    def with_weights(self, weights: Mapping[str, Weights]) -> Circuit:
        """The same circuit with other weights, by name of projection.

        Raises InputError for an unknown projection, and for weights that do not fit it.
        """
        known = {projection.name for projection in self.projections}
        for name in weights:
            if name not in known:
                raise InputError("circuit", f"no projection {name!r}", one_of(name, known))
        projections = []
        for projection in self.projections:
            if projection.name in weights:
                values = with_parameters(projection.weights, weights[projection.name])
                projection = replace(projection, weights=values)
                check_weights(projection, self[projection.pre], self[projection.post])
            projections.append(projection)
        return self._with_parts(self.nodes, projections)

    def subcircuit(self, names: Collection[str]) -> Circuit:
        """The projections of these names, and the sources and populations that they connect."""
        projections = [projection for projection in self.projections if projection.name in names]
        ends = {end for projection in projections for end in (projection.pre, projection.post)}
        return self._with_parts([node for node in self.nodes if node.name in ends], projections)

    def _with_parts(self, nodes: Iterable[Source | Population], projections: Iterable[Projection]) -> Circuit:
        """A circuit of parts that are already checked."""
        circuit = copy.copy(self)
        object.__setattr__(circuit, "nodes", tuple(nodes))
        object.__setattr__(circuit, "projections", tuple(projections))
        return circuit


def unconnected(
    cell: Cell, *, size: int = 1, dt: Number | None = None, parameters: Mapping[str, Number] | None = None
) -> Circuit:
    """Unconnected cells of one card as the population "cell"; `dt` is the card's by default."""
    return Circuit((Population("cell", cell, size, parameters or {}),), (), cell.dt if dt is None else dt)
