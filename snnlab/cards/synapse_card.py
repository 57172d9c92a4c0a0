"""Cards of synapses: the current that arriving spikes cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snnlab.cards.body import read_body
from snnlab.cards.equation import Equation, check_no_sampling
from snnlab.cards.toml_table import TomlTable


@dataclass(frozen=True, repr=False)
class Synapse:
    """A synaptic current: the effect of an arriving spike, and the current at a membrane potential `v`."""

    id: str
    name: str
    summary: str
    reference: str
    equations: tuple[Equation, ...]
    parameters: Mapping[str, str]
    on_spike: str  # the state variable that an arriving spike increases by its weight
    current: str  # the variable that enters the compartment; positive is inward
    digest: str
    path: str

    def __repr__(self) -> str:
        return f"Synapse({self.id!r}, {self.current} in {self._unit})"

    @property
    def _unit(self) -> str:
        return next(equation.unit for equation in self.equations if equation.name == self.current)


def read_synapse(table: TomlTable) -> Synapse:
    """The synapse in a table. Raises InputError."""
    body = read_body(table, {"v"})
    table.check("equations", check_no_sampling, body.equations)
    fields = table.head() | {"equations": body.equations, "parameters": body.parameters}
    fields |= {"on_spike": table.choice("on_spike", body.stored), "current": table.choice("current", body.variables)}
    return table.close(Synapse, fields)
