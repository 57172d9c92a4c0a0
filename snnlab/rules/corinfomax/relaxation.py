"""A CorInfoMax circuit as its rule sees it: the constants of its cells, and the phases in which they come to rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_seconds, to_si
from snnlab.engine.rate.dense import propagate
from snnlab.engine.rate.relax import Constants, NetworkState, RelaxationLayer, relax
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit, Population
from snnlab.networks.corinfomax import RATES
from snnlab.networks.populations import INPUT, SLOWING
from snnlab.rules.rate.forward import layers_up

__all__ = ["Body", "NetworkState", "body", "check_steps", "drive", "settled"]


class Apical(NamedTuple):
    """Constants of an apical dendrite: its potential is scale (leak r + gain r B), and what comes from above.

    conductance  to the soma
    scale        of all that the cell and its own layer lead to
    gain         of lateral weights
    """

    conductance: float
    scale: float
    gain: float


@dataclass(frozen=True)
class Body:
    """The layers from hidden1 to the output, and what all of them have in common.

    mu        length of the first step of a phase, over the time constant
    slowing   how much longer the time constant gets with each further step, as a share of the first's
    highest   rate
    lateral   whether cells of a layer hear one another
    speeds    of the multipliers, in a step; none where there are none
    """

    layers: tuple[str, ...]
    mu: float
    slowing: float
    leak: float
    epsilon: float
    gamma: float
    highest: float
    lateral: bool
    speeds: tuple[float, ...]

    @property
    def forgetting(self) -> float:
        return 1 / (1 + self.gamma)

    @property
    def forward(self) -> list[str]:
        """The projection onto each layer from below."""
        return [f"{pre}->{post}.basal" for pre, post in zip((INPUT, *self.layers), self.layers, strict=False)]

    @property
    def backward(self) -> list[str]:
        """And onto each hidden layer from above."""
        return [f"{pre}->{post}.apical" for post, pre in zip(self.layers, self.layers[1:], strict=False)]

    @property
    def beside(self) -> list[str]:
        """And within each layer."""
        return [f"{name}->{name}.lateral" for name in self.layers] if self.lateral else []

    def apical(self, k: int) -> Apical:
        """Of the layer of this number, counted from 0: the output has a teacher in the place of a layer above."""
        if k + 1 < len(self.layers):
            return Apical(1 / self.epsilon, self.epsilon, 2 * self.gamma)
        return Apical(1.0, 1.0, self.gamma)

    def steps(self, many: int) -> NDArray[np.float64]:
        """The lengths of the steps of a phase (many,)."""
        return np.asarray(self.mu / (1 + self.slowing * np.arange(many)), dtype=np.float64)


@lru_cache(maxsize=8)
def body(circuit: Circuit, rule: str) -> Body:
    """What `rule` needs to know of the circuit. Raises InputError for one that is no CorInfoMaxNetwork."""
    names = [node.name for node in circuit.nodes]
    layers = tuple(layers_up(circuit)[1])
    kinds = ["corinfomax_hidden"] * (len(layers) - 1) + ["corinfomax_output"]
    cells = {one.name: one.cell.id for one in circuit.populations}
    if len(layers) < 2 or INPUT not in names or [cells.get(name) for name in layers] != kinds:
        found = ", ".join(f"{name} ({cells[name]})" if name in cells else name for name in names)
        raise InputError(f"{rule}: circuit", f"of {found}", "needs the rate cells of a CorInfoMaxNetwork")
    populations = [circuit.population(name) for name in layers]
    dt = to_seconds(circuit.dt, "circuit: dt")
    multipliers = [f"multiplier{k}" for k in range(1, len(layers) + 1) if f"multiplier{k}" in names]
    slower = [one.weights for one in circuit.projections if one.pre == SLOWING]
    return Body(
        layers,
        mu=dt / _common(populations, "tau", "second"),
        slowing=float(np.asarray(slower[0]).flat[0]) if slower else 0.0,
        leak=_common(populations, "g_L", "1"),
        epsilon=_common(populations, "epsilon", "1"),
        gamma=_common(populations, "gamma", "1"),
        highest=np.inf if populations[0].cell.functions["phi"].expression == RATES[True] else 1.0,
        lateral=any(one.receptor == "lateral" for one in circuit.projections),
        speeds=tuple(dt / _number(circuit.population(name), "tau", "second") for name in multipliers),
    )


def check_steps(body: Body) -> None:
    """Raises InputError for steps that take a silent cell further from where it is going than it was.

    Below 0 a soma has conductances alone, and its own rate gives nothing back: Euler's method multiplies its distance
    by 1 - mu (leak + 2/epsilon), at the output by 1 - mu (leak + 1/epsilon + 1).
    """
    fastest = body.leak + max(2 / body.epsilon, 1 / body.epsilon + 1)
    if body.mu >= 2 / fastest:
        right = f"needs less than {2 / fastest:.4g}, from which on the potential of a silent cell grows in every step"
        raise InputError("network.mu", f"found {body.mu:g}", right)


def drive(body: Body, weights: Mapping[str, Values], seen: Values) -> Values:
    """What the input, which stays as it is, leads to in the basal dendrites of the first layer (samples, cells)."""
    return propagate(weights[body.forward[0]], seen)


def settled(
    body: Body,
    weights: Mapping[str, Values],
    below: Values,
    steps: int,
    *,
    after: NetworkState | None = None,
    nudge: float = 0.0,
    target: Values | None = None,
) -> NetworkState:
    """Where all layers are after a phase of so many steps.

    below   what `drive` gives
    after   the phase before, from whose rates somata begin; from 0 where there is none
    nudge   the teacher's pull of the output to its target (samples, outputs)
    """
    tiers = [_tier(body, weights, below, k) for k in range(len(body.layers))]
    if after is None:
        samples = len(below)
        sizes = [weights[name].shape[1] for name in body.forward]
        begun = NetworkState([np.zeros((samples, size), below.dtype) for size in sizes], [],
                     [np.zeros(samples, below.dtype) for _ in body.speeds])  # fmt: skip
    else:
        begun = NetworkState(after.r, [], [np.maximum(q, 0) for q in after.q])
    constants = Constants(body.leak, 1 / body.epsilon, body.highest)
    return relax(tiers, begun, body.steps(steps), constants, nudge=nudge, target=target)


def _tier(body: Body, weights: Mapping[str, Values], below: Values, k: int) -> RelaxationLayer:
    """What the cells of one layer hear, and how."""
    apical = body.apical(k)
    return RelaxationLayer(
        drive=None if k else below,
        basal=weights[body.forward[k]] if k else None,
        lateral=weights[body.beside[k]] if body.lateral else None,
        apical=weights[body.backward[k]] if k + 1 < len(body.layers) else None,
        conductance=apical.conductance,
        scale=apical.scale,
        gain=apical.gain,
        speed=body.speeds[k] if body.speeds else 0.0,
    )


def _common(populations: list[Population], name: str, unit: str) -> float:
    """The parameter that all layers are to have alike. Raises InputError where they have not."""
    found = {one.name: _number(one, name, unit) for one in populations}
    if len(set(found.values())) > 1:
        said = ", ".join(f"{layer} {value:g}" for layer, value in found.items())
        raise InputError(f"circuit: {name}", f"found {said}", "needs one for all layers")
    return found[populations[0].name]


def _number(population: Population, name: str, unit: str) -> float:
    value = population.parameters.get(name, population.cell.parameters[name])
    return to_si(value, unit, f"{population.name}: {name}")
