"""Plastic connections between rate cells as C++ structs that ``rates.hpp`` runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.abstract_code import Block, constants_of, translate
from snnlab.brian.model import initialized_group, plasticity_model
from snnlab.engine.structs import constructor, lines
from snnlab.networks.circuit import Plastic


@dataclass(frozen=True, eq=False)
class PlasticCode:
    """The generated code of plastic synapses.

    source      the C++ struct ``Synapse``
    parameters  float64, in the order in which the struct takes them
    states      the state variables, in the struct's order, the weight among them
    """

    source: str
    parameters: NDArray[np.float64]
    states: tuple[str, ...]


def plasticity_code(plastic: Plastic, dt: float) -> PlasticCode:
    """The C++ of a plastic connection, generated once for all connections of the same card and parameters."""
    return _generate(_Key(plastic), dt)


class _Key:
    """A Plastic, which is not hashable, compared by its card and parameters."""

    def __init__(self, plastic: Plastic) -> None:
        self.plastic = plastic
        self._value = (plastic.card.digest, plastic.card.path, tuple(sorted(plastic.parameters.items())))

    def __hash__(self) -> int:
        return hash(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._value == other._value


@lru_cache(maxsize=256)
def _generate(key: _Key, dt: float) -> PlasticCode:
    card = key.plastic.card
    model = plasticity_model(key.plastic)
    group = initialized_group(model, 1, dt, card.path)
    updater = group.state_updater
    step = translate(updater.abstract_code, updater.codeobj.variables, "p", card.path)
    constants = constants_of(model, dt, [updater.abstract_code])
    states = tuple(sorted(group.equations.diff_eq_names))
    source = _SYNAPSE.format(
        **constructor(tuple(constants), [step]),
        states=len(states),
        weight=states.index(card.weight),
        arguments=", ".join(f"T& c_{name}" for name in states),
        step=lines(2, (line.replace("const real ", "const T ") for line in step.body)),
        row=lines(2, [_row(len(states), step)]),
    )
    return PlasticCode(source, np.array(list(constants.values())), states)


def _row(states: int, step: Block) -> str:
    """One step of a row of synapses: on whole vectors for plain arithmetic, else number by number."""
    if step.arithmetic:
        arguments = ", ".join(f"reinterpret_cast<vec*>(row)[{k}]" for k in range(states))
        return f"step_one<vec>({arguments}, product);"
    arguments = ", ".join(f"row[{k} * LANES<real> + n]" for k in range(states))
    return f"for (int n = 0; n < LANES<real>; ++n) step_one<real>({arguments}, product[n]);"


_SYNAPSE = """\
template <class real> struct Synapse {{
    static constexpr int states = {states};
    static constexpr int weight = {weight};
{members}

    explicit Synapse(const double* parameters) {{
{parameters}
{invariants}
{assignments}
    }}

    template <class T> void step_one({arguments}, const T c_product) const {{
{step}
    }}

    // One Euler step of LANES synapses, whose variables are stored one after another.
    void step(real* row, const typename Vec<real>::type product) const {{
        using vec [[maybe_unused]] = typename Vec<real>::type;
{row}
    }}
}};
"""
