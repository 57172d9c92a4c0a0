"""Rate cells as C++ structs that ``rates.hpp`` runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.abstract_code import Block, constants_of, initial_values, translate, translate_statements
from snnlab.brian.model import BrianModel, build_model, initialized_group
from snnlab.cards.names import POISSON
from snnlab.engine.structs import constructor, lines
from snnlab.errors import InputError
from snnlab.networks.circuit import Population


@dataclass(frozen=True)
class Readout:
    """What a circuit reads of a population in every step.

    outputs  variables that projections transmit, and all Poisson counts; they depend on state variables alone
    pre      expressions that plastic connections read of it as the presynaptic cell, other than outputs
    post     expressions that plastic connections read of it as the postsynaptic cell
    """

    outputs: tuple[str, ...]
    pre: tuple[str, ...]
    post: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RateCode:
    """The generated code of a population.

    source      the C++ struct ``Cell``; depends on the equations and the readout only, not on the parameters' values
    parameters  float64, in the order in which the struct takes them
    states      the state variables, in the struct's order
    initial     float64 (states, neurons)
    inputs      the inputs of the card
    readout     the readout that the struct computes
    variables   all variables that can be recorded
    """

    source: str
    parameters: NDArray[np.float64]
    states: tuple[str, ...]
    initial: NDArray[np.float64]
    inputs: tuple[str, ...]
    readout: Readout
    variables: tuple[str, ...]


@dataclass(frozen=True)
class _Names:
    """Names of a cell by kind; `derived` outputs follow from the states, `sampled` ones are Poisson counts."""

    states: tuple[str, ...]
    inputs: tuple[str, ...]
    readout: Readout
    derived: tuple[str, ...]
    sampled: tuple[str, ...]
    variables: tuple[str, ...]


@lru_cache(maxsize=256)
def rate_code(population: Population, dt: float, readout: Readout) -> RateCode:
    """The C++ of a population's cells. Raises InputError for a cell that `run_rates` cannot run."""
    cell = population.cell
    if cell.threshold:
        hint = "run_rates takes cells without threshold; circuits that mix both run in simulate"
        raise InputError(f"{cell.path}: threshold", f"{population.name!r} spikes", hint)
    _check_constants(population)
    model = build_model(population)
    group = initialized_group(model, population.size, dt, cell.path)
    states = tuple(sorted(group.equations.diff_eq_names))
    sampled = tuple(name for name in readout.outputs if name in cell.poisson_means)
    derived = tuple(name for name in readout.outputs if name not in {*states, *sampled})
    variables = tuple(equation.name for equation in cell.equations)
    names = _Names(states, cell.inputs, readout, derived, sampled, variables)
    # during the step, derived outputs are read from memory and not computed again
    step_model = replace(model, equations=_without_equations(model.equations, derived))
    step_group = initialized_group(step_model, population.size, dt, cell.path)
    means = [cell.poisson_means[name] for name in sampled]
    expressions = [step_group.state_updater.abstract_code, *readout.pre, *readout.post, *_right_sides(model)]
    constants = constants_of(model, dt, expressions)
    return RateCode(
        source=_struct(tuple(constants), names, _blocks(names, means, group, step_group, cell.path)),
        parameters=np.array(list(constants.values())),
        states=states,
        initial=initial_values(group, states),
        inputs=cell.inputs,
        readout=readout,
        variables=variables,
    )


def _check_constants(population: Population) -> None:
    """Raises InputError for a variable that is computed before the step and is no Poisson count.

    It would read the inputs of the step before.
    """
    for equation in population.cell.equations:
        if equation.may_sample and not equation.poisson_mean:
            hint = f"the engine evaluates {POISSON}(...) once per step, and other variables when they are read"
            raise InputError(f"{population.cell.path}: equations", f"{equation.name!r} is constant over dt", hint)


def _without_equations(equations: str, names: Sequence[str]) -> str:
    """The equations with these variables as parameters."""
    changed = []
    for line in equations.splitlines():
        name = line.split("=")[0].strip()
        changed.append(f"{name} : {line.rpartition(':')[2].strip()}" if name in names else line)
    return "\n".join(changed)


def _right_sides(model: BrianModel) -> list[str]:
    """The equations without their units."""
    return [line.rpartition(":")[0] for line in model.equations.splitlines()]


def _blocks(names: _Names, means: Sequence[str], group: Any, step_group: Any, path: str) -> dict[str, Block]:
    """The statements of the struct's functions; those of "record0" and so on are for each variable."""
    updater, readout = step_group.state_updater, names.readout
    blocks = {
        "mean": translate_statements(group, _assignments(means), "e", path),
        "output": translate_statements(group, _assignments(readout.outputs), "s", path),
        "factors": translate_statements(step_group, _assignments((*readout.pre, *readout.post)), "d", path),
        "step": translate(updater.abstract_code, updater.codeobj.variables, "m", path, noise=True, softplus=True),
    }
    for k, name in enumerate(names.variables):
        blocks[f"record{k}"] = translate_statements(step_group, _assignments((name,)), f"w{k}", path)
    return blocks


def _assignments(expressions: Sequence[str]) -> str:
    return "\n".join(f"_out{k} = {expression}" for k, expression in enumerate(expressions))


# The struct ---------------------------------------------------------------------------------------------------------


