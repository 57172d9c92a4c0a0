"""Images through fixed kernels into a layer of cells, whose spikes are the code: strokes by their direction."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab import cards
from snnlab.cards import Synapse
from snnlab.data.samples import CachedSpikes, Images, Samples
from snnlab.data.spike_cache import ProgressCallback, cached_spikes, no_progress
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.current import Current
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, check_quantities, images, packed
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source
from snnlab.networks.weights import Convolution

_MADE_BY = 1  # raised when the same image gives other spikes
_SOURCE, _LAYER, _RECEPTOR = "pixels", "features", "kernel"
Precision = Literal["float32", "float64"]  # the engine's

_PIXELS = """
    .#.  ...  #..  ..#    .#.  ...  .#.  ...    #.#  #..  ..#  ...
    .#.  ###  .#.  .#.    .##  ##.  ##.  .##    .#.  .#.  .#.  .#.
    .#.  ...  ..#  #..    ...  .#.  ...  .#.    ...  #..  ..#  #.#
"""
"""The kernels: four strokes, four corners, four forks. Pixels marked # excite, all others inhibit."""

_EXCITES, _INHIBITS = 2.5, -1.5


@dataclass(frozen=True)
class Features:
    """A cell for each pixel, and behind them twelve maps of cells, each behind one kernel of 3 x 3 pixels.

    (Kulkarni, Rajendran, Neural Networks 103:118, 2018, arXiv:1711.03637; the kernels are those of the authors' code.)

    A pixel of intensity x, 0 to 1, injects ``low + x * (high - low)`` into a cell of its own. Its spikes reach the
    features through weight * 2.5 where the pixel is on the kernel's stroke, and through weight * -1.5 where it is not;
    what the features fire is the code. The shape is (rows - 2, columns - 2, 12).

    steps        time steps of a sample
    dt           seconds per step, of the pixels, the features and the code alike
    cell         id of the card of all cells, or its path
    synapse      id of the card of the synapses, or its path
    compartment  where currents enter the cell
    low, high    currents of a black pixel and of one of full intensity, as text: "2.7 nA"
    weight       of the synapses, likewise: "5 nA"
    precision    of the features in the engine: "float64", which fire as in Brian2, or "float32", twice as fast
    cached       the spikes of a dataset are made once and kept in the cache; without it, images are made into spikes
                 whenever they are shown, as those must be that are distorted anew in every epoch

    Raises InputError for values that make no code, and when samples are prepared, for what is not on the cards.
    """

    steps: int = 1000
    dt: float = 1e-4
    cell: str = "lif_normad"
    synapse: str = "double_exponential_current"
    compartment: str = "soma"
    low: str = "2.7 nA"
    high: str = "28.506 nA"
    weight: str = "5 nA"
    precision: Precision = "float64"
    cached: bool = True

    def __post_init__(self) -> None:
        check_grid("Features", self.steps, self.dt)
        check_quantities(self, "low", "high", "weight")

        if self.precision not in get_args(Precision):
            found = f"found {self.precision!r}"
            raise InputError("Features.precision", found, one_of(str(self.precision), get_args(Precision)))

    @property
    def recipe(self) -> dict[str, Any]:
        """All that spikes depend on beside the images."""
        digests = [cards.cell(self.cell).digest, cards.synapse(self.synapse).digest]
        return {"Features": asdict(self), "cards": digests, "made_by": _MADE_BY}

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images | CachedSpikes:
        """The images as spikes, from the cache or into it, or as they are where none are kept.

        Raises InputError for what is no image of 3 x 3 pixels or more, and for what is not on the cards.
        """
        if isinstance(samples, CachedSpikes) and self.cached:
            return self._packed(samples)
        batch = images(samples)
        shape = self._shape(batch)
        try:
            self._pixels.prepare(batch)
        except InputError as refusal:
            raise InputError(refusal.field.replace("Current", "Features"), refusal.problem, refusal.hint) from refusal
        self.circuit(batch.pixels)
        ready = replace(batch, image=batch.pixels, shape=shape)
        if not self.cached:
            return ready
        named, grid = replace(ready, dataset=f"{batch.dataset}-features"), Grid(self.steps, self.dt, shape)
        return cached_spikes(named, self._spikes, grid, self.recipe, threads=threads, progress=progress)

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of images that were prepared; nothing about them is random. Raises InputError for others."""
        check_draw(seed, epoch, stream, threads)
        if self.cached:
            return self._packed(samples).spikes()
        batch = images(samples)
        self._shape(batch)
        return self._spikes(batch, threads)

    def circuit(self, image: tuple[int, ...]) -> Circuit:
        """The features behind an image of pixels (rows, columns). Raises InputError for what is not on the cards."""
        return _wired(self, (image[0], image[1]), cards.cell(self.cell).digest, self._synapse().digest)

    def _synapse(self) -> Synapse:
        try:
            return cards.synapse(self.synapse)
        except InputError as refusal:
            raise InputError("Features.synapse", f"{refusal.field}: {refusal.problem}", refusal.hint) from refusal

    @property
    def _pixels(self) -> Current:
        return Current(self.steps, self.dt, self.cell, self.compartment, self.low, self.high)

    def _shape(self, batch: Images) -> tuple[int, int, int]:
        """Rows, columns and kernels of the features of an image."""
        image, (rows, columns, many) = batch.pixels, kernels().shape
        if len(image) != 2 or image[0] < rows or image[1] < columns:
            right = f"this one needs images of {rows} x {columns} pixels or more, in shades of grey"
            raise InputError("encode: samples", f"{batch.dataset} has samples of shape {image}", right)
        return image[0] - rows + 1, image[1] - columns + 1, many

    def _packed(self, samples: Samples) -> CachedSpikes:
        return packed(samples, self.steps, self.dt, self.recipe)

    def _spikes(self, batch: Images, threads: int = 1) -> SpikeTrains:
        from snnlab import engine

        circuit = self.circuit(batch.pixels)
        if not len(batch):
            return SpikeTrains.from_dense(np.zeros((0, self.steps, circuit[_LAYER].size)), self.dt)
        heard = {_SOURCE: self._pixels.encode(batch, seed=0, threads=threads)}
        return engine.run(circuit, heard, precision=self.precision, threads=threads)[_LAYER].spikes


@cache
def _wired(code: Features, image: tuple[int, int], *digests: str) -> Circuit:
    """The circuit of cards with these digests; the same object each time, for which compiled code is kept."""
    from snnlab.brian.quantities import to_si  # with Brian2 at hand, which the other encoders need not wait for

    cell, synapse = cards.cell(code.cell), cards.synapse(code.synapse)
    if code.compartment not in cell.compartments:
        found = f"no compartment {code.compartment!r} on {cell.path}"
        raise InputError("Features.compartment", found, one_of(code.compartment, cell.compartments))
    weight = to_si(code.weight, cell.compartments[code.compartment].unit, "Features.weight")
    wired = Convolution(weight * kernels()[:, :, None], image)
    receptors = {_RECEPTOR: Receptor(synapse, code.compartment)}
    features = Population(_LAYER, cell, wired.shape[1], receptors=receptors)
    source = Source(_SOURCE, wired.shape[0])
    return Circuit((source, features), (Projection(_SOURCE, _LAYER, _RECEPTOR, wired),), code.dt)


@cache
def kernels() -> NDArray[np.float64]:
    """The published kernels (rows, columns, kernels)."""
    rows = [line.split() for line in _PIXELS.split("\n") if line.strip()]
    excites = np.array([[[mark == "#" for mark in cells] for cells in row] for row in rows])
    return np.where(excites.transpose(0, 2, 1), _EXCITES, _INHIBITS)
