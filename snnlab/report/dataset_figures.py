"""Which pictures are drawn of the samples of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snnlab import datasets, plots
from snnlab.audio.bsa import Bsa
from snnlab.audio.files import read
from snnlab.data.samples import Files, Images
from snnlab.datasets import default_ear
from snnlab.errors import InputError

_IMAGES = 40
_FRAMES = 6


def plot_samples(name: str | Path, split: str, path: Path, *, sample: int = 0, folder: Path | None = None) -> Path:
    """A picture of what a dataset holds, beginning with one of its samples.

    Of images, forty of them; of a camera's recording, frames over time and all its events; of an ear's, its events; of
    a sound, the wave, what Lyon's ear hears of it, and the spikes that BSA makes of that.

    Raises InputError for a sample that does not exist, for data that is missing or spoilt, and where the picture cannot
    be written.
    """
    plots.check_path(path)
    samples = datasets.load(name, split, folder=folder)
    if not 0 <= sample < len(samples):
        raise InputError("--sample", f"found {sample}", f"this part has 0 to {len(samples) - 1}")
    if isinstance(samples, Images):
        return plots.save(_images(samples, sample), path)
    if not isinstance(samples, Files):
        raise InputError(str(name), f"{type(samples).__name__}", "needs images or recordings")
    one = samples.take([sample])
    return plots.save(_sound(name, one) if datasets.kind_of(samples) == "sounds" else _events(one), path)


def _title(samples: Files, number: int, what: str) -> str:
    file, label = str(samples.names[0]), samples.classes[int(samples.labels[0])]
    many = f"{number:,} {what}{'' if number == 1 else 's'}"
    return f"{samples.dataset}, {samples.split} part, number {samples.numbers[0]} ({file}): label {label}; {many}"


def _images(samples: Images, first: int) -> Any:
    shown = samples.take(slice(first, first + _IMAGES))
    lines = -(-len(shown) // 10)
    height, width = (1, *samples.shape)[-2:]  # numbers in a row are an image of one line
    # many numbers in a row would be too low to be seen
    drawn = shown.values.reshape(-1, height, width).repeat(max(1, width // 4) if height == 1 else 1, axis=1)
    line = 0.2 + 0.8 * min(1.0, drawn.shape[1] / width)  # of the height that a square image and its label take
    figure, axes = plots.figure(size=(8, 0.7 + 1.05 * max(1.0, lines * line)))
    with plots.style():
        labels = [samples.classes[label] for label in shown.labels.tolist()]
        longest = max(map(len, labels))
        plots.images(
            drawn, axes[0, 0], peak=samples.peak,
            labels=labels if longest <= 12 else [label[:11] + "…" if len(label) > 12 else label for label in labels],
        )  # fmt: skip
        numbers = f"{shown.numbers[0]} to {shown.numbers[-1]}"
        axes[0, 0].set_title(f"{samples.dataset}, {samples.split} part, samples {numbers}")
    return figure


def _events(samples: Files) -> Any:
    (events,) = datasets.read_events(samples)
    if samples.shape[0] == 1:
        figure, axes = plots.figure(size=(8, 4.5))
    else:
        figure, axes = plots.figure(2, size=(8, 5.2), heights=[1.7, 3])
    with plots.style():
        if samples.shape[0] > 1:
            plots.event_frames(events, axes[0, 0], shape=samples.shape, frames=_FRAMES)
        plots.event_raster(events, axes[-1, 0], shape=samples.shape)
        axes[0, 0].set_title(_title(samples, len(events), "event"))
    return figure


def _sound(name: str | Path, samples: Files) -> Any:
    ear, coder = default_ear(name), Bsa()
    sound = read(samples.paths()[0], sample_rate=ear.sample_rate)
    frames = ear.cochleagram(sound.values)
    spikes = coder.encode(frames, frame=ear.frame)
    figure, axes = plots.figure(3, size=(8, 7), heights=[1, 2, 2])
    with plots.style():
        plots.wave(sound.values, axes[0, 0], rate=sound.sample_rate)
        plots.cochleagram(frames, axes[1, 0], frame=ear.frame, centres=ear.centres)
        plots.raster(spikes, axes[2, 0]).invert_yaxis()  # as in the cochleagram, the highest frequency first
        axes[2, 0].set_ylabel("channel")
        for ax in axes[:, 0]:
            ax.set_xlim(*axes[2, 0].get_xlim())
        for ax in axes[:-1, 0]:
            ax.set_xlabel("")
        axes[0, 0].set_title(_title(samples, len(spikes), "spike"))
    return figure
