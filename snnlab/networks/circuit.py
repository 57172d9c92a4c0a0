"""A network as a value: populations of cells, and the projections between them.

Numbers are SI floats, or text with a unit ("20 ms"); text is read where Brian2 is at hand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from snnlab.cards import METHODS, Cell, Plasticity, Synapse
from snnlab.cards.grammar import UNITS, GrammarError, at_once, check_name, names_in
from snnlab.errors import InputError, one_of
from snnlab.networks.weights import Weights, trainable_parameters, with_parameters

Number = float | str
"""An SI float, or text with a unit such as "20 ms"."""


SOURCE_VARIABLE = "r"
"""What a plastic connection calls the rate of a source."""


@dataclass(frozen=True)
class Source:
    """Neurons whose spikes, or whose rates, are given from outside."""

    name: str
    size: int


@dataclass(frozen=True)
class Receptor:
    """A synapse card at a place on the cell; its current joins that compartment's."""

    synapse: Synapse
    compartment: str
    parameters: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Population:
    """Cells of one card, with parameters of their own where they differ from the card's.

    receptors  name -> Receptor, beside those that the card itself has
    initial    state variable -> value (size,) or one number, where it differs from the card's
    method     integration scheme, where the card's cannot take the receptors ("" for the card's)

    Raises InputError for names that are not on the cards, and for an initial value of another shape.
    """

    name: str
    cell: Cell
    size: int
    parameters: Mapping[str, Number] = field(default_factory=dict)
    receptors: Mapping[str, Receptor] = field(default_factory=dict)
    initial: Mapping[str, Number | NDArray[np.floating]] = field(default_factory=dict)
    method: str = ""

    def __post_init__(self) -> None:
        where = f"population {self.name!r}"
        for name in self.parameters:
            if name not in self.cell.parameters:
                raise InputError(
                    where, f"no parameter {name!r} on {self.cell.path}", one_of(name, self.cell.parameters)
                )
        for name, receptor in self.receptors.items():
            self._check(name, receptor, f"{where}: receptor {name!r}")
        if self.method and self.method not in METHODS:
            raise InputError(where, f"method {self.method!r}", one_of(self.method, METHODS))
        for name, value in self.initial.items():
            if name not in self.cell.states:
                raise InputError(
                    where, f"no state variable {name!r} on {self.cell.path}", one_of(name, self.cell.states)
                )
            if np.shape(value) not in ((), (self.size,)):
                raise InputError(
                    f"{where}: initial.{name}", f"shape {np.shape(value)}", f"needs one value or {self.size}"
                )

    def _check(self, name: str, receptor: Receptor, where: str) -> None:
        cell, card = self.cell, receptor.synapse
        try:
            check_name(f"g_{name}")  # it will end the names of the receptor's variables
        except GrammarError as error:
            raise InputError(where, str(error)) from error
        if name in cell.receptors:
            raise InputError(where, f"already on {cell.path}", "choose another name")
        if receptor.compartment not in cell.compartments:
            found = f"no compartment {receptor.compartment!r} on {cell.path}"
            raise InputError(where, found, one_of(receptor.compartment, cell.compartments))
        for parameter in receptor.parameters:
            if parameter not in card.parameters:
                raise InputError(
                    where, f"no parameter {parameter!r} on {card.path}", one_of(parameter, card.parameters)
                )


@dataclass(frozen=True)
class Plastic:
    """A plasticity card on a projection, with parameters of its own where they differ from the card's."""

    card: Plasticity
    parameters: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Projection:
    """Spikes of `pre` raise a receptor of `post` by the weight of the synapse they cross.

    A receptor that is an input of the cell holds in every step the sum over what `pre` says, times the weights.

    delay       of spikes: added to the arrival after the end of the step in which the spike was fired
    variable       of a receptor that is an input: the variable of `pre` that is transmitted, "" for its rate
    plasticity  how the weights change while the circuit runs; None for fixed ones, and for those that a rule learns
    """

    pre: str
    post: str
    receptor: str
    weights: Weights
    delay: Number = 0.0
    variable: str = ""
    plasticity: Plastic | None = None

    @property
    def name(self) -> str:
        return f"{self.pre}->{self.post}.{self.receptor}"


