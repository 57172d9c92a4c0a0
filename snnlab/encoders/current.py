"""Images as currents into a layer of cells, whose spikes are the code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from snnlab import cards
from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, check_quantities, images
from snnlab.encoders.trains import Table
from snnlab.errors import InputError, one_of


@dataclass(frozen=True)
class Current:
    """An encoding layer (as in Kulkarni and Rajendran, Neural Networks 103:118, 2018): a cell for each pixel.

    A pixel of intensity x, 0 to 1, injects the constant current ``low + x * (high - low)`` into a cell of its own that
    begins every sample as its card says; when that cell fires is what the network hears.

    steps        time steps of a sample
    dt           seconds per step. The cell keeps its card's clock where that is finer, or the next that divides dt
    cell         id of the cell's card, or its path
    compartment  where the current enters
    low, high    currents of a black pixel and of one of full intensity, as text in the compartment's unit: "2.7 nA".
                 `low` may be the larger, and then the dark fire most. The defaults are the rheobase of that cell, so
                 that black is silent, and what makes it fire about as often as the brightest pixel of Poisson

    All pixels of one value fire alike, so a cell for each value is simulated, in Brian2, once in a process. Several
    spikes of a cell in one step are one.

    Raises InputError for values that make no code, and when samples are prepared, for what is not on the card.
    """

    steps: int = 400
    dt: float = 1e-3
    cell: str = "lif_exp"
    compartment: str = "soma"
    low: str = "2.5"
    high: str = "60"

    def __post_init__(self) -> None:
        check_grid("Current", self.steps, self.dt)
        check_quantities(self, "low", "high")

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images:
        """The images as they are, the cells simulated. Raises InputError for what is no image, and for no such cell."""
        batch = images(samples)
        self.trains(batch.peak)
        return batch

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of a batch of images; nothing about them is random. Raises InputError for anything else."""
        batch = images(samples)
        check_draw(seed, epoch, stream, threads)
        return self.trains(batch.peak).spikes(batch, steps=self.steps, dt=self.dt, threads=threads)

    def trains(self, peak: int) -> Table:
        """The train of each value, 0 to the peak. Raises InputError for what is not on the card."""
        try:
            card = cards.cell(self.cell)
        except InputError as refusal:
            raise InputError("Current.cell", f"{refusal.field}: {refusal.problem}", refusal.hint) from refusal
        return _simulated(self, peak, card.digest)


@cache
def _simulated(layer: Current, peak: int, digest: str) -> Table:
    """The trains that the card with this digest gives."""
    # with Brian2 at hand, which the other encoders need not wait for
    from snnlab.brian import simulate
    from snnlab.brian.quantities import to_seconds, to_si
    from snnlab.networks.circuit import unconnected

    card = cards.cell(layer.cell)
    if not card.threshold:
        raise InputError("Current.cell", f"{card.path} has no threshold", "needs a cell that fires")
    if layer.compartment not in card.compartments:
        found = f"no compartment {layer.compartment!r} on {card.path}"
        raise InputError("Current.compartment", found, one_of(layer.compartment, card.compartments))
    unit = card.compartments[layer.compartment].unit
    low, high = (to_si(value, unit, f"Current.{name}") for name, value in (("low", layer.low), ("high", layer.high)))
    finer = math.ceil(layer.dt / to_seconds(card.dt, f"{card.path}: dt") * (1 - 1e-9))
    steps = layer.steps * finer
    currents = np.broadcast_to(low + (high - low) * np.arange(peak + 1) / peak, (steps, peak + 1))
    dt = layer.dt / finer
    recording = simulate(unconnected(card, size=peak + 1, dt=dt), {f"cell.{layer.compartment}": currents}, steps * dt)
    _, step, cell = recording.spikes["cell"].events()
    none = np.zeros_like(step)
    spikes = SpikeTrains.from_events(
        none, step // finer, cell, samples=1, steps=layer.steps, size=peak + 1, dt=layer.dt
    )
    return Table.of_neurons(spikes)
