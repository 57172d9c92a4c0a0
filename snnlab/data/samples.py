"""Samples of one part of a dataset, as values: images, recordings that are still files, and packed spikes."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.data.spikes import SpikeTrains, offsets_of
from snnlab.errors import InputError

EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("p", np.bool_), ("t", np.int64)], align=True)
"""One event of a sensor: column, row, polarity (True for ON), microseconds. Of a channel: x alone says which."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """What all samples have; the kinds below say what a sample is made of.

    labels   int64 (samples,), numbers into `classes`
    numbers  int64 (samples,): where each sample stands in its part of the dataset, whatever was taken of it since
    shape    of one sample, as in (28, 28), or (34, 34, 2) with channels; () where it is not known before encoding
    """

    labels: NDArray[np.int64]
    numbers: NDArray[np.int64]
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    dataset: str
    split: str

    _each: ClassVar[tuple[str, ...]] = ("labels", "numbers")  # the arrays with an entry for each sample

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: ArrayLike | slice) -> Self:
        """Some of the samples, in the order given: a slice, numbers, or booleans. Each keeps its place in `numbers`."""
        chosen = which if isinstance(which, slice) else np.asarray(which)
        return replace(self, **{name: getattr(self, name)[chosen] for name in self._each})

    def summary(self) -> dict[str, Any]:
        """How many samples these are, and a digest of which ones: recordings come and go."""
        return {"number": len(self), "which": _digest(self.numbers.tolist(), self.labels.tolist())}

    def read_only(self) -> Self:
        """The same samples; their arrays can be changed no more."""
        for name in self._each:
            getattr(self, name).flags.writeable = False
        return self


@dataclass(frozen=True, eq=False, kw_only=True)
class Images(Samples):
    """Intensities.

    values  uint8 (samples, features)
    peak    the value of full intensity
    image   rows and columns of the values, where `shape` is that of the neurons that will stand for them; () where it
            is the same
    """

    values: NDArray[np.uint8]
    peak: int
    image: tuple[int, ...] = ()

    @property
    def pixels(self) -> tuple[int, ...]:
        """The shape of the values of a sample."""
        return self.image or self.shape

    _each: ClassVar[tuple[str, ...]] = (*Samples._each, "values")

    def fingerprint(self) -> str:
        """SHA-256 of all that the images show: the same for the same images, wherever they come from."""
        head = _digest(self.shape, self.peak, self.values.shape, self.numbers.tolist())
        return _digest(head, hashlib.sha256(np.ascontiguousarray(self.values).data).hexdigest())


@dataclass(frozen=True, eq=False, kw_only=True)
class Files(Samples):
    """Recordings, not read yet: `snnlab.datasets.events` reads those of events, `snnlab.audio.files.read` sounds.

    names   str (samples,): the file of each, below `folder`, with / between the parts; several may share one
    reader  the format's name, as in "nmnist-bin"
    card    digest of the dataset's card
    """

    names: NDArray[np.str_]
    folder: Path
    reader: str
    card: str

    _each: ClassVar[tuple[str, ...]] = (*Samples._each, "names")

    def paths(self) -> list[Path]:
        """The file of each sample."""
        return [self.folder / name for name in self.names.tolist()]

    def fingerprint(self) -> str:
        """SHA-256 of names, sizes and times of the files: another one as soon as a file is written to.

        Raises InputError for a file that is not there.
        """
        names = self.names.tolist()
        found = {}
        for name in set(names):
            path = self.folder / name
            try:
                seen = path.stat()
            except OSError as error:
                raise InputError(path, error.strerror or str(error), "needs a readable file") from error
            found[name] = (seen.st_size, seen.st_mtime_ns)
        return _digest(self.reader, self.card, names, self.numbers.tolist(), sorted(found.items()))


@dataclass(frozen=True, eq=False, kw_only=True)
class CachedSpikes(Samples):
    """Spikes, ready to be taken: arrays of a whole cache file, mapped into memory, and the rows that are meant.

    ids        unsigned (spikes,)     neuron numbers, sample after sample, step after step
    counts     unsigned (rows, steps) spikes in each step
    starts     int64 (rows + 1,)      where each row begins in `ids`
    rows       int64 (samples,)       the row of each sample
    dt         seconds per step
    path       the file that they are in
    recipe_digest  digest of the recipe that they were made by, see `snnlab.data.spike_cache.recipe_digest`
    """

    ids: NDArray[np.unsignedinteger[Any]]
    counts: NDArray[np.unsignedinteger[Any]]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    dt: float
    path: Path
    recipe_digest: str

    _each: ClassVar[tuple[str, ...]] = (*Samples._each, "rows")

    @property
    def steps(self) -> int:
        return int(self.counts.shape[1])

    @property
    def size(self) -> int:
        """Neurons that a sample's spikes are of."""
        return math.prod(self.shape)

    def spikes(self) -> SpikeTrains:
        """The spikes of all these samples."""
        parts = [self.ids[self.starts[row] : self.starts[row + 1]] for row in self.rows.tolist()]
        ids = np.concatenate(parts, dtype=np.int32) if parts else np.zeros(0, dtype=np.int32)
        return SpikeTrains(ids, offsets_of(self.counts[self.rows]), self.size, self.dt)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