def _struct(constants: Sequence[str], names: _Names, blocks: Mapping[str, Block]) -> str:
    outputs, pre, post = names.readout.outputs, names.readout.pre, names.readout.post
    states = [f"c_{name} = state[{k} * LANES<real> + n];" for k, name in enumerate(names.states)]
    constant_states = [f"const real {line}" for line in states]
    sampled = [_load_output(names, name) for name in names.sampled]
    inputs = [f"const real c_{name} = in[{k} * LANES<real> + n];" for k, name in enumerate(names.inputs)]
    inputs += [*(_load_output(names, name) for name in names.derived), *sampled]
    noisy = "gauss" in "".join(blocks["step"].body)
    noise = ["const real gauss = noise[n];"] if noisy else []
    stores = [f"pre[{k} * LANES<real> + n] = d_out{k};" for k in range(len(pre))]
    stores += [f"post[{k} * stride + n] = share * d_out{len(pre) + k};" for k in range(len(post))]
    return _CELL.format(
        **constructor(constants, blocks.values()),
        counts=_counts(names),
        noisy=str(noisy).lower(),
        sampled=", ".join(str(outputs.index(name)) for name in names.sampled) or "0",
        mean=lines(3, [*constant_states, *blocks["mean"].body, *_store_means(names)]),
        output=lines(4, [*constant_states, *sampled, *blocks["output"].body, *_store_outputs(names)]),
        load=lines(4, [*noise, *(f"real {line}" for line in states), *inputs]),
        factors=lines(5, [*blocks["factors"].body, *stores]),
        step=lines(5, blocks["step"].body),
        store=lines(4, (f"state[{k} * LANES<real> + n] = c_{name};" for k, name in enumerate(names.states))),
        record="\n".join(
            _RECORD.format(
                variable=k, load=lines(4, [*constant_states, *inputs]), body=lines(4, blocks[f"record{k}"].body)
            )
            for k in range(len(names.variables))
        ),
    )


def _counts(names: _Names) -> str:
    readout = names.readout
    numbers = {"states": names.states, "inputs": names.inputs, "outputs": readout.outputs, "samples": names.sampled,
               "pres": readout.pre, "posts": readout.post}  # fmt: skip
    return ", ".join(f"{name} = {len(group)}" for name, group in numbers.items())


def _load_output(names: _Names, name: str) -> str:
    return f"const real c_{name} = out[{names.readout.outputs.index(name)} * LANES<real> + n];"


def _store_means(names: _Names) -> list[str]:
    places = (names.readout.outputs.index(name) for name in names.sampled)
    return [f"out[{place} * LANES<real> + n] = e_out{k};" for k, place in enumerate(places)]


def _store_outputs(names: _Names) -> list[str]:
    """Of all outputs that are not sampled."""
    return [
        f"out[{k} * LANES<real> + n] = s_out{k};"
        for k, name in enumerate(names.readout.outputs)
        if name not in names.sampled
    ]


_CELL = """\
template <class real> struct Cell {{
    static constexpr int {counts};
    static constexpr bool noisy = {noisy};
    static constexpr int sampled(int k) {{  // the output that is Poisson count k
        constexpr int places[] = {{{sampled}}};
        return places[k];
    }}
{members}

    explicit Cell(const double* parameters) {{
{parameters}
{invariants}
{assignments}
    }}

    // The means of the Poisson counts of LANES neurons, in the places of the counts.
    __attribute__((noinline)) void mean(const real* __restrict state, real* __restrict out) const {{
#pragma GCC ivdep
        for (int n = 0; n < LANES<real>; ++n) {{
{mean}
        }}
    }}

    // The outputs of LANES neurons for each sample, after the Poisson counts. One function for the first step and all
    // others, so that the compiler rounds them alike.
    __attribute__((noinline)) void output(const real* __restrict state, real* __restrict out, int batch) const {{
        for (int s = 0; s < batch; ++s, state += states * LANES<real>, out += outputs * LANES<real>) {{
#pragma GCC ivdep
            for (int n = 0; n < LANES<real>; ++n) {{
{output}
            }}
        }}
    }}

    // One step of LANES neurons for each sample, after the factors that plastic connections read of them; `noise` is
    // standard normal.
    __attribute__((noinline)) void step(real* __restrict state, const real* __restrict in, const real* __restrict out,
                                        const real* __restrict noise, real* __restrict pre, real* __restrict post,
                                        int64_t stride, real share, int batch) const {{
        for (int s = 0; s < batch; ++s) {{
#pragma GCC ivdep
            for (int n = 0; n < LANES<real>; ++n) {{
{load}
                {{
{factors}
                }}
                {{
{step}
                }}
{store}
            }}
            state += states * LANES<real>, in += inputs * LANES<real>, out += outputs * LANES<real>;
            noise += noisy * LANES<real>, pre += pres * LANES<real>, post += LANES<real>;
        }}
    }}

    // One variable of LANES neurons at the start of a step, with the inputs of that step.
    void record(int variable, const real* __restrict state, const real* __restrict in, const real* __restrict out,
                real* __restrict values) const {{
        switch (variable) {{
{record}
        }}
    }}
}};
"""

_RECORD = """\
        case {variable}:
            for (int n = 0; n < LANES<real>; ++n) {{
{load}
{body}
                values[n] = w{variable}_out0;
            }}
            break;"""
