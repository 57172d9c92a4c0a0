"""The gradient of what a CorInfoMax circuit answers, by backpropagation through the steps of a free phase.

For comparison alone: nothing in the circuit knows it. Every step takes a soma from u to

    u + m [-leak u + (v_B - u)/epsilon + c (v_A - u)],   v_B = r_below W
                                                         v_A = scale (leak r + gain r B) + r_above C

with its own length m, as in engine/rate/relax.hpp, without multipliers. Errors go back through the same steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab.engine import one_blas_thread
from snnlab.networks.activations import Values
from snnlab.rules.corinfomax.relaxation import Body

Array = NDArray[Any]


def descent(
    body: Body, weights: Mapping[str, Values], seen: Values, wanted: Values, counts: Values, steps: int
) -> dict[str, Array]:
    """-dE/dw of forward weights, E half the squared error of the output's rates after a free phase, mean over samples.

    seen, wanted  rates of the input (samples, inputs), and of the output
    counts        how much each sample counts (samples,)
    """
    precise = {name: values.astype(np.float64) for name, values in weights.items()}
    with one_blas_thread():
        past = forward(body, precise, seen.astype(np.float64), steps)
        error = counts[:, None] * (wanted - rates(body, past[-1][-1]))
        return backward(body, precise, seen.astype(np.float64), error, past)


def forward(body: Body, weights: Mapping[str, Array], seen: Array, steps: int) -> list[list[Array]]:
    """The potentials of every layer at the beginning and after every step."""
    below = seen @ weights[body.forward[0]]
    u = [np.zeros((len(seen), weights[name].shape[1]), dtype=below.dtype) for name in body.forward]
    past = [u]
    for length in body.steps(steps):
        r = [rates(body, one) for one in u]
        after = []
        for k, one in enumerate(u):
            basal = r[k - 1] @ weights[body.forward[k]] if k else below
            c, scale, gain = body.apical(k)
            apical = scale * body.leak * r[k]
            if body.lateral:
                apical = apical + scale * gain * (r[k] @ weights[body.beside[k]])
            if k + 1 < len(u):
                apical = apical + r[k + 1] @ weights[body.backward[k]]
            after.append(one + length * (-body.leak * one + (basal - one) / body.epsilon + c * (apical - one)))
        u = after
        past.append(u)
    return past


def backward(
    body: Body, weights: Mapping[str, Array], seen: Array, answer: Array, past: list[list[Array]]
) -> dict[str, Array]:
    """What -dE/dw is, from the potentials at the beginning and after every step.

    answer  -dE/dr of the output after the last (samples, outputs)
    """
    layers = range(len(body.layers))
    error = [np.zeros_like(one) for one in past[-1]]  # -dE/du
    error[-1] = answer * _open(body, past[-1][-1])
    found = {name: np.zeros_like(weights[name]) for name in body.forward}
    for length, u in zip(reversed(body.steps(len(past) - 1)), reversed(past[:-1]), strict=True):
        r = [rates(body, one) for one in u]
        asked = [np.zeros_like(one) for one in u]  # -dE/dr
        for k in layers:
            c, scale, gain = body.apical(k)
            basal, apical = length / body.epsilon * error[k], length * c * error[k]
            found[body.forward[k]] += (r[k - 1] if k else seen).T @ basal
            if k:
                asked[k - 1] += basal @ weights[body.forward[k]].T
            asked[k] += scale * body.leak * apical
            if body.lateral:
                asked[k] += scale * gain * (apical @ weights[body.beside[k]].T)
            if k + 1 < len(u):
                asked[k + 1] += apical @ weights[body.backward[k]].T
        kept = [1 - length * (body.leak + 1 / body.epsilon + body.apical(k).conductance) for k in layers]
        error = [kept[k] * error[k] + asked[k] * _open(body, u[k]) for k in layers]
    return {name: one / len(seen) for name, one in found.items()}


def rates(body: Body, u: Array) -> Array:
    """Between 0 and the highest."""
    return np.clip(u, 0, body.highest)


def _open(body: Body, u: Array) -> Array:
    return ((u > 0) & (u < body.highest)).astype(u.dtype)
