"""Check that Euler's method is stable for a rate-based cell at its time step.

Near a state, a step takes a small displacement x to M x, with the generator (M - 1)/dt. For an eigenvalue mu of the
generator, Euler's method is stable if dt < -2 Re mu/|mu|^2.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.model import BrianModel, build_model, initialized_group
from snnlab.cards.names import POISSON
from snnlab.errors import InputError
from snnlab.networks.circuit import Population

_INPUT_LEVELS = (0.0, 1.0)  # of all inputs
_SHIFT = 1e-5  # of a state variable, relative to its initial value, or absolute below 1
_TOLERANCE = 1e-8  # of an eigenvalue of M, which is computed from such shifts


def check_stable(population: Population, dt: float) -> None:
    """Raise InputError, with the largest stable step, if a step of `dt` seconds makes a rate-based cell unstable.

    The first cell is linearised at its initial state, without noise and with Poisson counts at their means, once with
    all inputs at 0 and once with all at 1, because an input may be a conductance. Cells without a rate and methods
    other than Euler's are not checked.
    """
    if not population.cell.rate or (population.method or population.cell.method) != "euler":
        return
    initial = {
        name: value[0] if isinstance(value, np.ndarray) and value.ndim else value
        for name, value in population.initial.items()
    }
    model = build_model(replace(population, size=1, initial=initial))
    where = f"population {population.name!r} ({population.cell.path})"
    for eigenvalues in _eigenvalues(_Linearised.of(model, population.cell.inputs), dt):
        if max(abs(1 + eigenvalues * dt), default=0.0) <= 1 + _TOLERANCE:
            continue
        # a pure integrator neither grows nor limits the step
        eigenvalues = eigenvalues[abs(eigenvalues) * dt > _TOLERANCE]
        if max(eigenvalues.real) * dt >= -_TOLERANCE:
            hint = "no step of Euler's method is stable: use other parameters, another initial state or another method"
            raise InputError(where, "unstable at its initial state", hint)
        largest = min(-2 * eigenvalues.real / abs(eigenvalues) ** 2)
        problem = f"unstable in steps of {1e3 * dt:.4g} ms by Euler's method"
        raise InputError(where, problem, f"the largest stable step is {1e3 * largest:.4g} ms")


@dataclass(frozen=True)
class _Linearised:
    """A deterministic model and its inputs, as a key of the cache: equal if the steps are the same."""

    key: Hashable
    inputs: tuple[str, ...]
    model: BrianModel = field(compare=False)

    @classmethod
    def of(cls, model: BrianModel, inputs: tuple[str, ...]) -> _Linearised:
        noiseless = re.sub(r"\bxi\b", "(0*second**-0.5)", model.equations)
        # poisson(mean) becomes (mean)
        deterministic = re.sub(rf"\b{POISSON}\b", "", noiseless)
        model = replace(model, equations=deterministic)
        parameters = tuple(
            (name, (float(np.asarray(value)), str(getattr(value, "dim", ""))))
            for name, value in model.namespace.items()
        )
        initial = tuple((name, repr(value)) for name, value in model.initial.items())
        return cls((model.equations, parameters, initial), inputs, model)


@lru_cache(maxsize=256)  # a circuit has many populations of few cards
def _eigenvalues(cell: _Linearised, dt: float) -> tuple[NDArray[np.complex128], ...]:
    """The eigenvalues of the generator, in 1/s, at each input level; without levels at which a step is not finite.

    The simulation itself reports those, with their time.
    """
    states = re.findall(r"(?m)^d(\w+)/dt", cell.model.equations)
    n = len(states)
    # at each level, two cells per state variable: one with it shifted up, one down
    group = initialized_group(cell.model, len(_INPUT_LEVELS) * 2 * n, dt, "cell")
    shifts = np.zeros((n, n))
    for k, name in enumerate(states):
        values = group.state(name, use_units=False)
        shifts[k, k] = _SHIFT * max(abs(float(values[0])), 1.0)
        values[:] += np.tile([*shifts[k], *-shifts[k]], len(_INPUT_LEVELS))
    for name in cell.inputs:
        group.state(name, use_units=False)[:] = np.repeat(_INPUT_LEVELS, 2 * n)
    with np.errstate(all="ignore"):
        for updater in (group.subexpression_updater, group.state_updater):
            if updater is not None:
                updater.run()
    after = np.array([group.state(name, use_units=False)[:] for name in states]).reshape(n, len(_INPUT_LEVELS), 2, n)
    steps = (after[:, :, 0] - after[:, :, 1]) / (2 * np.diag(shifts))
    generators = [(steps[:, level] - np.eye(n)) / dt for level in range(len(_INPUT_LEVELS))]
    return tuple(np.linalg.eigvals(matrix).astype(complex) for matrix in generators if np.isfinite(matrix).all())
