"""Lateral inhibition of the output in HM2-BP (Jin, Zhang and Li, NeurIPS 2018, arXiv:1805.07866).

A fixed projection connects the output population to itself. A change of the count of neuron i returns to it through
every other neuron l: spikes of i affect l, and spikes of l affect i. The sum over all rounds multiplies the gradient of
i's weights by

    gamma_i = 1 / (1 - sum_l w_il w_li (1/nu^2) (e_li / o_i) (e_il / o_l)),   l other than i,

where e_li is the effect of the spikes of i, through a weight of 1, on the membrane at the spikes of l. It does not
multiply the error that is backpropagated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import delay_steps
from snnlab.engine import Response
from snnlab.networks.circuit import Projection

_MIN_DENOMINATOR = 0.1  # of gamma


def own_psp(projection: Projection, response: Response, transition: NDArray[np.float64]) -> NDArray[np.float64]:
    """The S-PSP of every neuron on every other of its population (samples, pre, post).

    transition  matrix of one step without input, see ``engine.transition``
    """
    code, fired = response.cell, response.spikes.dense()
    delay = delay_steps(projection, response.spikes.dt)
    trace = _unreset(fired, transition, code.receptors[projection.receptor], code.membrane, delay)
    sample, neuron, step = np.nonzero(fired.transpose(0, 2, 1).copy())
    potential = trace[step, sample]
    first = np.flatnonzero(np.diff(sample * fired.shape[2] + neuron, prepend=-1))
    later = np.delete(np.arange(len(step)), first)
    reset = step[later - 1] + code.reset_steps  # the last step in which the membrane is held at its reset
    decay = transition[code.membrane, code.membrane] ** (step[later] - reset)
    potential[later] -= decay[:, None] * trace[reset, sample[later]]
    psp = np.zeros((len(fired), fired.shape[2], fired.shape[2]))
    if len(first):
        psp[sample[first], :, neuron[first]] = np.add.reduceat(potential, first)
    return psp


def gamma(
    psp: NDArray[np.float64],
    counts: NDArray[np.int32],
    labels: NDArray[np.int64],
    weights: NDArray[np.floating],
    nu: float,
) -> NDArray[np.float64]:
    """gamma of every output neuron (samples, neurons).

    psp      of `own_psp`
    weights  from the population to itself (pre, post); the diagonal is ignored

    As published, the ratios are 1 for a pair with a silent neuron, and 1/nu of a silent neuron is 0 unless it is the
    label's. The authors' code uses the denominator even at and below 0; here it is at least 0.1. With their constants
    it is about 0.9.
    """
    fires = counts > 0
    both = fires[:, :, None] & fires[:, None, :]
    ratio = np.where(both, psp / np.maximum(counts, 1)[:, :, None], 1.0)
    gain = (fires | (np.arange(counts.shape[1]) == labels[:, None])) / nu
    pairs = np.where(np.eye(len(weights), dtype=bool), 0, weights * weights.T)
    loop = pairs * ratio * ratio.transpose(0, 2, 1) * gain[:, :, None] * gain[:, None, :]
    return 1 / np.maximum(1 - loop.sum(axis=2), _MIN_DENOMINATOR)


def _unreset(
    fired: NDArray[np.bool_], transition: NDArray[np.float64], receptor: int, watched: int, delay: int
) -> NDArray[np.float64]:
    """The potential after each neuron's spikes, without resets (steps, samples, neurons)."""
    samples, steps, size = fired.shape
    spikes = fired.transpose(1, 0, 2).reshape(steps, -1)
    trace = np.empty(spikes.shape)
    state = np.zeros((len(transition), samples * size))
    for step in range(steps):
        state = transition @ state
        trace[step] = state[watched]
        if step >= delay:
            state[receptor] += spikes[step - delay]
    return trace.reshape(steps, samples, size)
