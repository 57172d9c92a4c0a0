"""Cells that are heard in every step, and plastic connections between them, as C++ structs that ``rates.hpp`` runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.abstract_code import Block, constants_of, initial_values, translate, translate_statements
from snnlab.brian.model import BrianModel, build_model, initialized_group, plasticity_model
from snnlab.cards.names import POISSON
from snnlab.engine.spiking.codegen import lines
from snnlab.errors import InputError
from snnlab.networks.circuit import Plastic, Population


@dataclass(frozen=True, eq=False)
class RateCode:
    """Cells ready for the engine; every tuple is in the order in which the struct takes or gives these.

    source      the C++ struct, called NAME; depends on the equations and on what is read of them
    parameters  float64, in the order in which the struct takes them
    start       float64 (states, neurons)
    says        variables that others hear: they follow from the states alone
    variables   every variable that can be watched
    """

    source: str
    parameters: NDArray[np.float64]
    states: tuple[str, ...]
    start: NDArray[np.float64]
    inputs: tuple[str, ...]
    says: tuple[str, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PlasticCode:
    """Plastic synapses ready for the engine: struct, parameters, state variables, and which of these is the weight."""

    source: str
    parameters: NDArray[np.float64]
    states: tuple[str, ...]
    weight: int


@lru_cache(maxsize=256)
def generate_rates(
    population: Population, dt: float, says: tuple[str, ...], tells: tuple[str, ...], posts: tuple[str, ...]
) -> RateCode:
    """The C++ of a population's cells.

    says   variables that projections hear, and all that is drawn
    tells  expressions that plastic connections read of the cell before, beside what it says
    posts  and those that they read of the cell after

    Raises InputError for a cell that the engine cannot run so, with the reason.
    """
    cell = population.cell
    if cell.threshold:
        right = "run_rates takes cells without; circuits that mix both run in simulate"
        raise InputError(f"{cell.path}: threshold", f"{population.name!r} spikes", right)
    model = build_model(population)
    group = initialized_group(model, population.size, dt, cell.path)
    _check_constant(population)
    drawn = [name for name in says if name in cell.poisson_means]
    heard = [name for name in says if name not in {*group.equations.diff_eq_names, *drawn}]
    # what was said already need not be worked out again
    moving = initialized_group(replace(model, equations=_given(model.equations, heard)), population.size, dt, cell.path)
    variables = tuple(equation.name for equation in cell.equations)
    updater = moving.state_updater
    blocks = {
        "expect": translate_statements(group, _outputs([cell.poisson_means[name] for name in drawn]), "e", cell.path),
        "speak": translate_statements(group, _outputs(says), "s", cell.path),
        "tell": translate_statements(moving, _outputs((*tells, *posts)), "d", cell.path),
        "move": translate(updater.abstract_code, updater.codeobj.variables, "m", cell.path, noise=True),
    }
    watch = [translate_statements(moving, _outputs((name,)), f"w{k}", cell.path) for k, name in enumerate(variables)]
    constants = constants_of(model, dt, [updater.abstract_code, *tells, *posts, *_expressions(model)])
    states = tuple(sorted(group.equations.diff_eq_names))
    names = _Names(tuple(constants), states, cell.inputs, says, tuple(heard), tuple(drawn), len(tells), len(posts))
    return RateCode(
        source=_cell_struct(names, blocks, watch, "gauss" in "".join(blocks["move"].body)),
        parameters=np.array(list(constants.values())),
        states=states,
        start=initial_values(group, states),
        inputs=cell.inputs,
        says=says,
        variables=variables,
    )


@lru_cache(maxsize=256)
def generate_plasticity(plastic: _Key, dt: float) -> PlasticCode:
    """The C++ of a plastic connection's synapses: every variable makes its Euler step from the values before."""
    card = plastic.plastic.card
    model = plasticity_model(plastic.plastic)
    group = initialized_group(model, 1, dt, card.path)
    updater = group.state_updater
    moved = translate(updater.abstract_code, updater.codeobj.variables, "p", card.path)
    constants = constants_of(model, dt, [updater.abstract_code])
    states = tuple(sorted(group.equations.diff_eq_names))
    source = _PLASTIC.format(
        states=len(states),
        weight=states.index(card.weight),
        **_construction(tuple(constants), [moved]),
        arguments=", ".join(f"T& c_{name}" for name in states),
        move=lines(2, (line.replace("const real ", "const T ") for line in moved.body)),
        row=_row(len(states), moved),
    )
    return PlasticCode(source, np.array(list(constants.values())), states, states.index(card.weight))


