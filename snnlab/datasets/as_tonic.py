"""A dataset of recordings as a `tonic.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnlab import cards
from snnlab.audio.bsa import Bsa
from snnlab.audio.cochlea import Cochlea
from snnlab.audio.coder import Coder
from snnlab.audio.files import read
from snnlab.audio.lyon import Lyon
from snnlab.data.samples import EVENT, Files
from snnlab.datasets.loading import kind_of, load, read_events
from snnlab.errors import InputError

if TYPE_CHECKING:
    from snnlab.datasets.formats.tonic_files import Recordings

_FRAME = 0.016  # seconds per frame of the cochleagrams of TI46 in HM2-BP


def as_tonic(
    name: str | Path,
    split: str,
    *,
    folder: Path | None = None,
    ear: Cochlea | None = None,
    coder: Coder | None = None,
    **transforms: Callable[..., Any],
) -> Recordings:
    """One split of a dataset of recordings as a `tonic.Dataset` of (events, class number).

    Events have the fields x, y, p and t, with t in microseconds. Sounds become the spikes of the channels of a cochlea
    model: x is the channel, p is 1.

    ear, coder  cochlea model and spike code of sounds; default: Lyon's model with frames of 16 ms, and BSA
    transforms  tonic's: transform, target_transform, transforms

    Raises InputError for a dataset of images, and as `load` does.
    """
    from snnlab.datasets.formats.tonic_files import Recordings  # imports tonic, which takes a second

    card = cards.dataset(name)
    samples = load(name, split, folder=folder)
    if not isinstance(samples, Files):
        raise InputError(f"{card.id}: format", f"{card.format!r} has {kind_of(samples)}", "must be events or sounds")
    if kind_of(samples) == "events":
        rows, columns, polarities = samples.shape
        return Recordings(samples, read_events, (columns, rows, polarities), **transforms)
    ear, coder = ear or default_ear(name), coder or Bsa()
    size = (coder.neurons(len(ear.centres)), 1, 1)
    return Recordings(samples, lambda chosen: _encoded_sounds(chosen, ear, coder), size, **transforms)


def default_ear(name: str | Path) -> Lyon:
    """Lyon's cochlea model for the sounds of a dataset, with frames of 16 ms.

    Raises InputError for a dataset without sounds.
    """
    card = cards.dataset(name)
    if not card.rate:
        raise InputError(f"{card.id}: format", f"got {card.format!r}", "must be a format of sounds")
    return Lyon(sample_rate=card.rate, decimation=round(card.rate * _FRAME))


def _encoded_sounds(samples: Files, ear: Cochlea, coder: Coder) -> Iterator[NDArray[np.void]]:
    """The channel spikes of one sound after another, as events. Raises InputError for a corrupt sound."""
    for path in samples.paths():
        frames = ear.cochleagram(read(path, sample_rate=ear.sample_rate).values)
        spikes = coder.encode(frames, frame=ear.frame)
        _, step, channel = spikes.events()
        events = np.zeros(len(step), dtype=EVENT)
        events["x"], events["p"], events["t"] = channel, True, np.round(step * spikes.dt * 1e6)
        yield events
