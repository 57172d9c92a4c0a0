"""A population's equations as a C++ struct that ``layer.hpp`` runs.

The statements come from Brian2's code generator, see ``snnlab.brian.abstract_code``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.abstract_code import Block, cell_blocks, constants_of, initial_values, refractory_variables
from snnlab.brian.model import BrianModel, build_model, initialized_group
from snnlab.brian.quantities import parse_quantity
from snnlab.cards.names import ExpressionError
from snnlab.errors import InputError
from snnlab.networks.circuit import Population

_FOREVER = 2**30  # steps; a sum of two such numbers still fits into the engine's 32 bits


@dataclass(frozen=True, eq=False)
class CellCode:
    """A population ready for the engine.

    source      the C++ struct ``Cell``; depends on the equations only, not on the parameters' values
    parameters  float64, in the order in which the struct takes them
    states      the state variables, in the struct's order
    start       float64 (states, neurons)
    receptors   name -> index of the state variable that a spike raises
    refractory  steps from a spike to the first step in which the membrane moves again
    watched     index of the state variable that is the potential
    """

    source: str
    parameters: NDArray[np.float64]
    states: tuple[str, ...]
    start: NDArray[np.float64]
    receptors: Mapping[str, int]
    refractory: int
    watched: int

    @property
    def reset_steps(self) -> int:
        """Steps after a spike in which the membrane stays at its reset."""
        return max(0, self.refractory - 1)


@lru_cache(maxsize=256)
def generate(population: Population, dt: float) -> CellCode:
    """The C++ of a population's cells. Raises InputError for a cell that the engine cannot run, with the reason."""
    model = build_model(population)
    path = population.cell.path
    if not model.threshold:
        right = "run_rates takes cells that are heard by their rates" if population.cell.rate else "run takes spikes"
        raise InputError(f"{path}: threshold", "missing", right)
    for name in population.cell.poisson_means:
        right = "the engine runs cells that spike by their equations alone; simulate draws numbers too"
        raise InputError(f"{path}: equations", f"{name!r} is drawn", right)
    group = initialized_group(model, population.size, dt, path)
    states = tuple(sorted(group.equations.diff_eq_names))
    parts = [group.state_updater, *group.thresholder.values(), *group.resetter.values()]
    constants = constants_of(model, dt, (part.abstract_code for part in parts))
    held = refractory_variables(group, states)
    potential = next((part.potential for part in population.cell.compartments.values()), states[0])
    return CellCode(
        source=_struct(cell_blocks(group, held, path), tuple(constants), states, states.index(potential), held),
        parameters=np.array(list(constants.values())),
        states=states,
        start=initial_values(group, states),
        receptors={name: states.index(state) for name, state in model.receptors.items()},
        refractory=_refractory_steps(model, dt, path),
        watched=states.index(potential),
    )


def refractory_steps(population: Population, dt: float) -> int:
    """A neuron that fired in step k moves again in step k + this. Raises InputError as `generate` does."""
    return generate(population, dt).refractory


def _refractory_steps(model: BrianModel, dt: float, path: str) -> int:
    """Brian2's own count: a neuron that fired in step k moves again in step k + this."""
    if not model.refractory:
        return 0
    period: Any = model.namespace.get(model.refractory)
    if period is None:
        try:
            period = parse_quantity(model.refractory)
        except ExpressionError as error:
            found = f"found {model.refractory!r}"
            raise InputError(f"{path}: refractory", found, "the engine needs a fixed period") from error
    return min(int((float(np.asarray(period)) + 1e-3 * dt) / dt), _FOREVER)


# Writing the struct --------------------------------------------------------------------------------------------------


def _struct(
    blocks: Mapping[str, Block], names: Sequence[str], states: Sequence[str], watched: int, held: Collection[str]
) -> str:
    invariants = [pair for block in blocks.values() for pair in block.invariants]
    members = [f"c_{name}" for name in names] + [name for name, _ in invariants]
    count = range(len(states))
    return _TEMPLATE.format(
        count=len(states),
        watched=watched,
        held=", ".join("true" if name in held else "false" for name in states),
        members=lines(1, (f"real {name};" for name in members)),
        given=lines(2, (f"const double c_{name} = given[{k}];" for k, name in enumerate(names))),
        invariants=lines(2, (f"const double {name} = {value};" for name, value in invariants)),
        keep=lines(2, (f"this->{name} = real({name});" for name in members)),
        arguments=", ".join(f"real& c_{name}" for name in states),
        **{name: lines(2, block.body) for name, block in blocks.items()},
        pointers=lines(2, (f"real* __restrict s{k} = state + {k} * span;" for k in count)),
        load=lines(3, (f"real was{k} = s{k}[n], reset{k} = was{k};" for k in count)),
        reset_names=", ".join(f"reset{k}" for k in count),
        reset_fired=lines(4, (f"was{k} = fires[n] ? reset{k} : was{k};" for k in count)),
        begin=lines(3, (f"real free{k} = was{k}, rest{k} = was{k};" for k in count)),
        free=", ".join(f"free{k}" for k in count),
        resting=", ".join(f"rest{k}" for k in count),
        store=lines(3, (f"s{k}[n] = free ? free{k} : rest{k};" for k in count)),
        one=", ".join(f"state[{k} * span]" for k in count),
    )


def lines(depth: int, lines: Iterable[str]) -> str:
    return "\n".join("    " * depth + line for line in lines)


_TEMPLATE = """\
template <class real> struct Cell {{
    static constexpr int states = {count};
    static constexpr int watched = {watched};  // the potential
    static constexpr bool held[] = {{{held}}};  // variables that rest while the neuron is refractory
{members}

    explicit Cell(const double* given) {{
{given}
{invariants}
{keep}
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

    void reset_one({arguments}) const {{
{reset}
    }}

    // One step of the first WIDTH neurons of a tile, whose state variables lie `span` apart: which of them fire. To
    // FOLLOW is to do here what comes of that: resets at the beginning of the next step, when they are free again, the
    // sum of potentials.
    template <bool FOLLOW, int WIDTH>
    void update(real* state, int64_t span, int32_t* __restrict ready, real* __restrict potential,
                int32_t* __restrict fires, int32_t t, int32_t refractory) const {{
{pointers}
        const Cell cell = *this;  // or stores through `state` might change *this, and the loop is not vectorised
#pragma GCC ivdep
        for (int n = 0; n < WIDTH; ++n) {{
            const bool free = t >= ready[n];
{load}
            if constexpr (FOLLOW) {{
                cell.reset_one({reset_names});
{reset_fired}
            }}
{begin}
            cell.integrate({free});
            cell.rest({resting});
            const bool fire = free & cell.threshold({free});
            fires[n] = fire;
            if constexpr (FOLLOW) {{
                // in bits, because a conditional store would be compiled with a branch around it
                ready[n] ^= (ready[n] ^ (t + refractory)) & -int32_t(fire);
                potential[n] += fire ? free{watched} : real(0);
            }}
{store}
        }}
    }}

    void reset(real* state, int64_t span) const {{ reset_one({one}); }}
}};
"""