@dataclass(frozen=True, eq=False)
class Circuit:
    """Sources, populations and projections on one clock of `dt`. Raises InputError for what cannot be wired."""

    nodes: tuple[Source | Population, ...]
    projections: tuple[Projection, ...]
    dt: Number

    def __post_init__(self) -> None:
        names = [node.name for node in self.nodes]
        for node in self.nodes:
            if names.count(node.name) > 1:
                raise InputError("circuit", f"two populations are called {node.name!r}", "names must differ")
            if not (node.name.isidentifier() and node.name.isascii()):
                raise InputError("circuit", f"{node.name!r} is not a name", "use letters, digits and underscores")
            if not isinstance(node.size, int | np.integer):
                raise InputError(f"population {node.name!r}", f"size {node.size!r}", "needs a whole number")
            if node.size < 1:
                raise InputError(f"population {node.name!r}", f"size {node.size}", "needs at least one neuron")
        for projection in self.projections:
            self._check(projection)
        learning = [projection.name for projection in self.projections if projection.plasticity]
        for name in learning:
            if learning.count(name) > 1:
                raise InputError(
                    f"projection {name!r}", "two plastic ones have this name", "join their weights into one"
                )

    def __getitem__(self, name: str) -> Source | Population:
        for node in self.nodes:
            if node.name == name:
                return node
        raise InputError("circuit", f"no population {name!r}", one_of(name, [node.name for node in self.nodes]))

    def population(self, name: str) -> Population:
        """The cells of this name. Raises InputError where it is a source's."""
        node = self[name]
        if isinstance(node, Population):
            return node
        raise InputError("circuit", f"{name!r} is a source", "needs a population of cells")

    @property
    def sources(self) -> tuple[Source, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Source))

    @property
    def populations(self) -> tuple[Population, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Population))

    def incoming(self, name: str) -> tuple[Projection, ...]:
        """The projections that arrive at this population, in the circuit's order."""
        return tuple(projection for projection in self.projections if projection.post == name)

    def unit(self, projection: Projection) -> str:
        """What the weights of one of its projections are in, as on a card: the unit of what its spikes raise."""
        post = self[projection.post]
        if not isinstance(post, Population):
            raise InputError(f"projection {projection.name!r}", f"{post.name!r} is a source", "needs a population")
        receptor = post.receptors.get(projection.receptor)
        raised = receptor.synapse.on_spike if receptor else post.cell.receptors[projection.receptor]
        equations = receptor.synapse.equations if receptor else post.cell.equations
        return next(equation.unit for equation in equations if equation.name == raised)

    def is_continuous(self, projection: Projection) -> bool:
        """Whether a projection arrives at an input, in every step, and not by spikes."""
        post = self[projection.post]
        return isinstance(post, Population) and post.cell.receptors.get(projection.receptor) in post.cell.inputs

    def transmitted_variable(self, projection: Projection) -> str:
        """The variable of `pre` that crosses a projection onto an input."""
        pre = self[projection.pre]
        return projection.variable or (pre.cell.rate if isinstance(pre, Population) else SOURCE_VARIABLE)

    def with_weights(self, weights: Mapping[str, Weights]) -> Circuit:
        """The same circuit with other weights, by name of projection. Raises InputError for one that it has not."""
        known = {projection.name for projection in self.projections}
        for name in weights:
            if name not in known:
                raise InputError("circuit", f"no projection {name!r}", one_of(name, known))
        changed = (
            replace(one, weights=with_parameters(one.weights, weights.get(one.name, one.weights)))
            for one in self.projections
        )
        return replace(self, projections=tuple(changed))

    def subcircuit(self, names: Collection[str]) -> Circuit:
        """The projections of these names only, and the nodes at their ends."""
        kept = tuple(projection for projection in self.projections if projection.name in names)
        ends = {end for projection in kept for end in (projection.pre, projection.post)}
        return replace(self, nodes=tuple(node for node in self.nodes if node.name in ends), projections=kept)

    def _check(self, projection: Projection) -> None:
        where = f"projection {projection.name!r}"
        pre, post = self[projection.pre], self[projection.post]
        if not isinstance(post, Population):
            raise InputError(where, f"{post.name!r} is a source", "spikes can only arrive at a population of cells")
        receptors = [*post.cell.receptors, *post.receptors]
        if projection.receptor not in receptors:
            raise InputError(where, f"no receptor {projection.receptor!r}", one_of(projection.receptor, receptors))
        if projection.weights.shape != (pre.size, post.size):
            raise InputError(where, f"weights of shape {projection.weights.shape}", f"needs {(pre.size, post.size)}")
        if self.is_continuous(projection):
            self._check_heard(projection, where)
        elif projection.variable or projection.plasticity:
            right = f"{post.cell.path} has the inputs {', '.join(post.cell.inputs)}" if post.cell.inputs else ""
            found = f"receptor {projection.receptor!r} is raised by spikes"
            raise InputError(where, found, f"only inputs hear a variable and learn; {right or 'this cell has none'}")
        values = trainable_parameters(projection.weights)
        if values is None:
            return
        if values.dtype.kind not in "biuf":
            raise InputError(where, f"weights of type {values.dtype}", "needs real numbers")
        if not np.isfinite(values).all():
            raise InputError(where, "weights that are not finite", "NaN and infinity cannot be simulated")

    def _check_heard(self, projection: Projection, where: str) -> None:
        """Refuse what an input cannot hear, and a plastic connection between cells that lack a variable it reads."""
        heard, spoken = self.transmitted_variable(projection), self._variables(projection.pre)
        if not heard:
            raise InputError(where, f"{projection.pre!r} has no rate", "name the transmitted variable with `variable`")
        if heard not in spoken:
            raise InputError(where, f"{projection.pre!r} has no variable {heard!r}", one_of(heard, spoken))
        pre = self[projection.pre]
        read = at_once(pre.cell.equations, heard) if isinstance(pre, Population) else set()
        if isinstance(pre, Population) and (inputs := [name for name in pre.cell.inputs if name in read]):
            found = f"{heard!r} of {pre.name!r} follows its input {inputs[0]!r} within the step"
            raise InputError(where, found, "only what rests on state variables can be heard")
        if projection.delay not in (0, "0 ms", "0 s"):
            raise InputError(where, f"a delay of {projection.delay!r}", "what is heard in every step has none")
        plastic = projection.plasticity
        if plastic is None:
            return
        if not isinstance(projection.weights, np.ndarray):
            raise InputError(where, f"weights of {type(projection.weights).__name__}", "full ones can learn")
        for name in plastic.parameters:
            if name not in plastic.card.parameters:
                raise InputError(
                    where, f"no parameter {name!r} on {plastic.card.path}", one_of(name, plastic.card.parameters)
                )
        for side, end in (("pre", projection.pre), ("post", projection.post)):
            spoken = self._variables(end)
            for name in sorted(names_in(getattr(plastic.card, side)) - set(spoken) - UNITS):
                right = f"{plastic.card.path} reads it: {one_of(name, spoken)}"
                raise InputError(where, f"{end!r} has no variable {name!r}", right)

    def _variables(self, name: str) -> list[str]:
        """What can be read of a population, or of a source."""
        node = self[name]
        return (
            [equation.name for equation in node.cell.equations] if isinstance(node, Population) else [SOURCE_VARIABLE]
        )


