"""The dendritic microcircuit a second time, slowly, in NumPy: its cells' equations written out by hand.

One step: inputs from what is said now, plastic connections, cells, in this order; explicit Euler throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnlab.data.rates import RateInput
from snnlab.networks.building import per_layer
from snnlab.networks.circuit import Source
from snnlab.networks.microcircuit import Microcircuit

DT = 1e-4
PER_MS = 1e3
TRANSFERS = {
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "soft_rectifier": lambda x: 0.1 * np.log1p(np.exp(x - 3)),
    "softplus": lambda x: np.log1p(np.exp(x)),
}
TAU_W = 30e-3
RATES_OF_LEARNING = {"basal": 1.1875, "dendrite": 1.1875, "inhibition": 0.5, "apical": 0.2}  # per second, on the cards


@dataclass
class ByHand:
    """A microcircuit at one moment: potentials (samples, neurons), weights and filtered changes (pre, post)."""

    network: Microcircuit
    circuit: object
    u: dict
    U: dict
    w: dict
    change: dict


def begin(network, circuit, samples):
    zeros = {node.name: np.zeros((samples, node.size)) for node in circuit.populations}
    learns = [one for one in circuit.projections if one.plasticity]
    return ByHand(
        network,
        circuit,
        {name: values.copy() for name, values in zeros.items()},
        {name: values.copy() for name, values in zeros.items()},
        {one.name: np.array(one.weights, float) for one in learns},
        {one.name: np.zeros(one.weights.shape) for one in learns},
    )


def step(now, said, learn=True, factor=1.0):
    """One step in place, under what the sources say: name -> (samples, neurons). Gives variables of this step.

    factor  by which all connections learn faster than their cards say
    """
    network, circuit = now.network, now.circuit
    phi, leak, b = TRANSFERS[network.activation], network.leak * PER_MS, 1.0 * PER_MS
    told = now.U if network.latent else now.u
    rate = {name: phi(values) for name, values in told.items()} | said
    dendrite = {}
    for one in circuit.projections:
        kind = one.receptor
        if kind == "target":  # one to one: of the teacher what it says, of the cell above its potential
            what = said[one.pre] if isinstance(circuit[one.pre], Source) else told[one.pre]
        elif kind == "nudge":
            what = np.repeat(said[one.pre], circuit[one.post].size, axis=1)
        else:
            what = rate[one.pre] @ now.w[one.name]
        dendrite[one.post, kind] = dendrite.get((one.post, kind), 0) + what
    shares = per_layer(network.mixing, len(network.hidden) + 1)
    lambdas = dict(
        zip(
            [f"hidden{k + 1}" for k in range(len(network.hidden))] + ["output"],
            shares,
            strict=True,
        )
    )
    told_now, moved = {}, {}
    for node in circuit.populations:
        name, u = node.name, now.u[node.name]
        if name.startswith("hidden"):
            pull = lambdas[name] / (1 - lambdas[name]) * (leak + b)
            v, top, inter = (dendrite[name, kind] for kind in ("basal", "apical", "inhibition"))
            drift = -leak * u + b * (v - u) + pull * (top + inter - u)
            whole = leak + b + pull
            asks = {"basal": rate[name] - phi(b / whole * v), "apical": rate[name] - phi(top)}
            asks["inhibition"] = -(top + inter)
            told_now[name] = {"v_A": top + inter, "r_B": phi(b / whole * v), "v_B": v}
        else:
            kind, part = ("basal", lambdas["output"]) if name == "output" else ("dendrite", network.interneuron_mixing)
            pull = part / (1 - part) * (leak + b) * (dendrite[name, "nudge"] if name == "output" else 1)
            v = dendrite[name, kind]
            drift = -leak * u + b * (v - u) + pull * (dendrite[name, "target"] - u)
            whole = leak + b + pull
            predicted = phi(b / (leak + b) * v)
            asks = {kind: rate[name] - predicted}
            told_now[name] = {"r_B" if name == "output" else "r_D": predicted}
        told_now[name] |= {"u": u, "r": rate[name], "asks": asks}
        moved[name] = (u + DT * drift, u + drift / whole)
    if learn:
        for one in circuit.projections:
            if not one.plasticity:
                continue
            product = np.mean(rate[one.pre][:, :, None] * told_now[one.post]["asks"][one.receptor][:, None, :], axis=0)
            before = now.change[one.name]
            now.w[one.name] = now.w[one.name] + DT * factor * RATES_OF_LEARNING[one.receptor] * before
            now.change[one.name] = before + DT / TAU_W * (product - before)
    for name, (u, goal) in moved.items():
        now.u[name], now.U[name] = u, goal
    return told_now


def drawn(network, inputs, classes, seed=0):
    """The network's circuit with weights drawn from -1 to 1, learning fast enough to be seen in 1,000 steps."""
    rng = np.random.default_rng(seed)
    circuit = network.circuit((inputs,), classes, DT)
    learns = [one for one in circuit.projections if one.plasticity]
    return circuit.with_weights({one.name: rng.uniform(-1, 1, one.weights.shape) for one in learns})


def rates_for(circuit, samples, stretches, seed=1):
    """Rates for every source; the teacher speaks in every other stretch."""
    rng = np.random.default_rng(seed)
    rates = {one.name: RateInput(rng.uniform(-1, 1, (samples, stretches, one.size))) for one in circuit.sources}
    rates["nudge"] = RateInput(
        np.broadcast_to((np.arange(stretches) % 2)[None, :, None], (samples, stretches, 1)) * 1.0
    )
    return rates | ({"bias": RateInput(np.ones((samples, stretches, 1)))} if "bias" in rates else {})


def run(network, circuit, rates, steps, learn=None, factor=1.0):
    """All steps: what is left at the end, and of each step every variable."""
    now = begin(network, circuit, next(iter(rates.values())).samples)
    seen = []
    for t in range(steps):
        said = {name: one.values[:, t // one.steps_per_segment(steps)] for name, one in rates.items()}
        seen.append(step(now, said, True if learn is None else bool(learn[t]), factor))
    return now, seen