def _row(states: int, moved: Block) -> str:
    """A step of a row of synapses: by vectors where there is nothing but arithmetic, else one by one."""
    if not re.search(r"fn_|[<>=!]=|[<>]|&&|[|][|]|bool", " ".join(moved.body).replace(" = ", " ")):
        at = (f"reinterpret_cast<vec*>(at)[{k}]" for k in range(states))
        return lines(2, [f"move<vec>({', '.join(at)}, product);"])
    at = (f"at[{k} * LANES<real> + n]" for k in range(states))
    return lines(2, [f"for (int n = 0; n < LANES<real>; ++n) move<real>({', '.join(at)}, product[n]);"])


class _Key:
    """A Plastic by what it says, for it holds mappings and cannot be hashed itself."""

    def __init__(self, plastic: Plastic) -> None:
        self.plastic = plastic
        self._said = (plastic.card.digest, plastic.card.path, tuple(sorted(plastic.parameters.items())))

    def __hash__(self) -> int:
        return hash(self._said)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._said == other._said


def plasticity_code(plastic: Plastic, dt: float) -> PlasticCode:
    """``generate_plasticity``, once for all connections that say the same."""
    return generate_plasticity(_Key(plastic), dt)


def _check_constant(population: Population) -> None:
    """Refuse what is worked out before a step, unless it is drawn: its inputs would be those of the step before."""
    for one in population.cell.equations:
        if one.may_sample and not one.poisson_mean:
            right = f"the engine draws such variables, {POISSON}(...), and works out others when they are read"
            raise InputError(f"{population.cell.path}: equations", f"{one.name!r} is constant over dt", right)


def _given(equations: str, names: Sequence[str]) -> str:
    """The equations with these variables given from outside."""
    kept = []
    for line in equations.splitlines():
        name = line.split("=")[0].strip()
        kept.append(f"{name} : {line.rpartition(':')[2].strip()}" if name in names else line)
    return "\n".join(kept)


def _expressions(model: BrianModel) -> list[str]:
    # without their units, which are no part of what is computed
    return [line.rpartition(":")[0] for line in model.equations.splitlines()]


def _outputs(expressions: Sequence[str]) -> str:
    return "\n".join(f"_out{k} = {expression}" for k, expression in enumerate(expressions))


# Writing the structs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Names:
    constants: tuple[str, ...]
    states: tuple[str, ...]
    inputs: tuple[str, ...]
    says: tuple[str, ...]
    heard: tuple[str, ...]
    drawn: tuple[str, ...]
    tells: int
    posts: int


def _construction(names: Sequence[str], blocks: Sequence[Block]) -> dict[str, str]:
    """Members of a struct, and how its constructor fills them; invariants are worked out in double."""
    invariants = [pair for one in blocks for pair in one.invariants]
    members = [f"c_{name}" for name in names] + [name for name, _ in invariants]
    return {
        "members": lines(1, (f"real {name};" for name in members)),
        "given": lines(2, (f"const double c_{name} = given[{k}];" for k, name in enumerate(names))),
        "invariants": lines(2, (f"const double {name} = {value};" for name, value in invariants)),
        "keep": lines(2, (f"this->{name} = real({name});" for name in members)),
    }


_LOG, _EXP = "fn_log(real(1.0) + ", "fn_exp("


def _softplus(line: str) -> str:
    """A line of C++ with ``fn_softplus(x)``, one function, for every log(1 + exp(x)) in it."""
    begin = line.find(_LOG + _EXP)
    while begin >= 0:
        inside = begin + len(_LOG + _EXP)
        depth, end = 1, inside
        while depth:
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            end += 1
        if line[end] == ")":
            line = f"{line[:begin]}fn_softplus({line[inside:end]}{line[end + 1 :]}"
        begin = line.find(_LOG + _EXP, begin + 1)
    return line


def _quicker(code: Block) -> Block:
    return replace(code, body=[_softplus(line) for line in code.body])


