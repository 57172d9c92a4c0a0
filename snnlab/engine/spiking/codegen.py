"""A population's equations as the C++ body of a cell, written by Brian2's own code generator.

Brian2 parses the equations, checks their units, chooses the update step and emits it as abstract code; here that code
is optimised by Brian2's translator and rendered as a struct that ``layer.hpp`` runs. The text of a card never reaches
the compiler: every name is given a prefix, and every expression is printed again from its syntax tree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import brian2
import numpy as np
from brian2.codegen.translation import analyse_identifiers, make_statements
from brian2.parsing.rendering import CPPNodeRenderer
from brian2.utils.stringtools import get_identifiers
from numpy.typing import NDArray

from snnlab.brian.equations import Model, compose, prepared, quantity
from snnlab.cards import grammar
from snnlab.cards.grammar import GrammarError
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
    def held(self) -> int:
        """Steps after a spike in which the membrane stays at its reset."""
        return max(0, self.refractory - 1)


@lru_cache(maxsize=256)
def generate(population: Population, dt: float) -> CellCode:
    """The C++ of a population's cells. Raises InputError for a cell that the engine cannot run, with the reason."""
    model = compose(population)
    path = population.cell.path
    if not model.threshold:
        right = "run_rates takes cells that are heard by their rates" if population.cell.rate else "run takes spikes"
        raise InputError(f"{path}: threshold", "missing", right)
    for name in population.cell.poisson_means:
        right = "the engine runs cells that spike by their equations alone; simulate draws numbers too"
        raise InputError(f"{path}: equations", f"{name!r} is drawn", right)
    group = prepared(model, population.size, dt, path)
    states = tuple(sorted(group.equations.diff_eq_names))
    parts = [group.state_updater, *group.thresholder.values(), *group.resetter.values()]
    constants = constants_of(model, dt, (part.abstract_code for part in parts))
    potential = next((part.potential for part in population.cell.compartments.values()), states[0])
    return CellCode(
        source=_struct(group, tuple(constants), states, states.index(potential), path),
        parameters=np.array(list(constants.values())),
        states=states,
        start=np.array([np.broadcast_to(getattr(group, f"{name}_")[:], population.size) for name in states]),
        receptors={name: states.index(state) for name, state in model.receptors.items()},
        refractory=_refractory_steps(model, dt, path),
        watched=states.index(potential),
    )


def constants_of(model: Model, dt: float, codes: Iterable[str]) -> dict[str, float]:
    """What a struct is given: the model's parameters, the time step, and the units that the code names, as in 3*mV."""
    constants = {name: float(np.asarray(value)) for name, value in sorted(model.namespace.items())}
    units = set().union(*map(get_identifiers, codes)) & set(grammar.UNITS) - constants.keys()
    return constants | {"dt": dt} | {unit: float(np.asarray(quantity(f"1 {unit}"))) for unit in sorted(units)}


def refractory_steps(population: Population, dt: float) -> int:
    """A neuron that fired in step k moves again in step k + this. Raises InputError as `generate` does."""
    return generate(population, dt).refractory


def _refractory_steps(model: Model, dt: float, path: str) -> int:
    """Brian2's own count: a neuron that fired in step k moves again in step k + this."""
    if not model.refractory:
        return 0
    period: Any = model.namespace.get(model.refractory)
    if period is None:
        try:
            period = quantity(model.refractory)
        except GrammarError as error:
            found = f"found {model.refractory!r}"
            raise InputError(f"{path}: refractory", found, "the engine needs a fixed period") from error
    return min(int((float(np.asarray(period)) + 1e-3 * dt) / dt), _FOREVER)


# Writing the struct --------------------------------------------------------------------------------------------------


class _Renderer(CPPNodeRenderer):
    """Brian2's C++ printer, with a prefix on every name and every number of the type that is being computed in."""

    def __init__(self, block: str, number: str) -> None:
        super().__init__(auto_vectorise=set())
        self.block, self.number = block, number

    def render_Name(self, node: ast.Name) -> str:
        return self.name(node.id)

    def name(self, name: str) -> str:
        # invariants and intermediate results are counted anew in every block of abstract code
        return f"{self.block}{name}" if name.startswith("_") else f"c_{name}"

    def render_func(self, node: ast.Name) -> str:
        return f"fn_{node.id}"

    def render_Call(self, node: ast.Call) -> str:
        # a whole number in what comes of it would make others of what it meets: exp of it, a power, a quotient
        if getattr(node.func, "id", "") == "randn":
            return "gauss"
        called = super().render_Call(node)
        return f"{self.number}({called})" if getattr(node.func, "id", "") == "int" else called

    def render_Constant(self, node: ast.Constant) -> str:
        if isinstance(node.value, bool):
            return "true" if node.value else "false"
        return f"{self.number}({node.value!r})"

    def render_BinOp(self, node: ast.BinOp) -> str:
        if isinstance(node.op, ast.Div):
            return f"{self.render_element_parentheses(node.left)} / {self.render_element_parentheses(node.right)}"
        return super().render_BinOp(node).replace("_brian_", "fn_")


