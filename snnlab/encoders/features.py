"""Images through fixed kernels into a layer of cells, whose spikes are the code: strokes by their orientation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab import cards
from snnlab.cards import Card, Synapse
from snnlab.data.fields import option
from snnlab.data.samples import CachedSpikes, Images, Samples
from snnlab.data.spike_cache import ProgressCallback, cached_spikes, no_progress
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.current import Current
from snnlab.encoders.encoder import TRAIN, CachedEncoder, check_grid, check_images, check_quantities, check_random
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source
from snnlab.networks.weights import Convolution

_SOURCE, _LAYER, _RECEPTOR = "pixels", "features", "kernel"
Precision = Literal["float32", "float64"]

_KERNELS = """
    .#.  ...  #..  ..#    .#.  ...  .#.  ...    #.#  #..  ..#  ...
    .#.  ###  .#.  .#.    .##  ##.  ##.  .##    .#.  .#.  .#.  .#.
    .#.  ...  ..#  #..    ...  .#.  ...  .#.    ...  #..  ..#  #.#
"""
"""Four strokes, four corners, four forks. Pixels marked # excite, all others inhibit."""

_EXCITATORY, _INHIBITORY = 2.5, -1.5


@dataclass(frozen=True)
class Features(CachedEncoder):
    """A cell per pixel, followed by twelve feature maps of cells, one per kernel of 3 x 3 pixels.

    (Kulkarni, Rajendran, Neural Networks 103:118, 2018, arXiv:1711.03637; the kernels are those of the authors' code.)

    A pixel of intensity x, 0 to 1, injects ``low + x * (high - low)`` into its cell. Its spikes reach the features with
    weight * 2.5 on the kernel's stroke, and with weight * -1.5 elsewhere; the spikes of the features are the code. The
    shape is (rows - 2, columns - 2, 12).

    Raises InputError for values out of range, and in `prepare` for names that are not on the cards.
    """

    name = "features"

    steps: int = option(1000, "time steps of a sample")
    dt: float = option(1e-4, "seconds per step of the pixels, the features and the code")
    cell: str = option("lif_normad", "id or path of the card of all cells")
    synapse: str = option("double_exponential_current", "id or path of the card of the synapses")
    compartment: str = option("soma", "compartment of the cell that receives currents")
    low: str = option("2.7 nA", "current of a black pixel, as text")
    high: str = option("28.506 nA", "current of a pixel of full intensity, as text")
    weight: str = option("5 nA", "weight of the synapses, as text")
    precision: Precision = option(
        "float64",
        'precision of the engine: "float64", with the same spikes as Brian2, or "float32", twice as fast',
    )
    cached: bool = option(
        True,
        "whether to encode a dataset once and cache its spikes. Otherwise images are encoded whenever they are "
        "shown, as augmentation requires",
    )

    def __post_init__(self) -> None:
        check_grid("Features", self.steps, self.dt)
        check_quantities(self, "low", "high", "weight")
        if self.precision not in get_args(Precision):
            hint = one_of(str(self.precision), get_args(Precision))
            raise InputError("Features.precision", f"got {self.precision!r}", hint)

    def cards(self) -> tuple[Card, ...]:
        return (cards.cell(self.cell), self._synapse())

    @property
    def recipe(self) -> dict[str, Any]:
        return super().recipe | {"cards": [card.digest for card in self.cards()]}

    @property
    def _timing(self) -> tuple[int, float]:
        return self.steps, self.dt

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Samples:
        """The images as spikes, from the cache or written to it; as they are if not cached.

        Raises InputError for other samples than images of 3 x 3 pixels or more, and for unknown names of cards.
        """
        if isinstance(samples, CachedSpikes) and self.cached:
            return self.check_cached(samples)
        return self._cache(samples, progress)

    def encode(self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN) -> SpikeTrains:
        """The spikes of prepared images, which are the same in every epoch. Raises InputError for other samples."""
        check_random(seed, epoch, stream)
        if self.cached:
            return super().encode(samples, seed=seed)
        images = check_images(samples)
        self._shape(images)
        return self._spikes(images)

    def circuit(self, image: tuple[int, ...]) -> Circuit:
        """The features of an image of (rows, columns). Raises InputError for names that are not on the cards."""
        return _circuit(self, (image[0], image[1]), cards.cell(self.cell).digest, self._synapse().digest)

    def _cache(self, samples: Samples, progress: ProgressCallback) -> Samples:
        images = check_images(samples)
        shape = self._shape(images)
        try:
            self._pixels.prepare(images)
        except InputError as error:
            raise InputError(error.field.replace("Current", "Features"), error.problem, error.hint) from error
        self.circuit(images.pixels)
        images = replace(images, image=images.pixels, shape=shape)
        if not self.cached:
            return images
        images = replace(images, dataset=f"{images.dataset}-{self.name}")
        return cached_spikes(images, self._spikes, Grid(self.steps, self.dt, shape), self.recipe, progress=progress)

    def _synapse(self) -> Synapse:
        try:
            return cards.synapse(self.synapse)
        except InputError as error:
            raise InputError("Features.synapse", f"{error.field}: {error.problem}", error.hint) from error

    @property
    def _pixels(self) -> Current:
        return Current(self.steps, self.dt, self.cell, self.compartment, self.low, self.high)

    def _shape(self, images: Images) -> tuple[int, int, int]:
        """Rows, columns and kernels of the features of an image."""
        image, (rows, columns, count) = images.pixels, kernels().shape
        if len(image) != 2 or image[0] < rows or image[1] < columns:
            hint = f"must be images of at least {rows} x {columns} pixels without colours"
            raise InputError("encode: samples", f"{images.dataset} has samples of shape {image}", hint)
        return image[0] - rows + 1, image[1] - columns + 1, count

    def _spikes(self, images: Images) -> SpikeTrains:
        from snnlab import engine

        circuit = self.circuit(images.pixels)
        if not len(images):
            return SpikeTrains.from_dense(np.zeros((0, self.steps, circuit[_LAYER].size)), self.dt)
        inputs = {_SOURCE: self._pixels.table(images.peak).spikes(images, steps=self.steps, dt=self.dt)}
        return engine.run(circuit, inputs, precision=self.precision)[_LAYER].spikes


@cache
def _circuit(code: Features, image: tuple[int, int], *digests: str) -> Circuit:
    """The circuit of cards with these digests; always the same object, for which compiled code is cached."""
    from snnlab.brian.quantities import to_si  # imports Brian2, which other encoders do not need

    cell, synapse = cards.cell(code.cell), cards.synapse(code.synapse)
    if code.compartment not in cell.compartments:
        problem = f"no compartment {code.compartment!r} on {cell.path}"
        raise InputError("Features.compartment", problem, one_of(code.compartment, cell.compartments))
    weight = to_si(code.weight, cell.compartments[code.compartment].unit, "Features.weight")
    convolution = Convolution(weight * kernels()[:, :, None], image)
    receptors = {_RECEPTOR: Receptor(synapse, code.compartment)}
    features = Population(_LAYER, cell, convolution.shape[1], receptors=receptors)
    source = Source(_SOURCE, convolution.shape[0])
    return Circuit((source, features), (Projection(_SOURCE, _LAYER, _RECEPTOR, convolution),), code.dt)


@cache
def kernels() -> NDArray[np.float64]:
    """The published kernels (rows, columns, kernels)."""
    rows = [line.split() for line in _KERNELS.split("\n") if line.strip()]
    is_excitatory = np.array([[[mark == "#" for mark in cells] for cells in row] for row in rows])
    return np.where(is_excitatory.transpose(0, 2, 1), _EXCITATORY, _INHIBITORY)
