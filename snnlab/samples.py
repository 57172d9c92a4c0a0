"""Samples of one part of a dataset, as values: images, recordings that are still files, and packed spikes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


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

    def frozen(self) -> Self:
        """The same samples; their arrays can be changed no more."""
        for name in self._each:
            getattr(self, name).flags.writeable = False
        return self


@dataclass(frozen=True, eq=False, kw_only=True)
class Images(Samples):
    """Intensities.

    values  uint8 (samples, features)
    peak    the value of full intensity
    """

    values: NDArray[np.uint8]
    peak: int

    _each: ClassVar[tuple[str, ...]] = (*Samples._each, "values")


@dataclass(frozen=True, eq=False, kw_only=True)
class Files(Samples):
    """Original recordings, one file each, not read yet.

    names   str (samples,): the files, below `folder`, with / between the parts
    reader  the format's name, as in "nmnist-bin"; see `snnlab.loaders`
    """

    names: NDArray[np.str_]
    folder: Path
    reader: str

    _each: ClassVar[tuple[str, ...]] = (*Samples._each, "names")

    def paths(self) -> list[Path]:
        """The file of each sample."""
        return [self.folder / name for name in self.names.tolist()]
