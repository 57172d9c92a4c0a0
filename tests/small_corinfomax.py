"""CorInfoMax circuits for tests: random circuits, and the equations of arXiv:2306.04810 for a single sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from snnlab.networks.circuit import Circuit
from snnlab.networks.corinfomax import CorInfoMaxNetwork
from snnlab.rules.corinfomax.relaxation import dynamics

Values = NDArray[np.floating]
DT = 1e-4


def random_circuit(
    network: CorInfoMaxNetwork, inputs: int, outputs: int, seed: int = 0
) -> tuple[Circuit, dict[str, Values]]:
    """The circuit and random weights; lateral weights are symmetric and large enough to have an effect."""
    circuit = network.circuit((inputs,), outputs, DT)
    model, rng = dynamics(circuit, "a test"), np.random.default_rng(seed)
    shapes = {one.name: one.weights.shape for one in circuit.projections}
    weights = {name: rng.uniform(-0.5, 0.8, shapes[name]) for name in (*model.forward, *model.backward)}
    for name in model.lateral:
        half = rng.uniform(-1, 1, shapes[name])
        weights[name] = half @ half.T
    return circuit, weights


def families(
    network: CorInfoMaxNetwork, weights: Mapping[str, Values]
) -> tuple[list[Values], list[Values], list[Values]]:
    """(W, C, B), each (post, pre) as in the paper, from the first layer to the output; W[k] projects onto layer k."""
    names = [*(f"hidden{k}" for k in range(1, len(network.hidden) + 1)), "output"]
    forward = [weights[f"{pre}->{post}.basal"].T for pre, post in zip(["input", *names], names, strict=False)]
    backward = [weights[f"{pre}->{post}.apical"].T for post, pre in zip(names, names[1:], strict=False)]
    lateral = [weights[f"{name}->{name}.lateral"].T for name in names] if network.lateral else []
    return forward, backward, lateral


def phase(
    network: CorInfoMaxNetwork, weights: Mapping[str, Values], x: Values, u: Sequence[Values], q: Sequence[float],
    steps: int,
    beta: float = 0.0, y: Values | None = None,
) -> tuple[list[Values], list[Values], list[float]]:  # fmt: skip
    """(u, r, q) of one sample after so many steps with simultaneous updates."""
    forward, backward, lateral = families(network, weights)
    eps, g, gamma = network.epsilon, network.leak, (1 - network.forgetting) / network.forgetting
    last = len(forward) - 1
    multiplier_rates = network.multiplier_rate * (last + 1 if len(network.multiplier_rate) == 1 else 1)
    u, q = [one.copy() for one in u], list(q)

    def rates(soma: Values) -> Values:
        return np.maximum(soma, 0) if network.sparse else np.clip(soma, 0, 1)

    for i in range(steps):
        mu = network.mu / (1 + network.slowing * i)
        r = [rates(one) for one in u]
        multiplier = [max(one, 0.0) if network.sparse else 0.0 for one in q]
        for k in range(last + 1):
            v_b = forward[k] @ (x if k == 0 else r[k - 1])
            own = (lateral[k] @ r[k] if network.lateral else 0) * gamma * (1 if k == last else 2)
            own = own + g * r[k] - multiplier[k]
            if k == last:
                v_a = own - (beta * (r[k] - y) if y is not None else 0)
                u[k] = u[k] + mu * (-g * u[k] + (v_b - u[k]) / eps + (v_a - u[k]))
            else:
                v_a = eps * own + backward[k] @ r[k + 1]
                u[k] = u[k] + mu * (-g * u[k] + (v_b - u[k]) / eps + (v_a - u[k]) / eps)
            q[k] += multiplier_rates[min(k, len(multiplier_rates) - 1)] * (-q[k] + r[k].sum() - 1 + multiplier[k])
    return u, [rates(one) for one in u], q


def both_phases(
    network: CorInfoMaxNetwork, weights: Mapping[str, Values], x: Values, y: Values, beta: float, free: int, nudged: int
) -> tuple[list[Values], list[Values]]:
    """Rates of one sample after the free and after the nudged phase."""
    forward = families(network, weights)[0]
    u = [np.zeros(len(one)) for one in forward]
    _, r, q = phase(network, weights, x, u, [0.0] * len(forward), free)
    _, after, _ = phase(network, weights, x, r, [max(one, 0.0) for one in q], nudged, beta, y)
    return r, after
