"""A population's equations as a C++ struct that ``layer.hpp`` runs.

The statements come from Brian2's code generator, see ``snnlab.brian.abstract_code``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.abstract_code import Block, cell_blocks, constants_of, initial_values, refractory_variables
from snnlab.brian.model import BrianModel, build_model, initialized_group
from snnlab.brian.quantities import parse_quantity
from snnlab.cards.names import ExpressionError
from snnlab.engine.structs import constructor, lines
from snnlab.errors import InputError
from snnlab.networks.circuit import Population

_MAX_STEPS = 2**30  # the sum of two such numbers fits into the engine's 32 bits


@dataclass(frozen=True, eq=False)
class CellCode:
    """The generated code of a population.

    source      the C++ struct ``Cell``; depends on the equations only, not on the parameters' values
    parameters  float64, in the order in which the struct takes them
    states      the state variables, in the struct's order
    initial     float64 (states, neurons)
    receptors   name -> index of the state variable that a spike increases
    refractory  steps from a spike to the first step in which the membrane is integrated again
    membrane    index of the state variable that is the membrane potential
    """

    source: str
    parameters: NDArray[np.float64]
    states: tuple[str, ...]
    initial: NDArray[np.float64]
    receptors: Mapping[str, int]
    refractory: int
    membrane: int

    @property
    def reset_steps(self) -> int:
        """Steps after a spike in which the membrane stays at its reset."""
        return max(0, self.refractory - 1)


@lru_cache(maxsize=256)
def generate(population: Population, dt: float) -> CellCode:
    """The C++ of a population's cells. Raises InputError for a cell that the engine cannot run."""
    model, cell = build_model(population), population.cell
    if not model.threshold:
        hint = "run_rates takes cells that transmit a rate" if cell.rate else "run takes cells that spike"
        raise InputError(f"{cell.path}: threshold", "missing", hint)
    for name in cell.poisson_means:
        hint = "cells that spike cannot sample random numbers in the engine; use simulate"
        raise InputError(f"{cell.path}: equations", f"{name!r} is sampled", hint)
    group = initialized_group(model, population.size, dt, cell.path)
    states = tuple(sorted(group.equations.diff_eq_names))
    parts = [group.state_updater, *group.thresholder.values(), *group.resetter.values()]
    constants = constants_of(model, dt, (part.abstract_code for part in parts))
    frozen = refractory_variables(group, states)
    potential = next((part.potential for part in cell.compartments.values()), states[0])
    membrane = states.index(potential)
    return CellCode(
        source=_struct(cell_blocks(group, frozen, cell.path), tuple(constants), states, membrane, frozen),
        parameters=np.array(list(constants.values())),
        states=states,
        initial=initial_values(group, states),
        receptors={name: states.index(state) for name, state in model.receptors.items()},
        refractory=_refractory_steps(model, dt, cell.path),
        membrane=membrane,
    )


def refractory_steps(population: Population, dt: float) -> int:
    """Steps from a spike to the first step in which the membrane is integrated again.

    Raises InputError as `generate` does.
    """
    return generate(population, dt).refractory


def _refractory_steps(model: BrianModel, dt: float, path: str) -> int:
    """The same number as in Brian2."""
    if not model.refractory:
        return 0
    period: Any = model.namespace.get(model.refractory)
    if period is None:
        try:
            period = parse_quantity(model.refractory)
        except ExpressionError as error:
            hint = "the engine needs a constant period"
            raise InputError(f"{path}: refractory", f"got {model.refractory!r}", hint) from error
    return min(int((float(np.asarray(period)) + 1e-3 * dt) / dt), _MAX_STEPS)


def _struct(
    blocks: Mapping[str, Block], constants: Sequence[str], states: Sequence[str], membrane: int, frozen: Collection[str]
) -> str:
    numbers = range(len(states))
    return _TEMPLATE.format(
        **constructor(constants, blocks.values()),
        **{name: lines(2, block.body) for name, block in blocks.items()},
        states=len(states),
        membrane=membrane,
        frozen=", ".join("true" if name in frozen else "false" for name in states),
        arguments=", ".join(f"real& c_{name}" for name in states),
        pointers=lines(2, (f"real* __restrict s{k} = state + {k} * span;" for k in numbers)),
        load=lines(3, (f"real before{k} = s{k}[n], reset{k} = before{k};" for k in numbers)),
        resets=", ".join(f"reset{k}" for k in numbers),
        apply_reset=lines(4, (f"before{k} = fires[n] ? reset{k} : before{k};" for k in numbers)),
        copies=lines(3, (f"real active{k} = before{k}, refractory{k} = before{k};" for k in numbers)),
        actives=", ".join(f"active{k}" for k in numbers),
        refractories=", ".join(f"refractory{k}" for k in numbers),
        store=lines(3, (f"s{k}[n] = active ? active{k} : refractory{k};" for k in numbers)),
        own=", ".join(f"state[{k} * span]" for k in numbers),
    )


_TEMPLATE = """\
template <class real> struct Cell {{
    static constexpr int states = {states};
    static constexpr int membrane = {membrane};  // the state variable that is the membrane potential
    static constexpr bool frozen[] = {{{frozen}}};  // variables that do not change while the neuron is refractory
{members}

    explicit Cell(const double* parameters) {{
{parameters}
{invariants}
{assignments}
    }}

    void integrate({arguments}) const {{
{integrate}
    }}

    void rest({arguments}) const {{
{rest}
    }}

    bool threshold({arguments}) const {{
{threshold}
        return f_cond;
    }}

    void reset_neuron({arguments}) const {{
{reset}
    }}

    // One step of the first WIDTH neurons of a tile, whose state variables are `span` apart, into `fires`. With
    // HANDLE_SPIKES it also resets the neurons that fired in the step before, starts their refractory periods and sums
    // the potentials at spikes.
    template <bool HANDLE_SPIKES, int WIDTH>
    void update(real* state, int64_t span, int32_t* __restrict active_from, real* __restrict potential,
                int32_t* __restrict fires, int32_t t, int32_t refractory) const {{
{pointers}
        const Cell cell = *this;  // a copy, as stores through `state` could alias *this and prevent vectorisation
#pragma GCC ivdep
        for (int n = 0; n < WIDTH; ++n) {{
            const bool active = t >= active_from[n];
{load}
            if constexpr (HANDLE_SPIKES) {{
                cell.reset_neuron({resets});
{apply_reset}
            }}
{copies}
            cell.integrate({actives});
            cell.rest({refractories});
            const bool fire = active & cell.threshold({actives});
            fires[n] = fire;
            if constexpr (HANDLE_SPIKES) {{
                // bit operations, because a conditional store would be compiled to a branch
                active_from[n] ^= (active_from[n] ^ (t + refractory)) & -int32_t(fire);
                potential[n] += fire ? active{membrane} : real(0);
            }}
{store}
        }}
    }}

    void reset(real* state, int64_t span) const {{ reset_neuron({own}); }}
}};
"""
