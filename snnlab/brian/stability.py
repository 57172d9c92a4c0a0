"""Whether a cell that is heard in every step can be stepped by Euler's method.

Near any of its states such a cell is linear: a step takes a small displacement x to M x, with the generator
(M - 1)/dt. Where that has the eigenvalue mu, Euler's steps shrink x as long as dt < -2 Re mu/|mu|^2.
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

_LEVELS = (0.0, 1.0)  # of all inputs
_SHIFT = 1e-5  # of a state variable, relative to its start, or absolute below 1
_ROUNDING = 1e-8  # of an eigenvalue of M that is found by such shifts


def check_stable(population: Population, dt: float) -> None:
    """Refuse a cell with a rate that a step of `dt` seconds by Euler's method makes unstable, with the largest step.

    Looked at from the start of its first cell, without noise and with counts at their means, once with all inputs at 0
    and once with all at 1, for a conductance may open with an input. Cells that only spike, and other methods, are let
    pass. Raises InputError.
    """
    if not population.cell.rate or (population.method or population.cell.method) != "euler":
        return
    start = {name: value[0] if isinstance(value, np.ndarray) and value.ndim else value
             for name, value in population.initial.items()}  # fmt: skip
    model = build_model(replace(population, size=1, initial=start))
    where = f"population {population.name!r} ({population.cell.path})"
    for mu in _rates(_Near.of(model, population.cell.inputs), dt):
        if max(abs(1 + mu * dt), default=0.0) <= 1 + _ROUNDING:
            continue
        # what only integrates neither grows nor limits the step
        mu = mu[abs(mu) * dt > _ROUNDING]
        if max(mu.real) * dt >= -_ROUNDING:
            right = "no step of Euler's method is stable: needs other parameters, another start or another method"
            raise InputError(where, "what it does at its start does not decay by itself", right)
        largest = min(-2 * mu.real / abs(mu) ** 2)
        right = f"the largest stable step is {1e3 * largest:.4g} ms"
        raise InputError(where, f"unstable in steps of {1e3 * dt:.4g} ms by Euler's method", right)


@dataclass(frozen=True)
class _Near:
    """A cell near its start; two are alike where everything that their steps depend on is."""

    key: Hashable
    inputs: tuple[str, ...]
    model: BrianModel = field(compare=False)

    @classmethod
    def of(cls, model: BrianModel, inputs: tuple[str, ...]) -> _Near:
        still = re.sub(r"\bxi\b", "(0*second**-0.5)", model.equations)
        # a count as its mean
        still = re.sub(rf"\b{POISSON}\b", "", still)
        model = replace(model, equations=still)
        values = {name: (float(np.asarray(one)), str(getattr(one, "dim", ""))) for name, one in model.namespace.items()}
        start = {name: repr(value) for name, value in model.initial.items()}
        return cls((model.equations, tuple(values.items()), tuple(start.items())), inputs, model)


@lru_cache(maxsize=256)  # a circuit has many populations of few cards
def _rates(near: _Near, dt: float) -> tuple[NDArray[np.complex128], ...]:
    """The eigenvalues of the generator, per second, for either level of the inputs.

    None where a step leads to what is no number: the run itself refuses that, with its time.
    """
    states = re.findall(r"(?m)^d(\w+)/dt", near.model.equations)
    n = len(states)
    # of either level two cells for every state, with it shifted upwards and downwards
    group = initialized_group(near.model, len(_LEVELS) * 2 * n, dt, "cell")
    shifts = np.zeros((n, n))
    for k, name in enumerate(states):
        value = group.state(name, use_units=False)
        shifts[k, k] = _SHIFT * max(abs(float(value[0])), 1.0)
        value[:] += np.tile([*shifts[k], *-shifts[k]], len(_LEVELS))
    for name in near.inputs:
        group.state(name, use_units=False)[:] = np.repeat(_LEVELS, 2 * n)
    with np.errstate(all="ignore"):
        for part in (group.subexpression_updater, group.state_updater):
            if part is not None:
                part.run()
    after = np.array([group.state(name, use_units=False)[:] for name in states]).reshape(n, len(_LEVELS), 2, n)
    steps = (after[:, :, 0] - after[:, :, 1]) / (2 * np.diag(shifts))
    generators = [(steps[:, level] - np.eye(n)) / dt for level in range(len(_LEVELS))]
    return tuple(np.linalg.eigvals(one).astype(complex) for one in generators if np.isfinite(one).all())
