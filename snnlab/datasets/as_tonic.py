"""Any dataset of recordings as a dataset of tonic's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnlab import cards
from snnlab.data.samples import EVENT, Files
from snnlab.datasets.formats import audio
from snnlab.datasets.loading import events, load
from snnlab.errors import InputError

if TYPE_CHECKING:
    from snnlab.audio.coder import Coder
    from snnlab.audio.ear import Cochlea
    from snnlab.audio.lyon import Lyon
    from snnlab.datasets.formats.tonic_files import Recordings

_FRAME = 0.016  # seconds, as HM2-BP decimated the cochleagrams of TI46


def as_tonic(
    name: str | Path,
    split: str,
    *,
    folder: Path | None = None,
    ear: Cochlea | None = None,
    coder: Coder | None = None,
    **transforms: Callable[..., Any],
) -> Recordings:
    """One part of a dataset of recordings as a `tonic.Dataset`: its items are events and the number of the class.

    Events have the fields x, y, p and t, with t in microseconds. Those of a sound are the spikes of its channels: x is
    the channel, p is 1; they come from an `ear`, Lyon's with frames of 16 ms if left out, and a `coder`, BSA if left
    out. `transforms` are tonic's: transform, target_transform, transforms.

    Raises InputError for a dataset of images, and where `load` does.
    """
    from snnlab.datasets.formats.tonic_files import Recordings

    card = cards.dataset(name)
    samples = load(name, split, folder=folder)
    if not isinstance(samples, Files):
        raise InputError(f"{card.id}: format", f"{card.format}: images", "tonic's datasets are of events")
    if samples.reader != audio.READER:
        rows, columns, polarities = samples.shape
        return Recordings(samples, events, (columns, rows, polarities), **transforms)
    from snnlab.audio.bsa import Bsa

    ear = ear or default_ear(name)
    coder = coder or Bsa()
    size = (coder.neurons(len(ear.centres)), 1, 1)
    return Recordings(samples, lambda some: spoken(some, ear, coder), size, **transforms)


def default_ear(name: str | Path) -> Lyon:
    """Lyon's ear for the sounds of a dataset, with frames of 16 ms. Raises InputError for a dataset of no sounds."""
    # imported here as below, because most datasets are not heard and scipy.signal takes a second
    from snnlab.audio.lyon import Lyon

    card = cards.dataset(name)
    if not card.rate:
        raise InputError(f"{card.id}: format", f"found {card.format!r}", "an ear needs sounds")
    return Lyon(sample_rate=card.rate, decimation=round(card.rate * _FRAME))


def spoken(samples: Files, ear: Cochlea, coder: Coder) -> Iterator[NDArray[np.void]]:
    """The spikes of one sound after another as events of channels. Raises InputError for a sound that is spoilt."""
    from snnlab.audio.files import read

    for path in samples.paths():
        frames = ear.cochleagram(read(path, sample_rate=ear.sample_rate).values)
        spikes = coder.encode(frames, frame=ear.frame)
        _, step, channel = spikes.events()
        found = np.zeros(len(step), dtype=EVENT)
        found["x"], found["p"], found["t"] = channel, True, np.round(step * spikes.dt * 1e6)
        yield found
