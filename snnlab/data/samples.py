"""Samples of one split of a dataset: images, files of recordings, and cached spikes."""

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
"""An event: column, row, polarity (True for ON), time in microseconds; for data of channels, x is the channel."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Samples:
    """Fields of all samples; subclasses add their content.

    labels   int64 (samples,), indices into `classes`
    numbers  int64 (samples,), index of each sample in its split, unchanged by `take`
    shape    of one sample, as in (28, 28), or (34, 34, 2) with channels; () if unknown before encoding
    """

    labels: NDArray[np.int64]
    numbers: NDArray[np.int64]
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    dataset: str
    split: str

    _each: ClassVar[tuple[str, ...]] = ("labels", "numbers")  # names of the arrays with an entry for each sample

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: ArrayLike | slice) -> Self:
        """A selection of samples by a slice, indices or booleans, in this order."""
        chosen = which if isinstance(which, slice) else np.asarray(which)
        return replace(self, **{name: getattr(self, name)[chosen] for name in self._each})

    def summary(self) -> dict[str, Any]:
        """The number of samples, and a digest of which they are."""
        return {"number": len(self), "which": _digest(self.numbers.tolist(), self.labels.tolist())}

    def read_only(self) -> Self:
        """The same samples, with their arrays made read-only."""
        for name in self._each:
            getattr(self, name).flags.writeable = False
        return self


@dataclass(frozen=True, eq=False, kw_only=True)
class Images(Samples):
    """Images.

    values  uint8 (samples, features), intensities
    peak    the value of full intensity
    image   rows and columns of the image, if `shape` is that of the encoding neurons; otherwise ()
    """

    values: NDArray[np.uint8]
    peak: int
    image: tuple[int, ...] = ()

    @property
    def pixels(self) -> tuple[int, ...]:
        """The shape of an image."""
        return self.image or self.shape

    _each: ClassVar[tuple[str, ...]] = (*Samples._each, "values")

    def fingerprint(self) -> str:
        """SHA-256 of the content of the images, independent of their source."""
        head = _digest(self.shape, self.peak, self.values.shape, self.numbers.tolist())
        return _digest(head, hashlib.sha256(np.ascontiguousarray(self.values).data).hexdigest())


@dataclass(frozen=True, eq=False, kw_only=True)
class Files(Samples):
    """Recordings in files: `snnlab.datasets.events` reads events, `snnlab.audio.files.read` reads sound.

    names   str (samples,), path of each file below `folder`, with / as separator; samples may share a file
    reader  name of the format, as in "nmnist-bin"
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
        """SHA-256 of the names, sizes and modification times of the files.

        Raises InputError for a missing file.
        """
        names = self.names.tolist()
        states = {}
        for name in set(names):
            path = self.folder / name
            try:
                status = path.stat()
            except OSError as error:
                raise InputError(path, error.strerror or str(error), "must be a readable file") from error
            states[name] = (status.st_size, status.st_mtime_ns)
        return _digest(self.reader, self.card, names, self.numbers.tolist(), sorted(states.items()))


@dataclass(frozen=True, eq=False, kw_only=True)
class CachedSpikes(Samples):
    """Encoded spikes: the arrays of a cache file, mapped into memory, and a selection of its rows.

    ids            unsigned (spikes,), neuron numbers by row and step
    counts         unsigned (rows, steps), spikes in each step
    starts         int64 (rows + 1,), start of each row in `ids`
    rows           int64 (samples,), the row of each sample
    dt             seconds per step
    path           the cache file
    recipe_digest  digest of the encoder's recipe, see `snnlab.data.spike_cache.recipe_digest`
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
        """Number of time steps."""
        return int(self.counts.shape[1])

    @property
    def size(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)

    def spikes(self) -> SpikeTrains:
        """The spikes of all samples."""
        parts = [self.ids[self.starts[row] : self.starts[row + 1]] for row in self.rows.tolist()]
        ids = np.concatenate(parts, dtype=np.int32) if parts else np.zeros(0, dtype=np.int32)
        return SpikeTrains(ids, offsets_of(self.counts[self.rows]), self.size, self.dt)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
