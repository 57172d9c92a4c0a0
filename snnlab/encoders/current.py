"""Images as constant currents into a layer of cells, whose spikes are the code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from snnlab import cards
from snnlab.cards import Card, Cell
from snnlab.data.fields import option
from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import ImageEncoder, check_grid, check_images, check_quantities
from snnlab.encoders.spike_table import SpikeTable
from snnlab.errors import InputError, one_of


@dataclass(frozen=True)
class Current(ImageEncoder):
    """An encoding layer (as in Kulkarni and Rajendran, Neural Networks 103:118, 2018): a cell per pixel.

    A pixel of intensity x, 0 to 1, injects the constant current ``low + x * (high - low)`` into its cell, which starts
    every sample in the initial state of its card. The spikes of the cells are the input of the network.

    Pixels of the same value fire alike, so one cell per value is simulated in Brian2, once per process. Several spikes
    of a cell in one step count as one.

    Raises InputError for values out of range, and in `prepare` for names that are not on the card.
    """

    name = "current"

    steps: int = option(400, "time steps of a sample")
    dt: float = option(
        1e-3,
        "seconds per step. The cell uses the dt of its card if that is smaller, or the next that divides `dt`",
    )
    cell: str = option("lif_exp", "id or path of the cell's card")
    compartment: str = option("soma", "compartment that receives the current")
    low: str = option(
        "2.5",
        'current of a black pixel, as text: "2.7 nA"; without a unit, in the compartment\'s unit. It may be larger '
        "than `high`. The default is the rheobase of the cell, so that black is silent",
    )
    high: str = option(
        "60",
        "current of a pixel of full intensity, as text. At the default, it fires about as often as in Poisson",
    )

    def __post_init__(self) -> None:
        check_grid("Current", self.steps, self.dt)
        check_quantities(self, "low", "high")

    def cards(self) -> tuple[Card, ...]:
        return (self._card(),)

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Images:
        """The images as they are; simulates the cells. Raises InputError for other samples, and for an invalid cell."""
        images = check_images(samples)
        self.table(images.peak)
        return images

    def table(self, peak: int) -> SpikeTable:
        """The spike train of each value, 0 to the peak. Raises InputError for an invalid cell or compartment."""
        return _simulated(self, peak, self._card().digest)

    def _card(self) -> Cell:
        try:
            return cards.cell(self.cell)
        except InputError as error:
            raise InputError("Current.cell", f"{error.field}: {error.problem}", error.hint) from error

    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> SpikeTrains:
        return self.table(images.peak).spikes(images, steps=self.steps, dt=self.dt)


@cache
def _simulated(layer: Current, peak: int, digest: str) -> SpikeTable:
    """The spike trains of the cell whose card has this digest."""
    from snnlab.brian import simulate  # imports Brian2, which other encoders do not need
    from snnlab.brian.quantities import to_seconds, to_si
    from snnlab.networks.circuit import unconnected

    card = cards.cell(layer.cell)
    if not card.threshold:
        raise InputError("Current.cell", f"{card.path} has no threshold", "must be a cell that fires")
    if layer.compartment not in card.compartments:
        problem = f"no compartment {layer.compartment!r} on {card.path}"
        raise InputError("Current.compartment", problem, one_of(layer.compartment, card.compartments))
    unit = card.compartments[layer.compartment].unit
    low, high = (to_si(value, unit, f"Current.{name}") for name, value in (("low", layer.low), ("high", layer.high)))
    substeps = math.ceil(layer.dt / to_seconds(card.dt, f"{card.path}: dt") * (1 - 1e-9))
    steps, dt = layer.steps * substeps, layer.dt / substeps
    currents = np.broadcast_to(low + (high - low) * np.arange(peak + 1) / peak, (steps, peak + 1))
    circuit = unconnected(card, size=peak + 1, dt=dt)
    recording = simulate(circuit, {f"cell.{layer.compartment}": currents}, steps * dt)
    _, step, cell = recording.spikes["cell"].events()
    spikes = SpikeTrains.from_events(
        np.zeros_like(step), step // substeps, cell, samples=1, steps=layer.steps, size=peak + 1, dt=layer.dt
    )
    return SpikeTable.from_neurons(spikes)
