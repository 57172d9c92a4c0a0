"""A slow reference implementation of the dendritic microcircuit in NumPy, from the equations of its cells.

A step updates inputs, plastic projections and cells, in this order, by explicit Euler.
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
ACTIVATIONS = {
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "soft_rectifier": lambda x: 0.1 * np.log1p(np.exp(x - 3)),
    "softplus": lambda x: np.log1p(np.exp(x)),
}
TAU_W = 30e-3
LEARNING_RATES = {"basal": 1.1875, "dendrite": 1.1875, "inhibition": 0.5, "apical": 0.2}  # per second, on the cards


@dataclass
class MicrocircuitState:
    """The state of a microcircuit: potentials (samples, neurons), weights and filtered changes (pre, post)."""

    network: Microcircuit
    circuit: object
    u: dict
    U: dict
    w: dict
    change: dict


def initial_state(network, circuit, samples):
    zeros = {node.name: np.zeros((samples, node.size)) for node in circuit.populations}
    learns = [one for one in circuit.projections if one.plasticity]
    return MicrocircuitState(
        network,
        circuit,
        {name: values.copy() for name, values in zeros.items()},
        {name: values.copy() for name, values in zeros.items()},
        {one.name: np.array(one.weights, float) for one in learns},
        {one.name: np.zeros(one.weights.shape) for one in learns},
    )


def step(now, sources, learn=True, factor=1.0):
    """One step in place, for rates of the sources, name -> (samples, neurons). Returns the variables of the step.

    factor  of all learning rates of the cards
    """
    network, circuit = now.network, now.circuit
    phi, leak, b = ACTIVATIONS[network.activation], network.leak * PER_MS, 1.0 * PER_MS
    transmitted = now.U if network.latent else now.u
    rate = {name: phi(values) for name, values in transmitted.items()} | sources
    dendrite = {}
    for one in circuit.projections:
        kind = one.receptor
        if kind == "target":  # one to one: rates of the teacher, or the potential of the cell above
            received = sources[one.pre] if isinstance(circuit[one.pre], Source) else transmitted[one.pre]
        elif kind == "nudge":
            received = np.repeat(sources[one.pre], circuit[one.post].size, axis=1)
        else:
            received = rate[one.pre] @ now.w[one.name]
        dendrite[one.post, kind] = dendrite.get((one.post, kind), 0) + received
    shares = per_layer(network.mixing, len(network.hidden) + 1)
    lambdas = dict(
        zip(
            [f"hidden{k + 1}" for k in range(len(network.hidden))] + ["output"],
            shares,
            strict=True,
        )
    )
    variables, following = {}, {}
    for node in circuit.populations:
        name, u = node.name, now.u[node.name]
        if name.startswith("hidden"):
            nudging = lambdas[name] / (1 - lambdas[name]) * (leak + b)
            v, top, inter = (dendrite[name, kind] for kind in ("basal", "apical", "inhibition"))
            drift = -leak * u + b * (v - u) + nudging * (top + inter - u)
            total = leak + b + nudging
            error = {"basal": rate[name] - phi(b / total * v), "apical": rate[name] - phi(top)}
            error["inhibition"] = -(top + inter)
            variables[name] = {"v_A": top + inter, "r_B": phi(b / total * v), "v_B": v}
        else:
            kind, part = ("basal", lambdas["output"]) if name == "output" else ("dendrite", network.interneuron_mixing)
            nudging = part / (1 - part) * (leak + b) * (dendrite[name, "nudge"] if name == "output" else 1)
            v = dendrite[name, kind]
            drift = -leak * u + b * (v - u) + nudging * (dendrite[name, "target"] - u)
            total = leak + b + nudging
            predicted = phi(b / (leak + b) * v)
            error = {kind: rate[name] - predicted}
            variables[name] = {"r_B" if name == "output" else "r_D": predicted}
        variables[name] |= {"u": u, "r": rate[name], "error": error}
        following[name] = (u + DT * drift, u + drift / total)
    if learn:
        for one in circuit.projections:
            if not one.plasticity:
                continue
            product = np.mean(
                rate[one.pre][:, :, None] * variables[one.post]["error"][one.receptor][:, None, :], axis=0
            )
            before = now.change[one.name]
            now.w[one.name] = now.w[one.name] + DT * factor * LEARNING_RATES[one.receptor] * before
            now.change[one.name] = before + DT / TAU_W * (product - before)
    for name, (u, goal) in following.items():
        now.u[name], now.U[name] = u, goal
    return variables


def random_circuit(network, inputs, classes, seed=0):
    """The network's circuit with random weights from -1 to 1."""
    rng = np.random.default_rng(seed)
    circuit = network.circuit((inputs,), classes, DT)
    learns = [one for one in circuit.projections if one.plasticity]
    return circuit.with_weights({one.name: rng.uniform(-1, 1, one.weights.shape) for one in learns})


def rates_for(circuit, samples, segments, seed=1):
    """Random rates for every source, with a teacher in every other segment."""
    rng = np.random.default_rng(seed)
    rates = {one.name: RateInput(rng.uniform(-1, 1, (samples, segments, one.size))) for one in circuit.sources}
    rates["nudge"] = RateInput(np.broadcast_to((np.arange(segments) % 2)[None, :, None], (samples, segments, 1)) * 1.0)
    return rates | ({"bias": RateInput(np.ones((samples, segments, 1)))} if "bias" in rates else {})


def run(network, circuit, rates, steps, learn=None, factor=1.0):
    """Run all steps. Returns the final state, and the variables of each step."""
    now = initial_state(network, circuit, next(iter(rates.values())).samples)
    recorded = []
    for t in range(steps):
        sources = {name: one.values[:, t // one.steps_per_segment(steps)] for name, one in rates.items()}
        recorded.append(step(now, sources, True if learn is None else bool(learn[t]), factor))
    return now, recorded
