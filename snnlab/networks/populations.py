"""Parts of a circuit: sources, populations of cells, and projections between them.

Numbers are SI floats, or text with a unit ("20 ms"); the simulators convert text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from snnlab.cards import METHODS, Cell, Plasticity, Synapse
from snnlab.cards.names import ExpressionError, check_name
from snnlab.errors import InputError, one_of
from snnlab.networks.weights import Weights, description

Number = float | str
"""An SI float, or text with a unit such as "20 ms"."""

SOURCE_VARIABLE = "r"
"""Variable by which plasticity cards refer to the rate of a source."""

SourceRole = Literal["input", "target", "nudge", "bias", "slowing"]
PopulationRole = Literal["layer", "afferent", "interneuron", "descending", "multiplier"]

# the builders use these roles as names, too
INPUT: Final = "input"
TARGET: Final = "target"
NUDGE: Final = "nudge"
BIAS: Final = "bias"
SLOWING: Final = "slowing"
AFFERENT: Final = "afferent"
OUTPUT: Final = "output"


@dataclass(frozen=True)
class Source:
    """Neurons whose spikes or rates are given to a simulation.

    role  "input" samples, "target" rates for the output, "nudge" strength of the target, constant "bias" of 1, or
          "slowing" of the layers
    """

    name: str
    size: int
    role: SourceRole = "input"

    @property
    def rate(self) -> str:
        """Variable that continuous projections transmit."""
        return SOURCE_VARIABLE

    @property
    def variables(self) -> tuple[str, ...]:
        return (SOURCE_VARIABLE,)


@dataclass(frozen=True)
class Receptor:
    """A synapse card on a compartment of the cell; its current is added to the compartment's current."""

    synapse: Synapse
    compartment: str
    parameters: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Population:
    """Cells of one card, with the parameters that differ from the card's.

    receptors  name -> Receptor, in addition to the card's
    initial    state variable -> value (size,) or one number, where it differs from the card's
    method     integration scheme if the card's does not support the receptors; "" for the card's
    role       "layer" of the forward path, "afferent" between input and first layer, "interneuron" or "descending"
               population of a hidden layer, or "multiplier" of a layer

    Raises InputError for names that are not on the cards, and if `initial` has another shape.
    """

    name: str
    cell: Cell
    size: int
    parameters: Mapping[str, Number] = field(default_factory=dict)
    receptors: Mapping[str, Receptor] = field(default_factory=dict)
    initial: Mapping[str, Number | NDArray[np.floating]] = field(default_factory=dict)
    method: str = ""
    role: PopulationRole = "layer"

    def __post_init__(self) -> None:
        where, path = f"population {self.name!r}", self.cell.path
        for name in self.parameters:
            if name not in self.cell.parameters:
                raise InputError(where, f"no parameter {name!r} on {path}", one_of(name, self.cell.parameters))
        for name, receptor in self.receptors.items():
            self._check_receptor(name, receptor, f"{where}: receptor {name!r}")
        if self.method and self.method not in METHODS:
            raise InputError(where, f"method {self.method!r}", one_of(self.method, METHODS))
        for name, value in self.initial.items():
            if name not in self.cell.states:
                raise InputError(where, f"no state variable {name!r} on {path}", one_of(name, self.cell.states))
            if np.shape(value) not in ((), (self.size,)):
                hint = f"must be one value or an array ({self.size},)"
                raise InputError(f"{where}: initial.{name}", f"shape {np.shape(value)}", hint)

    def __repr__(self) -> str:
        return f"Population({self.name!r}, {self.cell.id}, {self.size})"

    @property
    def rate(self) -> str:
        """Variable that continuous projections transmit; "" if the card has none."""
        return self.cell.rate

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(equation.name for equation in self.cell.equations)

    def is_continuous(self, receptor: str) -> bool:
        """Whether a receptor is an input of the card, set in every step, rather than incremented by spikes."""
        return self.cell.receptors.get(receptor) in self.cell.inputs

    def _check_receptor(self, name: str, receptor: Receptor, where: str) -> None:
        cell, card = self.cell, receptor.synapse
        try:
            check_name(f"g_{name}")  # the receptor's variables end with it
        except ExpressionError as error:
            raise InputError(where, str(error)) from error
        if name in cell.receptors:
            raise InputError(where, f"already on {cell.path}", "must be another name")
        if receptor.compartment not in cell.compartments:
            problem = f"no compartment {receptor.compartment!r} on {cell.path}"
            raise InputError(where, problem, one_of(receptor.compartment, cell.compartments))
        for parameter in receptor.parameters:
            if parameter not in card.parameters:
                problem = f"no parameter {parameter!r} on {card.path}"
                raise InputError(where, problem, one_of(parameter, card.parameters))


@dataclass(frozen=True)
class Plastic:
    """A plasticity card, with the parameters that differ from the card's."""

    card: Plasticity
    parameters: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from `pre` onto a receptor of `post`.

    A spike increments the receptor by the weight of its synapse. If the receptor is an input of the cell's card, it is
    instead set in every step to the weighted sum of a variable of `pre`.

    delay       of spikes, in addition to the step in which they arrive
    variable    of `pre` that is transmitted to an input; "" for its rate
    plasticity  how weights change during a simulation; None for weights that are fixed or trained by a rule
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

    def __repr__(self) -> str:
        parts = [self.name, description(self.weights)]
        parts += [f"delay {self.delay}"] if self.delay else []
        parts += [f"of {self.variable}"] if self.variable else []
        parts += [self.plasticity.card.id] if self.plasticity else []
        return f"Projection({', '.join(parts)})"
