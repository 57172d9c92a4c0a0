"""Dendritic microcircuits for tests of what they learn: built, told and set to weights in a line, and their sweep up
and its exact gradient written out once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.engine import RateResponse, RunState, run_rates
from snnlab.networks.building import per_layer
from snnlab.networks.circuit import Circuit, Plastic
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.dendritic import passes

Values = NDArray[np.floating]

PUBLISHED = {"basal": 1.1875, "dendrite": 1.1875, "inhibition": 0.5}
"""Speeds by receptor, in 1/s: those of the paper's association. Top-down weights stay as they are in it."""


def built(
    network: Microcircuit, inputs: int, outputs: int, speeds: Mapping[str, float] = PUBLISHED, smoothed: float = 1e-3
) -> Circuit:
    """The network's circuit; families of synapses that `speeds` does not name do not learn.

    speeds  of receptors, or of one population's receptor: "hidden1.basal"
    """
    circuit = network.circuit((inputs,), outputs, 1e-4)
    made = []
    for one in circuit.projections:
        if one.plasticity:
            speed = speeds.get(f"{one.post}.{one.receptor}", speeds.get(one.receptor, 0.0))
            one = replace(one, plasticity=Plastic(one.plasticity.card, {"eta": speed, "tau_w": smoothed}))
        made.append(one)
    return replace(circuit, projections=tuple(made))


def told(seen: Values, outputs: int, wanted: Values | None = None) -> dict[str, RateInput]:
    """What the sources say: samples (samples, inputs), or several one after another (samples, stretches, inputs).

    wanted  potentials (samples, outputs) to which a teacher pulls; None for no teacher
    """
    goals = np.zeros((len(seen), outputs)) if wanted is None else wanted
    pulls = np.full((len(seen), 1), 0.0 if wanted is None else 1.0)
    shown = RateInput(seen) if seen.ndim == 3 else RateInput.constant(seen)
    return {"input": shown, "target": RateInput.constant(goals), "nudge": RateInput.constant(pulls)}


def drawn(
    circuit: Circuit, rng: np.random.Generator, *, spread: Sequence[float] | float = 1.0, symmetric: bool = False
) -> dict[str, Values]:
    """Random weights, the interneurons' as well.

    spread     of basal weights, of each layer or of all
    symmetric  for top-down weights that are the bottom-up ones
    """
    body = passes.anatomy(circuit, "a test")
    spreads = [spread] * len(body.layers) if isinstance(spread, float) else spread
    weights = passes.at_random(circuit, body, spreads, 1.0, rng)
    if symmetric:
        for layer, above in passes.pairs(body):
            weights[layer.apical(above)] = weights[above.basal].T.copy()
    return weights


def predicting(circuit: Circuit, weights: Mapping[str, Values]) -> dict[str, Values]:
    """The same with interneurons that predict the layer above."""
    return {**weights, **passes.predicting(passes.anatomy(circuit, "a test"), weights)}


def begun(weights: Mapping[str, Values]) -> RunState:
    """Cells at rest and these weights, nothing remembered."""
    return RunState({}, {name: {"w": values, "change": np.zeros_like(values)} for name, values in weights.items()})


def at_rest(running: RunState) -> RunState:
    """The same synapses, and cells at rest."""
    return RunState({}, running.synapses)


def learned(running: RunState) -> dict[str, Values]:
    return {name: kept["w"] for name, kept in running.synapses.items()}


def settled(
    circuit: Circuit, weights: Mapping[str, Values], seen: Values, wanted: Values | None = None, steps: int = 2000
) -> RateResponse:
    """What all cells come to while nothing learns: `means` holds the last step's u, r, r_B and v_A where there are."""
    known = {one.name: [line.name for line in one.cell.equations] for one in circuit.populations}
    asked = {name: [one for one in ("u", "r", "r_B", "v_A") if one in found] for name, found in known.items()}
    outputs = circuit["output"].size
    return run_rates(
        circuit, told(seen, outputs, wanted), steps, learn=False, state=begun(weights), mean=asked,
        mean_from=steps - 1, precision="float64", threads=1,
    )  # fmt: skip


def basal(network: Microcircuit, weights: Mapping[str, Values]) -> list[Values]:
    """Bottom-up weights from the input on."""
    names = ["input", *(f"hidden{k + 1}" for k in range(len(network.hidden))), "output"]
    return [weights[f"{below}->{name}.basal"] for below, name in zip(names, names[1:], strict=False)]


def logistic(u: Values) -> Values:
    return 1 / (1 + np.exp(-u))


def potentials(network: Microcircuit, bottom_up: Sequence[Values], seen: Values) -> list[Values]:
    """Of each layer with nothing from above, by the conductances: leak g, basal 1, apical l/(1 - l) (1 + g)."""
    rate = seen
    found: list[Values] = []
    for k, weights in enumerate(bottom_up):
        part = per_layer(network.mixing, len(network.hidden) + 1)[k] if k < len(network.hidden) else 0.0
        apical = part / (1 - part) * (1 + network.leak)
        found.append(rate @ weights / (network.leak + 1 + apical))
        rate = logistic(found[-1])
    return found


def gradients(network: Microcircuit, bottom_up: Sequence[Values], seen: Values, wanted: Values) -> list[Values]:
    """Of the cost of the sweep up, by its bottom-up weights, with complex steps: exact to rounding.

    The cost is the sum of ln(1 + e^u) - r_wanted u over the outputs, in the mean over samples: its derivative by an
    output's potential is the error of its rate.
    """

    found: list[Values] = []
    for k, weights in enumerate(bottom_up):
        each = np.eye(weights.size).reshape(weights.size, *weights.shape)  # one weight after another moves
        layers = [weights + 1e-30j * each if at == k else other for at, other in enumerate(bottom_up)]
        u = potentials(network, layers, seen)[-1]
        costs = np.sum(np.log(1 + np.exp(u)) - wanted * u, axis=-1).mean(axis=-1)
        found.append(costs.imag.reshape(weights.shape) / 1e-30)
    return found


def angle(one: Values, other: Values) -> float:
    """Degrees between two sets of numbers."""
    return float(np.degrees(np.arccos(np.sum(one * other) / np.linalg.norm(one) / np.linalg.norm(other))))
