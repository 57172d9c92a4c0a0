"""Output neurons that inhibit one another, as HM2-BP sees them (Jin, Zhang and Li, NeurIPS 2018, arXiv:1805.07866).

A fixed projection leads from the output population to itself. What a weight onto neuron i adds to its count comes back
to it by way of every other neuron l: i's spikes move l, and l's move i. Summed over all rounds, the gradient of i's
weights grows by

    gamma_i = 1 / (1 - sum_l w_il w_li (1/nu^2) (e_li / o_i) (e_il / o_l)),   l other than i,

with e_li what the spikes of i, through a weight of 1, left on the membrane at the spikes of l. It multiplies what the
weights learn, and not the error that is sent further down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import delay_steps
from snnlab.engine import Response
from snnlab.networks.circuit import Projection

_LEAST = 0.1  # of gamma's denominator


def own_psp(projection: Projection, response: Response, transition: NDArray[np.float64]) -> NDArray[np.float64]:
    """The S-PSP of every neuron on every other of its population (samples, pre, post).

    transition  the matrix of one free step, see ``engine.transition``
    """
    code, fired = response.cell, response.spikes.dense()
    delay = delay_steps(projection, response.spikes.dt)
    trace = _unreset(fired, transition, code.receptors[projection.receptor], code.watched, delay)
    sample, neuron, step = np.nonzero(fired.transpose(0, 2, 1).copy())
    taken = trace[step, sample]
    first = np.flatnonzero(np.diff(sample * fired.shape[2] + neuron, prepend=-1))
    again = np.delete(np.arange(len(step)), first)
    held = step[again - 1] + code.reset_steps  # the last step in which the membrane stayed at its reset
    left = transition[code.watched, code.watched] ** (step[again] - held)
    taken[again] -= left[:, None] * trace[held, sample[again]]
    psp = np.zeros((len(fired), fired.shape[2], fired.shape[2]))
    if len(first):
        psp[sample[first], :, neuron[first]] = np.add.reduceat(taken, first)
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
    weights  from the population to itself (pre, post); what a neuron sends to itself plays no part

    As published, the ratios of a pair of which either is silent are 1, and the 1/nu of a silent neuron is 0 unless it
    is the label's. The authors' code takes the denominator as it comes, through its pole and below; here it is kept at
    0.1 or above. With their constants it is about 0.9.
    """
    fires = counts > 0
    both = fires[:, :, None] & fires[:, None, :]
    ratio = np.where(both, psp / np.maximum(counts, 1)[:, :, None], 1.0)
    gain = (fires | (np.arange(counts.shape[1]) == labels[:, None])) / nu
    pairs = np.where(np.eye(len(weights), dtype=bool), 0, weights * weights.T)
    loop = pairs * ratio * ratio.transpose(0, 2, 1) * gain[:, :, None] * gain[:, None, :]
    return 1 / np.maximum(1 - loop.sum(axis=2), _LEAST)


def _unreset(
    fired: NDArray[np.bool_], transition: NDArray[np.float64], receptor: int, watched: int, delay: int
) -> NDArray[np.float64]:
    """The potential that each neuron's spikes would leave, never reset (steps, samples, neurons)."""
    samples, steps, size = fired.shape
    arrived = fired.transpose(1, 0, 2).reshape(steps, -1)
    trace = np.empty(arrived.shape)
    state = np.zeros((len(transition), samples * size))
    for step in range(steps):
        state = transition @ state
        trace[step] = state[watched]
        if step >= delay:
            state[receptor] += arrived[step - delay]
    return trace.reshape(steps, samples, size)
