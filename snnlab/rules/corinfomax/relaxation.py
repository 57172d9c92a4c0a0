"""The relaxation of a CorInfoMax circuit: the constants of its cells, and the phases of the rule.

The circuit's cards define the same dynamics; engine/rate/relax.hpp computes them faster, and a test compares both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_seconds
from snnlab.engine.rate.dense import propagate
from snnlab.engine.rate.relax import Constants, NetworkState, RelaxationLayer, relax
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit, Population
from snnlab.networks.corinfomax import RATES
from snnlab.rules.rate.forward_pass import parameter


class Apical(NamedTuple):
    """Constants of an apical dendrite, with the potential scale (leak r + gain r B) + r_above C.

    conductance  to the soma
    """

    conductance: float
    scale: float
    gain: float


@dataclass(frozen=True)
class Dynamics:
    """The constants of a circuit, and the names of its layers and projections from the first layer to the output.

    forward           projection onto each layer from below
    backward          projection onto each hidden layer from above
    lateral           projection within each layer; empty if there are none
    mu                first step of a phase, over the time constant
    slowing           increase of the time constant per further step, as a share of the first
    max_rate          infinity for sparse rates
    multiplier_rates  of the multiplier of each layer, per step; empty if there are none
    """

    layers: tuple[str, ...]
    forward: tuple[str, ...]
    backward: tuple[str, ...]
    lateral: tuple[str, ...]
    mu: float
    slowing: float
    leak: float
    epsilon: float
    gamma: float
    max_rate: float
    multiplier_rates: tuple[float, ...]

    @property
    def forgetting(self) -> float:
        return 1 / (1 + self.gamma)

    def apical(self, layer: int) -> Apical:
        """The apical constants of a layer, counted from 0; the output has a teacher in place of a layer above."""
        if layer + 1 < len(self.layers):
            return Apical(1 / self.epsilon, self.epsilon, 2 * self.gamma)
        return Apical(1.0, 1.0, self.gamma)

    def step_sizes(self, steps: int) -> NDArray[np.float64]:
        """The step sizes of a phase (steps,)."""
        return np.asarray(self.mu / (1 + self.slowing * np.arange(steps)), dtype=np.float64)


@lru_cache(maxsize=8)
def dynamics(circuit: Circuit, rule: str) -> Dynamics:
    """The dynamics of a circuit. Raises InputError naming `rule` unless it is the circuit of a CorInfoMaxNetwork."""
    layers = circuit.layers
    cells = ["corinfomax_hidden"] * (len(layers) - 1) + ["corinfomax_output"]
    if len(layers) < 2 or [layer.cell.id for layer in layers] != cells:
        names = ", ".join(f"{population.name} ({population.cell.id})" for population in circuit.populations)
        raise InputError(f"{rule}: circuit", f"got populations {names}", "must be the circuit of a CorInfoMaxNetwork")
    dt = to_seconds(circuit.dt, "circuit: dt")
    multipliers = circuit.populations_of("multiplier")
    slowing = [projection.weights for source in circuit.sources_of("slowing")
               for projection in circuit.between(source.name, layers[0].name)]  # fmt: skip
    sparse = layers[0].cell.functions["phi"].expression == RATES[True]
    return Dynamics(
        layers=tuple(layer.name for layer in layers),
        forward=tuple(projection.name for projection in circuit.forward),
        backward=tuple(_projection(circuit, above, own) for own, above in zip(layers, layers[1:], strict=False)),
        lateral=tuple(projection.name for own in layers for projection in circuit.between(own.name, own.name)),
        mu=dt / _shared(layers, "tau", "second"),
        slowing=float(np.asarray(slowing[0]).flat[0]) if slowing else 0.0,
        leak=_shared(layers, "g_L", "1"),
        epsilon=_shared(layers, "epsilon", "1"),
        gamma=_shared(layers, "gamma", "1"),
        max_rate=np.inf if sparse else 1.0,
        multiplier_rates=tuple(dt / parameter(multiplier, "tau", "second") for multiplier in multipliers),
    )


def _projection(circuit: Circuit, pre: Population, post: Population) -> str:
    return circuit.between(pre.name, post.name)[0].name


def _shared(layers: tuple[Population, ...], name: str, unit: str) -> float:
    """A parameter of all layers. Raises InputError unless it is the same for all of them."""
    values = {layer.name: parameter(layer, name, unit) for layer in layers}
    if len(set(values.values())) > 1:
        listed = ", ".join(f"{layer} {value:g}" for layer, value in values.items())
        raise InputError(f"circuit: {name}", f"got {listed}", "must be the same for all layers")
    return values[layers[0].name]


def check_step_size(dynamics: Dynamics) -> None:
    """Raises InputError for step sizes with which silent cells diverge.

    A soma below 0 has a rate of 0 and no feedback from it: Euler's method multiplies its distance from the steady state
    by 1 - mu (leak + 2/epsilon), at the output by 1 - mu (leak + 1/epsilon + 1).
    """
    fastest = dynamics.leak + max(2 / dynamics.epsilon, 1 / dynamics.epsilon + 1)
    if dynamics.mu >= 2 / fastest:
        hint = f"must be below {2 / fastest:.4g}, or potentials of silent cells diverge"
        raise InputError("network.mu", f"got {dynamics.mu:g}", hint)


def input_drive(dynamics: Dynamics, weights: Mapping[str, Values], inputs: Values) -> Values:
    """Basal potentials of the first layer (samples, cells), which are constant during a phase.

    inputs  rates (samples, inputs)
    """
    return propagate(weights[dynamics.forward[0]], inputs)


def free_phase(dynamics: Dynamics, weights: Mapping[str, Values], drive: Values, steps: int) -> NetworkState:
    """The state after so many steps without a teacher, from potentials of 0."""
    somata = [np.zeros((len(drive), weights[name].shape[1]), drive.dtype) for name in dynamics.forward]
    multipliers = [np.zeros(len(drive), drive.dtype) for _ in dynamics.multiplier_rates]
    return _phase(dynamics, weights, drive, steps, NetworkState(somata, [], multipliers))


def nudged_phase(
    dynamics: Dynamics,
    weights: Mapping[str, Values],
    drive: Values,
    steps: int,
    free: NetworkState,
    beta: float,
    targets: Values,
) -> NetworkState:
    """The state after so many steps with a teacher; somata start at the rates of the free phase.

    beta     strength of the nudging
    targets  rates (samples, outputs) to which the output is nudged
    """
    initial = NetworkState(free.r, [], [np.maximum(multiplier, 0) for multiplier in free.q])
    return _phase(dynamics, weights, drive, steps, initial, beta, targets)


def _phase(
    dynamics: Dynamics,
    weights: Mapping[str, Values],
    drive: Values,
    steps: int,
    initial: NetworkState,
    beta: float = 0.0,
    targets: Values | None = None,
) -> NetworkState:
    layers = [_layer(dynamics, weights, drive, k) for k in range(len(dynamics.layers))]
    constants = Constants(dynamics.leak, 1 / dynamics.epsilon, dynamics.max_rate)
    return relax(layers, initial, dynamics.step_sizes(steps), constants, nudge=beta, target=targets)


def _layer(dynamics: Dynamics, weights: Mapping[str, Values], drive: Values, k: int) -> RelaxationLayer:
    apical = dynamics.apical(k)
    return RelaxationLayer(
        drive=None if k else drive,
        basal=weights[dynamics.forward[k]] if k else None,
        lateral=weights[dynamics.lateral[k]] if dynamics.lateral else None,
        apical=weights[dynamics.backward[k]] if k + 1 < len(dynamics.layers) else None,
        conductance=apical.conductance,
        scale=apical.scale,
        gain=apical.gain,
        speed=dynamics.multiplier_rates[k] if dynamics.multiplier_rates else 0.0,
    )