@dataclass(frozen=True)
class Block:
    """One piece of abstract code: what is computed once, and what for every neuron."""

    invariants: list[tuple[str, str]]
    body: list[str]


def _struct(group: brian2.NeuronGroup, names: Sequence[str], states: Sequence[str], watched: int, path: str) -> str:
    held = {name for name in states if "unless refractory" in group.equations[name].flags}
    blocks = _blocks(group, held, path)
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


def _blocks(group: brian2.NeuronGroup, held: Collection[str], path: str) -> dict[str, Block]:
    """What a cell does in a step: move freely, rest while refractory, look at its threshold, and be reset."""
    updater, thresholder = group.state_updater, group.thresholder["spike"]
    update = "\n".join(line for line in updater.abstract_code.splitlines() if not line.startswith("not_refractory"))
    blocks = {
        "integrate": _block(update, updater.codeobj.variables, "i", free=True, path=path),
        "rest": _block(_without(held, update), updater.codeobj.variables, "r", free=False, path=path),
        "threshold": _block(thresholder.abstract_code, thresholder.codeobj.variables, "f", free=True, path=path),
        "reset": Block([], []),
    }
    if group.resetter:
        resetter = group.resetter["spike"]
        blocks["reset"] = _block(resetter.abstract_code, resetter.codeobj.variables, "z", free=True, path=path)
    return blocks


def _without(held: Collection[str], code: str) -> str:
    """A state update that leaves the `held` variables alone, and works out nothing that only they would need.

    Brian2 works it out and then does not write it, so that a division by int(not_refractory) does no harm there.
    """
    kept: list[str] = []
    needed: set[str] = set()
    for line in reversed(code.splitlines()):
        target, _, expression = (part.strip() for part in line.partition("="))
        if target in held or (target.startswith("_") and target not in needed):
            continue
        needed |= get_identifiers(expression)
        kept.append(line)
    return "\n".join(reversed(kept))


def _block(code: str, variables: Mapping[str, Any], prefix: str, *, free: bool, path: str) -> Block:
    """Abstract code with the refractory state folded in: Brian2 multiplies by it, the engine selects by it."""
    code = re.sub(r"int\(not_refractory\)", "1" if free else "0", code)
    return block(re.sub(r"\bnot_refractory\b", str(free), code), variables, prefix, path)


def asked(group: brian2.NeuronGroup, code: str, prefix: str, path: str) -> Block:
    """A block of statements over the variables of a group, that Brian2 has not been asked for."""
    _, known, unknown = analyse_identifiers(code, group.variables, recursive=True)
    return block(code, group.resolve_all(known | unknown, run_namespace={}), prefix, path)


def block(code: str, variables: Mapping[str, Any], prefix: str, path: str, *, noise: bool = False) -> Block:
    """Abstract code in C++. Raises InputError where it reads the time, or noise that is not allowed for."""
    for name in ("t", "i") if noise else ("t", "xi", "i"):
        if name in get_identifiers(code):
            right = f"the engine runs cells that depend on neither time nor {'index' if noise else 'noise'}"
            raise InputError(f"{path}: equations", f"{name!r} is used", right)
    scalar, vector = make_statements(code, variables, np.float64, optimise=True)
    once, each = _Renderer(prefix, "double"), _Renderer(prefix, "real")
    body = []
    for statement in vector:
        declare = "const real " if statement.op == ":=" else ""
        if statement.var == "_cond":
            declare = "const bool "
        op = "=" if statement.op == ":=" else statement.op
        body.append(f"{declare}{each.name(statement.var)} {op} {each.render_expr(statement.expr)};")
    return Block([(once.name(one.var), once.render_expr(one.expr)) for one in scalar], body)


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
