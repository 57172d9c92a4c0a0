"""Dendritic microcircuit of Sacramento, Costa, Bengio and Senn (NeurIPS 2018, arXiv:1810.11393).

Pyramidal cells of layer k, ``hidden1`` to ``output``, receive the layer below at their basal dendrites. Each hidden
layer has interneurons, ``inter1`` and so on, one for each cell of the layer above. They receive their own layer at
their dendrites, and the cell above, their target, at their soma. Apical dendrites receive the layer above and the
interneurons. When the interneurons predict the layer above, the apical potential is the part of it that a target
changed: the error of the layer.

With Poisson-spiking cells (Gille, MSc thesis, University of Bern, 2023), a population ``afferent`` between the input
and the first layer spikes at the rates of the input.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snnlab import cards
from snnlab.cards import Cell
from snnlab.data.fields import option
from snnlab.errors import InputError
from snnlab.networks.activations import ACTIVATIONS, check_activation
from snnlab.networks.building import (
    PHI,
    all_to_all,
    card_digests,
    check_outputs,
    check_per_layer,
    check_sizes,
    nudging,
    one_to_one,
    per_layer,
)
from snnlab.networks.circuit import Circuit, Number, Plastic, Population, Projection, Source
from snnlab.networks.populations import AFFERENT, BIAS, INPUT, NUDGE, OUTPUT, TARGET

_PLASTICITY = {
    "basal": "bottom_up",
    "dendrite": "to_interneuron",
    "inhibition": "from_interneuron",
    "apical": "top_down",
}  # receptor -> end of the card's id
_ACTIVATIONS = ("logistic", "soft_rectifier", "softplus")  # with positive rates and an inverse
_PUBLISHED = 0.8 / 1.9  # conductances of 0.1, 1 and 0.8


@dataclass(frozen=True)
class Microcircuit:
    """Hidden layers of pyramidal cells with interneurons, and an output layer with a target.

    Raises InputError for invalid options.
    """

    hidden: tuple[int, ...] = option((30,), "pyramidal cells of each hidden layer")
    mixing: tuple[float, ...] = option(
        (_PUBLISHED,),
        "weight of the top-down input in a soma's steady-state potential, between 0 and 1: the apical dendrite's for "
        "each hidden layer, the teacher's for the output; one number for all layers",
    )
    interneuron_mixing: float = option(
        _PUBLISHED, "weight of the target cell in an interneuron's steady-state potential, between 0 and 1"
    )
    leak: float = option(0.1, "leak conductance of every soma, relative to that of the basal dendrite")
    activation: str = option(
        "logistic", "firing rate as a function of the potential: logistic, soft_rectifier or softplus"
    )
    noise: float = option(0.0, "standard deviation of the white noise in every soma, in 1/sqrt(ms)")
    latent: bool = option(False, "whether cells transmit their prospective potential (latent equilibrium)")
    bias: bool = option(False, "whether basal dendrites and interneurons receive a constant input of 1")
    outputs: int = option(0, "cells of the output, 0 for one per class")
    spikes_per_ms: float = option(
        0.0, "spikes per millisecond at a rate of 1, of Poisson-spiking cells that are latent; 0 for continuous rates"
    )

    def __post_init__(self) -> None:
        check_sizes("hidden", self.hidden)
        check_per_layer("mixing", self.mixing, len(self.hidden) + 1)
        for name, values in (("mixing", self.mixing), ("interneuron_mixing", (self.interneuron_mixing,))):
            if not all(0 < value < 1 for value in values):
                raise InputError(f"network.{name}", f"got {values}", "must be between 0 and 1, exclusive")
        check_activation("network.activation", self.activation, _ACTIVATIONS)
        check_outputs(self.outputs)
        for name in ("leak", "noise", "spikes_per_ms"):
            if not 0 <= (value := getattr(self, name)) < float("inf"):
                raise InputError(f"network.{name}", f"got {value}", "must be a finite number of at least 0")
        if self.spikes_per_ms and not self.latent:
            raise InputError("network.latent", "got false", "must be true if spikes_per_ms is above 0")

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of cells and plasticity."""
        return card_digests(self.circuit((1,), 1, 1e-4))

    def circuit(self, shape: tuple[int, ...], classes: int, dt: Number) -> Circuit:
        """The circuit for samples of `shape`, with weights of zero, which are plastic."""
        pyramidal, interneuron, output = self._cells()
        latent: dict[str, Number] = {"tau_r": dt} if self.latent else {}
        spiking: dict[str, Number] = {"psi": f"{self.spikes_per_ms!r} kHz"} if self.spikes_per_ms else {}
        common: dict[str, Number] = {"g_L": f"{self.leak!r} kHz", "sigma": f"{self.noise!r} ms**-0.5"}
        common |= latent | spiking
        mixing = per_layer(self.mixing, len(self.hidden) + 1)
        layers = [
            Population(f"hidden{k}", pyramidal, size, common | {"g_A": self._conductance(share)})
            for k, (size, share) in enumerate(zip(self.hidden, mixing, strict=False), start=1)
        ]
        outputs = self.outputs or classes
        layers.append(Population(OUTPUT, output, outputs, common | {"g_som": self._conductance(mixing[-1])}))
        parameters = common | {"g_som": self._conductance(self.interneuron_mixing)}
        interneurons = [
            Population(f"inter{k}", interneuron, above.size, parameters, role="interneuron")
            for k, above in enumerate(layers[1:], start=1)
        ]
        sources = [Source(INPUT, int(np.prod(shape))), Source(TARGET, outputs, TARGET), Source(NUDGE, 1, NUDGE)]
        sources += [Source(BIAS, 1, BIAS)] if self.bias else []
        afferents = []
        first: list[Projection] = []
        if self.spikes_per_ms:
            card = cards.cell("poisson_input")
            afferents.append(Population(AFFERENT, card, sources[0].size, latent | spiking, role="afferent"))
            first.append(one_to_one(sources[0], afferents[0], "given"))
        projections = self._projections([*sources, *afferents], layers, interneurons)
        return Circuit((*sources, *afferents, *interneurons, *layers), (*first, *projections), dt)

    def _cells(self) -> tuple[Cell, ...]:
        """Cards of the hidden layers, the interneurons and the output."""
        end = "_poisson" if self.spikes_per_ms else "_latent" if self.latent else ""
        phi = {PHI: ACTIVATIONS[self.activation].expression}
        return tuple(
            cards.cell(f"{name}{end}", phi) for name in ("pyramidal_hidden", "interneuron", "pyramidal_output")
        )

    def _conductance(self, share: float) -> str:
        """The conductance with this share in a soma's potential, next to the leak and the basal dendrite."""
        return f"{share / (1 - share) * (self.leak + 1)!r} kHz"

    def _projections(
        self, inputs: list[Source | Population], layers: list[Population], interneurons: list[Population]
    ) -> list[Projection]:
        potential = "U" if self.latent else "u"
        named = {node.name: node for node in inputs}
        below: list[Source | Population] = [named.get(AFFERENT, named[INPUT]), *layers]
        projections = [self._plastic(pre, post, "basal") for pre, post in zip(below, layers, strict=False)]
        for layer, interneuron, above in zip(layers, interneurons, layers[1:], strict=False):
            projections += [
                self._plastic(layer, interneuron, "dendrite"),
                self._plastic(interneuron, layer, "inhibition"),
                self._plastic(above, layer, "apical"),
                one_to_one(above, interneuron, "target", potential),
            ]
        projections += [one_to_one(named[TARGET], layers[-1], "target"), nudging(layers[-1])]
        if self.bias:
            projections += [self._plastic(named[BIAS], layer, "basal") for layer in layers]
            projections += [self._plastic(named[BIAS], interneuron, "dendrite") for interneuron in interneurons]
        return projections

    def _plastic(self, pre: Source | Population, post: Population, receptor: str) -> Projection:
        spiking = self.spikes_per_ms and isinstance(pre, Population)
        plastic = Plastic(cards.plasticity(f"{'spiking' if spiking else 'plastic'}_{_PLASTICITY[receptor]}"))
        if self.spikes_per_ms and not spiking:
            # a bias is continuous: smooth its updates as those by spikes
            plastic = replace(plastic, parameters={"tau_w": "1 ms"})
        return all_to_all(pre, post, receptor, plasticity=plastic)