def unconnected(
    cell: Cell, *, size: int = 1, dt: Number | None = None, parameters: Mapping[str, Number] | None = None
) -> Circuit:
    """Unconnected cells of one card as the population "cell", on the card's own clock unless `dt` says otherwise."""
    return Circuit((Population("cell", cell, size, parameters or {}),), (), cell.dt if dt is None else dt)


def feedforward(source: Source, layers: Iterable[Population], receptor: str, dt: Number) -> Circuit:
    """A chain, each layer fully connected to the next through `receptor`, with weights of zero."""
    nodes: tuple[Source | Population, ...] = (source, *layers)
    projections = tuple(
        Projection(pre.name, post.name, receptor, np.zeros((pre.size, post.size)))
        for pre, post in zip(nodes, nodes[1:], strict=False)
    )
    return Circuit(nodes, projections, dt)


def random_connections(
    pre: int, post: int, probability: float, weight: float, rng: np.random.Generator, *, autapses: bool = True
) -> scipy.sparse.coo_array:
    """Synapses of one weight, each pair connected with `probability` (pre, post), sparse.

    weight    in SI units of the receptor
    autapses  False, for a population that projects to itself, leaves out the synapse of a neuron onto itself

    Raises InputError for anything but a probability.
    """
    if not 0 <= probability <= 1:
        raise InputError("random_connections", f"probability {probability}", "needs 0 to 1")
    # row by row, so that a large network never needs its dense matrix of draws
    rows = [np.flatnonzero(rng.random(post) < probability) for _ in range(pre)]
    source = np.repeat(np.arange(pre), [len(row) for row in rows])
    target = np.concatenate(rows) if rows else np.zeros(0, dtype=np.intp)
    keep = slice(None) if autapses else source != target
    source, target = source[keep], target[keep]
    return scipy.sparse.coo_array((np.full(len(source), float(weight)), (source, target)), shape=(pre, post))
