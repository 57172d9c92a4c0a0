"""The circuit of correlative information maximization (Bozkurt, Pehlevan and Erdogan, NeurIPS 2023, arXiv:2306.04810).

Layer k of rate cells, ``hidden1`` to ``output``, hears the layer below with its basal dendrites, and with its apical
ones the layer above, itself, and the cells beside it. Forward, backward and lateral weights are three families of their
own: nothing asks a backward weight to be what the forward weight is. The output has a teacher, and no layer above.

Where rates are to be sparse, one more cell beside each layer, ``multiplier1`` and so on, hears all rates of the layer
and inhibits it while they sum to more than 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnlab import cards
from snnlab.cards import Cell
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Number, Population, Projection, Source
from snnlab.networks.mlp import full
from snnlab.networks.populations import INPUT, NUDGE, OUTPUT, SLOWING, TARGET

RATES = {False: "clip(x, 0, 1)", True: "(x + abs(x))/2"}
"""Rates as functions of a potential: between 0 and 1 or, where they are to be sparse, at least 0."""

_HEAD = "phi(x)"


@dataclass(frozen=True)
class CorInfoMaxNetwork:
    """Hidden layers that hear one another in both directions, and an output with a teacher.

    hidden           cells of each hidden layer
    mu               time step divided by the time constant of the somata
    slowing          increase of that time constant per step of a phase, as a fraction of its initial value
    epsilon          variance of the prediction error; dendritic conductances are 1/epsilon
    leak             leak conductance of every soma
    forgetting       forgetting factor of the layer correlation matrices, below 1
    lateral          whether cells of a layer are connected with each other
    sparse           whether the rates of a layer sum to at most 1, rather than each rate being at most 1
    multiplier_rate  step size of the Lagrange multiplier that limits that sum: one for each layer, the output last, or
                     one number for all layers
    outputs          cells of the output, 0 for one per class
    """

    hidden: tuple[int, ...] = (500,)
    mu: float = 0.05
    slowing: float = 0.0
    epsilon: float = 0.15
    leak: float = 0.5
    forgetting: float = 0.99999
    lateral: bool = True
    sparse: bool = False
    multiplier_rate: tuple[float, ...] = (1e-6, 0.01)
    outputs: int = 0

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise InputError("network.hidden", f"found {self.hidden}", "needs at least one layer of at least one cell")
        for name in ("mu", "epsilon"):
            if not 0 < (value := getattr(self, name)) < float("inf"):
                raise InputError(f"network.{name}", f"found {value}", "needs a number above 0")
        for name in ("leak", "slowing"):
            if not 0 <= (value := getattr(self, name)) < float("inf"):
                raise InputError(f"network.{name}", f"found {value}", "needs a number, at least 0")
        if not 0 < self.forgetting < 1:
            right = "needs a factor above 0 and below 1"
            raise InputError("network.forgetting", f"found {self.forgetting}", right)
        if self.sparse and len(self.multiplier_rate) not in (1, len(self.hidden) + 1):
            right = f"needs one, or {len(self.hidden) + 1}: one for each hidden layer, and one for the output"
            raise InputError("network.multiplier_rate", f"found {len(self.multiplier_rate)} numbers", right)
        if not all(0 < speed < 2 for speed in self.multiplier_rate):
            right = "needs speeds above 0 and below 2, from which on the multiplier is unstable"
            raise InputError("network.multiplier_rate", f"found {self.multiplier_rate}", right)
        if self.outputs < 0:
            raise InputError("network.outputs", f"found {self.outputs}", "needs cells, or 0 for one for each class")

    @property
    def gamma(self) -> float:
        """What the newest sample counts for, as against all that came before."""
        return (1 - self.forgetting) / self.forgetting

    def cards(self) -> tuple[Cell, ...]:
        """Of the hidden cells and the output; of the multipliers too, where there are any."""
        rates = {_HEAD: RATES[self.sparse]}
        found = [cards.cell(f"corinfomax_{name}", rates) for name in ("hidden", "output")]
        return (*found, cards.cell("corinfomax_multiplier")) if self.sparse else tuple(found)

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of cells."""
        return {one.path: one.digest for one in self.cards()}

    def circuit(self, shape: tuple[int, ...], classes: int, dt: float) -> Circuit:
        """The circuit for samples of `shape` in steps of `dt` seconds, with weights of zero."""
        hidden, output = self.cards()[:2]
        common: dict[str, Number] = {"tau": dt / self.mu, "g_L": self.leak, "epsilon": self.epsilon,
                                     "gamma": self.gamma}  # fmt: skip
        layers = [Population(f"hidden{k}", hidden, size, common) for k, size in enumerate(self.hidden, start=1)]
        layers.append(Population(OUTPUT, output, self.outputs or classes, common))
        sources = [Source(INPUT, int(np.prod(shape))), Source(TARGET, layers[-1].size, TARGET), Source(NUDGE, 1, NUDGE)]
        sources += [Source(SLOWING, 1, SLOWING)] if self.slowing else []
        multipliers = self._multipliers(layers, dt)
        wiring = _wiring(sources[0], layers, lateral=self.lateral)
        # its source says how many steps of the phase are done
        slower = [Projection(SLOWING, one.name, "slowing", np.full((1, one.size), self.slowing)) for one in layers]
        wiring += slower if self.slowing else []
        for layer, beside in zip(layers, multipliers, strict=False):
            wiring.append(Projection(layer.name, beside.name, "total", np.ones((layer.size, 1))))
            wiring.append(Projection(beside.name, layer.name, "multiplier", np.ones((1, layer.size))))
        return Circuit((*sources, *multipliers, *layers), tuple(wiring), dt)  # the output last

    def _multipliers(self, layers: list[Population], dt: float) -> list[Population]:
        if not self.sparse:
            return []
        card = self.cards()[-1]
        speeds = self.multiplier_rate * len(layers) if len(self.multiplier_rate) == 1 else self.multiplier_rate
        return [
            Population(f"multiplier{k}", card, 1, {"tau": dt / speed}, role="multiplier")
            for k, speed in enumerate(speeds, start=1)
        ]


def _wiring(first: Source, layers: list[Population], *, lateral: bool) -> list[Projection]:
    below: list[Source | Population] = [first, *layers]
    made = [full(pre, post, "basal") for pre, post in zip(below, layers, strict=False)]
    made += [full(above, own, "apical") for own, above in zip(layers, layers[1:], strict=False)]
    made += [full(own, own, "lateral") for own in layers if lateral]
    made.append(Projection(TARGET, OUTPUT, "target", np.eye(layers[-1].size)))
    made.append(Projection(NUDGE, OUTPUT, "nudge", np.ones((1, layers[-1].size))))
    return made