def _cell_struct(names: _Names, blocks: Mapping[str, Block], watch: Sequence[Block], noisy: bool) -> str:
    states = [f"c_{name} = state[{k} * LANES<real> + n];" for k, name in enumerate(names.states)]
    others = [f"const real c_{name} = in[{k} * LANES<real> + n];" for k, name in enumerate(names.inputs)]
    drawn = [_said(names, name) for name in names.drawn]
    others += [*(_said(names, name) for name in names.heard), *drawn]
    told = [f"told[{k} * LANES<real> + n] = d_out{k};" for k in range(names.tells)]
    told += [f"post[{k} * stride + n] = share * d_out{names.tells + k};" for k in range(names.posts)]
    blocks = {name: _quicker(one) for name, one in blocks.items()}
    watch = [_quicker(one) for one in watch]
    load = [f"const real {line}" for line in states] + others
    noise = ["const real gauss = noise[n];"] if noisy else []
    return _CELL.format(
        **_construction(names.constants, [*blocks.values(), *watch]),
        **{name: len(getattr(names, name)) for name in ("states", "inputs", "says")},
        tells=names.tells,
        posts=names.posts,
        noisy=str(noisy).lower(),
        draws=len(drawn),
        places=", ".join(str(names.says.index(name)) for name in names.drawn) or "0",
        expect=lines(3, blocks["expect"].body),
        expect_store=lines(
            3, (f"said[{names.says.index(name)} * LANES<real> + n] = e_out{k};" for k, name in enumerate(names.drawn))
        ),
        state_load=lines(3, (f"const real {line}" for line in states)),
        speak_load=lines(4, [*(f"const real {line}" for line in states), *drawn]),
        speak=lines(4, blocks["speak"].body),
        speak_store=lines(
            4,
            (
                f"said[{k} * LANES<real> + n] = s_out{k};"
                for k, name in enumerate(names.says)
                if name not in names.drawn
            ),
        ),
        live_load=lines(4, [*noise, *(f"real {line}" for line in states), *others]),
        tell=lines(5, [*blocks["tell"].body, *told]),
        move=lines(5, blocks["move"].body),
        live_store=lines(4, (f"state[{k} * LANES<real> + n] = c_{name};" for k, name in enumerate(names.states))),
        watch="\n".join(
            _WATCH.format(which=k, load=lines(4, load), body=lines(4, one.body)) for k, one in enumerate(watch)
        ),
    )


def _said(names: _Names, name: str) -> str:
    return f"const real c_{name} = said[{names.says.index(name)} * LANES<real> + n];"


def named(source: str, name: str) -> str:
    """A struct's source under a name that our own code gave it."""
    return re.sub(r"\bNAME\b", name, source)


_CELL = """\
template <class real> struct NAME {{
    static constexpr int states = {states}, inputs = {inputs}, says = {says}, tells = {tells}, posts = {posts};
    static constexpr bool noisy = {noisy};
    static constexpr int draws = {draws};
    static constexpr int drawn(int k) {{  // which of what it says is drawn
        constexpr int places[] = {{{places}}};
        return places[k];
    }}
{members}

    explicit NAME(const double* given) {{
{given}
{invariants}
{keep}
    }}

    // The means of what LANES neurons draw, where the counts will be.
    __attribute__((noinline)) void expect(const real* __restrict state, real* __restrict said) const {{
#pragma GCC ivdep
        for (int n = 0; n < LANES<real>; ++n) {{
{state_load}
{expect}
{expect_store}
        }}
    }}

    // What LANES neurons say, of each sample, after they have drawn. One function for the first step and all others, so
    // that no compiler rounds them apart.
    __attribute__((noinline)) void speak(const real* __restrict state, real* __restrict said, int samples) const {{
        for (int s = 0; s < samples; ++s, state += states * LANES<real>, said += says * LANES<real>) {{
#pragma GCC ivdep
            for (int n = 0; n < LANES<real>; ++n) {{
{speak_load}
{speak}
{speak_store}
            }}
        }}
    }}

    // One step of LANES neurons, of each sample, after what plastic connections read of them; `gauss` is standard
    // normal noise.
    __attribute__((noinline)) void live(real* __restrict state, const real* __restrict in, const real* __restrict said,
                                        const real* __restrict noise, real* __restrict told, real* __restrict post,
                                        int64_t stride, real share, int samples) const {{
        for (int s = 0; s < samples; ++s) {{
#pragma GCC ivdep
            for (int n = 0; n < LANES<real>; ++n) {{
{live_load}
                {{
{tell}
                }}
                {{
{move}
                }}
{live_store}
            }}
            state += states * LANES<real>, in += inputs * LANES<real>, said += says * LANES<real>;
            noise += noisy * LANES<real>, told += tells * LANES<real>, post += LANES<real>;
        }}
    }}

    // One variable of LANES neurons at the beginning of a step, once its inputs are there.
    void watch(int which, const real* __restrict state, const real* __restrict in, const real* __restrict said,
               real* __restrict out) const {{
        switch (which) {{
{watch}
        }}
    }}
}};
"""

_WATCH = """\
        case {which}:
            for (int n = 0; n < LANES<real>; ++n) {{
{load}
{body}
                out[n] = w{which}_out0;
            }}
            break;"""

_PLASTIC = """\
template <class real> struct NAME {{
    static constexpr int states = {states};
    static constexpr int weight = {weight};
{members}

    explicit NAME(const double* given) {{
{given}
{invariants}
{keep}
    }}

    template <class T> void move({arguments}, const T c_product) const {{
{move}
    }}

    // One step of LANES synapses, whose variables lie one after the other.
    void row(real* at, const typename Vec<real>::type product) const {{
        using vec [[maybe_unused]] = typename Vec<real>::type;
{row}
    }}
}};
"""
