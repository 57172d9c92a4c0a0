"""Network of correlative information maximization (Bozkurt, Pehlevan and Erdogan, NeurIPS 2023, arXiv:2306.04810).

Rate cells of layer k, ``hidden1`` to ``output``, receive the layer below at their basal dendrites, and the layer above,
themselves and the other cells of their layer at their apical dendrites. Forward, backward and lateral weights are
independent: backward weights need not equal forward weights. The output has a target instead of a layer above.

For sparse rates, a cell ``multiplier1`` and so on for each layer receives all rates of the layer, and inhibits the
layer while their sum exceeds 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnlab import cards
from snnlab.cards import Cell
from snnlab.data.fields import option
from snnlab.errors import InputError
from snnlab.networks.building import (
    PHI,
    all_to_all,
    card_digests,
    check_outputs,
    check_per_layer,
    check_sizes,
    nudging,
    per_layer,
)
from snnlab.networks.circuit import Circuit, Number, Population, Projection, Source
from snnlab.networks.populations import INPUT, NUDGE, OUTPUT, SLOWING, TARGET

RATES = {False: "clip(x, 0, 1)", True: "(x + abs(x))/2"}
"""Activation of all layers: bounded by 0 and 1 or, for sparse rates, rectified."""


@dataclass(frozen=True)
class CorInfoMaxNetwork:
    """Hidden layers with forward, backward and lateral weights, and an output with a target.

    Raises InputError for invalid options.
    """

    hidden: tuple[int, ...] = option((500,), "cells of each hidden layer")
    mu: float = option(0.05, "time step divided by the time constant of the somata")
    slowing: float = option(
        0.0, "increase of that time constant per step of a phase, as a fraction of its initial value"
    )
    epsilon: float = option(0.15, "variance of the prediction error; dendritic conductances are 1/epsilon")
    leak: float = option(0.5, "leak conductance of every soma")
    forgetting: float = option(0.99999, "forgetting factor of the layer correlation matrices, below 1")
    lateral: bool = option(True, "whether cells of a layer are connected with each other")
    sparse: bool = option(False, "whether the rates of a layer sum to at most 1, rather than each rate being at most 1")
    multiplier_rate: tuple[float, ...] = option(
        (1e-6, 0.01),
        "step size of the multiplier that limits that sum: one number for each layer, the output last, or one for all",
    )
    outputs: int = option(0, "cells of the output, 0 for one per class")

    def __post_init__(self) -> None:
        check_sizes("hidden", self.hidden)
        for name in ("mu", "epsilon"):
            if not 0 < (value := getattr(self, name)) < float("inf"):
                raise InputError(f"network.{name}", f"got {value}", "must be a finite number above 0")
        for name in ("leak", "slowing"):
            if not 0 <= (value := getattr(self, name)) < float("inf"):
                raise InputError(f"network.{name}", f"got {value}", "must be a finite number of at least 0")
        if not 0 < self.forgetting < 1:
            raise InputError("network.forgetting", f"got {self.forgetting}", "must be between 0 and 1, exclusive")
        if self.sparse:
            check_per_layer("multiplier_rate", self.multiplier_rate, len(self.hidden) + 1)
        if not all(0 < rate < 2 for rate in self.multiplier_rate):
            hint = "must be above 0 and below 2, from which the multiplier is unstable"
            raise InputError("network.multiplier_rate", f"got {self.multiplier_rate}", hint)
        check_outputs(self.outputs)

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of cells."""
        return card_digests(self.circuit((1,), 1, 1e-4))

    def circuit(self, shape: tuple[int, ...], classes: int, dt: float) -> Circuit:
        """The circuit for samples of `shape` with time steps of `dt` seconds, with weights of zero."""
        layers = self._layers(classes, dt)
        multipliers = self._multipliers(len(layers), dt)
        sources = [Source(INPUT, int(np.prod(shape))), Source(TARGET, layers[-1].size, TARGET), Source(NUDGE, 1, NUDGE)]
        projections = self._between_layers(sources[0], layers)
        if self.slowing:
            # the source gives the number of steps since the start of the phase
            sources.append(Source(SLOWING, 1, SLOWING))
            for layer in layers:
                weights = np.full((1, layer.size), self.slowing)
                projections.append(Projection(SLOWING, layer.name, "slowing", weights))
        for layer, multiplier in zip(layers, multipliers, strict=False):
            projections.append(Projection(layer.name, multiplier.name, "total", np.ones((layer.size, 1))))
            projections.append(Projection(multiplier.name, layer.name, "multiplier", np.ones((1, layer.size))))
        return Circuit((*sources, *multipliers, *layers), tuple(projections), dt)

    def _layers(self, classes: int, dt: float) -> list[Population]:
        gamma = (1 - self.forgetting) / self.forgetting  # weight of the newest sample relative to all earlier ones
        parameters: dict[str, Number] = {
            "tau": dt / self.mu,
            "g_L": self.leak,
            "epsilon": self.epsilon,
            "gamma": gamma,
        }
        hidden, output = self._cell("hidden"), self._cell("output")
        layers = [Population(f"hidden{k}", hidden, size, parameters) for k, size in enumerate(self.hidden, start=1)]
        return [*layers, Population(OUTPUT, output, self.outputs or classes, parameters)]

    def _cell(self, kind: str) -> Cell:
        return cards.cell(f"corinfomax_{kind}", {PHI: RATES[self.sparse]})

    def _multipliers(self, layers: int, dt: float) -> list[Population]:
        if not self.sparse:
            return []
        card = cards.cell("corinfomax_multiplier")
        return [
            Population(f"multiplier{k}", card, 1, {"tau": dt / rate}, role="multiplier")
            for k, rate in enumerate(per_layer(self.multiplier_rate, layers), start=1)
        ]

    def _between_layers(self, first: Source, layers: list[Population]) -> list[Projection]:
        below: list[Source | Population] = [first, *layers]
        projections = [all_to_all(pre, post, "basal") for pre, post in zip(below, layers, strict=False)]
        projections += [all_to_all(above, layer, "apical") for layer, above in zip(layers, layers[1:], strict=False)]
        projections += [all_to_all(layer, layer, "lateral") for layer in layers if self.lateral]
        projections.append(Projection(TARGET, OUTPUT, "target", np.eye(layers[-1].size)))
        projections.append(nudging(layers[-1]))
        return projections
