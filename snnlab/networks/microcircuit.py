"""The dendritic microcircuit of Sacramento, Costa, Bengio and Senn (NeurIPS 2018, arXiv:1810.11393) as a circuit.

Layer k of pyramidal cells, ``hidden1`` to ``output``, hears the layer below with its basal dendrites. Beside each
hidden layer there are interneurons, ``inter1`` and so on, one for each cell of the layer above: they hear their own
layer with their dendrites, and the cell above, their target, with their soma. The apical dendrites hear the layer above
and the interneurons. Once these predict the layer above, what is left in the apical dendrite is what a teacher changed
up there.

Cells that are heard by their spikes are those of Gille (MSc thesis, University of Bern, 2023): then cells ``afferent``
stand between the input and the first layer, and fire at its rates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from snnlab import cards
from snnlab.cards import Cell
from snnlab.errors import InputError
from snnlab.networks.activations import ACTIVATIONS, check_activation
from snnlab.networks.circuit import Circuit, Number, Plastic, Population, Projection, Source
from snnlab.networks.populations import AFFERENT, BIAS, INPUT, NUDGE, OUTPUT, TARGET

PLASTIC = {
    "basal": "plastic_bottom_up",
    "dendrite": "plastic_to_interneuron",
    "inhibition": "plastic_from_interneuron",
    "apical": "plastic_top_down",
}
"""Receptor -> the card by which the synapses there learn."""

SPIKING = {
    "basal": "spiking_bottom_up",
    "dendrite": "spiking_to_interneuron",
    "inhibition": "spiking_from_interneuron",
    "apical": "spiking_top_down",
}
"""And where spikes arrive there."""

_HEAD = "phi(x)"
_ACTIVATIONS = ("logistic", "soft_rectifier", "softplus")  # with positive rates, each of one potential
_PUBLISHED = 0.8 / 1.9  # conductances of 0.1, 1 and 0.8


@dataclass(frozen=True)
class Microcircuit:
    """Hidden layers of pyramidal cells with their interneurons, and an output with a teacher.

    hidden              pyramidal cells of each hidden layer
    mixing              weight of the top-down input in a soma's steady-state potential, between 0 and 1: the apical
                        dendrite's for each hidden layer, the teacher's for the output; one number for all layers
    interneuron_mixing  weight of the target cell in an interneuron's steady-state potential, between 0 and 1
    leak                leak conductance of every soma, relative to that of the basal dendrite
    activation          firing rate as a function of the potential: logistic, soft_rectifier or softplus
    noise               standard deviation of the white noise in every soma, in 1/sqrt(ms)
    latent              whether cells transmit their prospective potential (latent equilibrium)
    bias                whether basal dendrites and interneurons receive a constant input of 1
    outputs             cells of the output, 0 for one per class
    spikes_per_ms       spikes per millisecond at a rate of 1, of Poisson-spiking cells that are latent; 0 for
                        continuous rates
    """

    hidden: tuple[int, ...] = (30,)
    mixing: tuple[float, ...] = (_PUBLISHED,)
    interneuron_mixing: float = _PUBLISHED
    leak: float = 0.1
    activation: str = "logistic"
    noise: float = 0.0
    latent: bool = False
    bias: bool = False
    outputs: int = 0
    spikes_per_ms: float = 0.0

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise InputError("network.hidden", f"found {self.hidden}", "needs at least one layer of at least one cell")
        if len(self.mixing) not in (1, len(self.hidden) + 1):
            right = f"needs one, or {len(self.hidden) + 1}: one for each hidden layer, and one for the output"
            raise InputError("network.mixing", f"found {len(self.mixing)} numbers", right)
        for name, parts in (("mixing", self.mixing), ("interneuron_mixing", (self.interneuron_mixing,))):
            if not all(0 < part < 1 for part in parts):
                raise InputError(f"network.{name}", f"found {parts}", "needs parts above 0 and below 1")
        check_activation("network.activation", self.activation, _ACTIVATIONS)
        if self.outputs < 0:
            raise InputError("network.outputs", f"found {self.outputs}", "needs cells, or 0 for one for each class")
        for name in ("leak", "noise", "spikes_per_ms"):
            if not 0 <= (value := getattr(self, name)) < float("inf"):
                raise InputError(f"network.{name}", f"found {value}", "needs a number, at least 0")
        if self.spikes_per_ms and not self.latent:
            right = "needs true: cells that are heard by spikes fire at where their potential is going"
            raise InputError("network.latent", "found false", right)

    @property
    def lambdas(self) -> tuple[float, ...]:
        """The mixing of each hidden layer, and of the output."""
        return self.mixing * (len(self.hidden) + 1) if len(self.mixing) == 1 else self.mixing

    def cards(self) -> tuple[Cell, ...]:
        """Of the hidden pyramidal cells, the interneurons and the output."""
        end = "_poisson" if self.spikes_per_ms else "_latent" if self.latent else ""
        phi = {_HEAD: ACTIVATIONS[self.activation].expression}
        return tuple(
            cards.cell(f"{name}{end}", phi) for name in ("pyramidal_hidden", "interneuron", "pyramidal_output")
        )

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of cells and plastic connections."""
        like = self.circuit((1,), 1, 1e-4)
        cells = {one.cell.path: one.cell.digest for one in like.populations}
        learning = (one.plasticity.card for one in like.projections if one.plasticity is not None)
        return cells | {card.path: card.digest for card in learning}

    def circuit(self, shape: tuple[int, ...], classes: int, dt: Number) -> Circuit:
        """The circuit for samples of `shape`, with weights of zero, and every one of its four families plastic."""
        pyramidal, interneuron, output = self.cards()
        common: dict[str, Number] = {"g_L": f"{self.leak!r} kHz", "sigma": f"{self.noise!r} ms**-0.5"}
        latent: dict[str, Number] = {"tau_r": dt} if self.latent else {}
        fires: dict[str, Number] = {"psi": f"{self.spikes_per_ms!r} kHz"} if self.spikes_per_ms else {}
        common |= latent | fires
        layers = [
            Population(f"hidden{k}", pyramidal, size, common | {"g_A": self._pull(part)})
            for k, (size, part) in enumerate(zip(self.hidden, self.lambdas, strict=False), start=1)
        ]
        outputs = self.outputs or classes
        layers.append(Population(OUTPUT, output, outputs, common | {"g_som": self._pull(self.lambdas[-1])}))
        pull = self._pull(self.interneuron_mixing)
        inter = [
            Population(f"inter{k}", interneuron, above.size, common | {"g_som": pull}, role="interneuron")
            for k, above in enumerate(layers[1:], start=1)
        ]
        sources = [Source(INPUT, int(np.prod(shape))), Source(TARGET, outputs, TARGET), Source(NUDGE, 1, NUDGE)]
        sources += [Source(BIAS, 1, BIAS)] if self.bias else []
        first: Source | Population = sources[0]
        if self.spikes_per_ms:
            first = Population(AFFERENT, cards.cell("poisson_input"), first.size, latent | fires, role=AFFERENT)
        wiring = self._wiring(first, layers, inter)
        if isinstance(first, Population):
            return Circuit((*sources, first, *inter, *layers), (_one_to_one(sources[0], first, "given"), *wiring), dt)
        return Circuit((*sources, *inter, *layers), tuple(wiring), dt)

    def _pull(self, part: float) -> str:
        """The conductance that has this part in a soma's potential, beside those of leak and basal dendrite."""
        return f"{part / (1 - part) * (self.leak + 1)!r} kHz"

    def _wiring(
        self, first: Source | Population, layers: list[Population], inter: list[Population]
    ) -> list[Projection]:
        heard = "U" if self.latent else "u"
        below: list[Source | Population] = [first, *layers]
        made = [self._full(pre, post, "basal") for pre, post in zip(below, layers, strict=False)]
        for own, between, above in zip(layers, inter, layers[1:], strict=False):
            made += [self._full(own, between, "dendrite"), self._full(between, own, "inhibition")]
            made.append(self._full(above, own, "apical"))
            made.append(replace(_one_to_one(above, between, "target"), variable=heard))
        teacher = Source(TARGET, layers[-1].size)
        made.append(_one_to_one(teacher, layers[-1], "target"))
        made.append(Projection(NUDGE, OUTPUT, "nudge", np.ones((1, layers[-1].size))))
        if self.bias:
            made += [self._full(Source(BIAS, 1), layer, "basal") for layer in layers]
            made += [self._full(Source(BIAS, 1), between, "dendrite") for between in inter]
        return made

    def _full(self, pre: Source | Population, post: Population, receptor: str) -> Projection:
        weights: NDArray[np.float64] = np.zeros((pre.size, post.size))
        fires = self.spikes_per_ms and isinstance(pre, Population)
        plastic = Plastic(cards.plasticity((SPIKING if fires else PLASTIC)[receptor]))
        if self.spikes_per_ms and not fires:
            # a bias, which fires no spikes, is learnt from as they are
            plastic = replace(plastic, parameters={"tau_w": "1 ms"})
        return Projection(pre.name, post.name, receptor, weights, plasticity=plastic)


def _one_to_one(pre: Source | Population, post: Population, receptor: str) -> Projection:
    if pre.size != post.size:
        found = f"{post.size} cells for {pre.size} of {pre.name!r}"
        raise InputError(f"population {post.name!r}", found, "needs one for each: they are paired")
    return Projection(pre.name, post.name, receptor, scipy.sparse.identity(pre.size, format="coo"))
