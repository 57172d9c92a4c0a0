"""The exact gradient of a CorInfoMax circuit, by backpropagation through the steps of a free phase.

It serves only for comparison with the rule. Each step changes a soma u to

    u + m [-leak u + (v_B - u)/epsilon + c (v_A - u)],   v_B = r_below W
                                                         v_A = scale (leak r + gain r B) + r_above C

with its step size m, as in engine/rate/relax.hpp without multipliers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snnlab.engine import one_blas_thread
from snnlab.networks.activations import Values
from snnlab.rules.corinfomax.relaxation import Dynamics


def exact_gradient(
    dynamics: Dynamics, weights: Mapping[str, Values], inputs: Values, targets: Values, sample_weights: Values,
    steps: int,
) -> dict[str, Values]:  # fmt: skip
    """-dE/dw of forward weights; E is half the squared error of the output rates after a free phase, mean over samples.

    inputs, targets  rates of the input (samples, inputs), and target rates of the output (samples, outputs)
    sample_weights   weight of each sample (samples,)
    """
    precise = {name: values.astype(np.float64) for name, values in weights.items()}
    with one_blas_thread():
        potentials = forward(dynamics, precise, inputs.astype(np.float64), steps)
        error = sample_weights[:, None] * (targets - rates(dynamics, potentials[-1][-1]))
        return backward(dynamics, precise, inputs.astype(np.float64), error, potentials)


def forward(dynamics: Dynamics, weights: Mapping[str, Values], inputs: Values, steps: int) -> list[list[Values]]:
    """The potentials of every layer, initially and after every step."""
    drive = inputs @ weights[dynamics.forward[0]]
    sizes = [weights[name].shape[1] for name in dynamics.forward]
    somata: list[Values] = [np.zeros((len(inputs), size), dtype=drive.dtype) for size in sizes]
    potentials = [somata]
    for step_size in dynamics.step_sizes(steps):
        r = [rates(dynamics, u) for u in somata]
        following = []
        for k, u in enumerate(somata):
            basal = r[k - 1] @ weights[dynamics.forward[k]] if k else drive
            c, scale, gain = dynamics.apical(k)
            apical = scale * dynamics.leak * r[k]
            if dynamics.lateral:
                apical = apical + scale * gain * (r[k] @ weights[dynamics.lateral[k]])
            if k + 1 < len(somata):
                apical = apical + r[k + 1] @ weights[dynamics.backward[k]]
            change = -dynamics.leak * u + (basal - u) / dynamics.epsilon + c * (apical - u)
            following.append(u + step_size * change)
        somata = following
        potentials.append(somata)
    return potentials


def backward(
    dynamics: Dynamics, weights: Mapping[str, Values], inputs: Values, output_error: Values,
    potentials: list[list[Values]],
) -> dict[str, Values]:  # fmt: skip
    """-dE/dw from the potentials of `forward`.

    output_error  -dE/dr of the output after the last step (samples, outputs)
    """
    layers = range(len(dynamics.layers))
    u_error = [np.zeros_like(u) for u in potentials[-1]]  # -dE/du
    u_error[-1] = output_error * _is_active(dynamics, potentials[-1][-1])
    gradient = {name: np.zeros_like(weights[name]) for name in dynamics.forward}
    step_sizes = dynamics.step_sizes(len(potentials) - 1)
    for step_size, somata in zip(reversed(step_sizes), reversed(potentials[:-1]), strict=True):
        r = [rates(dynamics, u) for u in somata]
        r_error = [np.zeros_like(u) for u in somata]  # -dE/dr
        for k in layers:
            c, scale, gain = dynamics.apical(k)
            basal, apical = step_size / dynamics.epsilon * u_error[k], step_size * c * u_error[k]
            gradient[dynamics.forward[k]] += (r[k - 1] if k else inputs).T @ basal
            if k:
                r_error[k - 1] += basal @ weights[dynamics.forward[k]].T
            r_error[k] += scale * dynamics.leak * apical
            if dynamics.lateral:
                r_error[k] += scale * gain * (apical @ weights[dynamics.lateral[k]].T)
            if k + 1 < len(somata):
                r_error[k + 1] += apical @ weights[dynamics.backward[k]].T
        decay = [
            1 - step_size * (dynamics.leak + 1 / dynamics.epsilon + dynamics.apical(k).conductance) for k in layers
        ]
        u_error = [decay[k] * u_error[k] + r_error[k] * _is_active(dynamics, somata[k]) for k in layers]
    return {name: values / len(inputs) for name, values in gradient.items()}


def rates(dynamics: Dynamics, u: Values) -> Values:
    """Rates between 0 and the maximum."""
    return np.clip(u, 0, dynamics.max_rate)


def _is_active(dynamics: Dynamics, u: Values) -> Values:
    """The derivative of the rates."""
    return ((u > 0) & (u < dynamics.max_rate)).astype(u.dtype)
