"""Figure of the samples of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snnlab import datasets, plots
from snnlab.audio.bsa import Bsa
from snnlab.audio.files import read
from snnlab.data.samples import Files, Images
from snnlab.datasets import default_ear
from snnlab.errors import InputError
from snnlab.plots.axes import counted

_IMAGES = 40
_FRAMES = 6
_LONGEST_LABEL = 12


def plot_samples(name: str | Path, split: str, path: Path, *, sample: int = 0, folder: Path | None = None) -> Path:
    """Plot samples of a dataset, starting with the given one.

    Images: 40 of them. Event-camera recordings: frames over time, and all events. Events of artificial cochleas: a
    raster. Sounds: the wave, its cochleagram by Lyon's ear model, and the spikes that BSA makes of that.

    Raises InputError for a sample that does not exist, for missing or corrupt data, and if the figure cannot be
    written.
    """
    plots.check_path(path)
    samples = datasets.load(name, split, folder=folder)
    if not 0 <= sample < len(samples):
        raise InputError("--sample", f"got {sample}", f"must be 0 to {len(samples) - 1}")
    if isinstance(samples, Images):
        return plots.save(_images_figure(samples, sample), path)
    if not isinstance(samples, Files):
        raise InputError(str(name), f"has {type(samples).__name__}", "must be images or recordings")
    chosen = samples.take([sample])
    is_sound = datasets.kind_of(samples) == "sounds"
    return plots.save(_sound_figure(name, chosen) if is_sound else _events_figure(chosen), path)


def _title(samples: Files, number: int, noun: str) -> str:
    file, label = str(samples.names[0]), samples.classes[int(samples.labels[0])]
    source = f"{samples.dataset}, {samples.split} split, sample {samples.numbers[0]} ({file})"
    return f"{source}: class {label}; {counted(number, noun)}"


def _images_figure(samples: Images, first: int) -> Any:
    shown = samples.take(slice(first, first + _IMAGES))
    lines = -(-len(shown) // 10)
    height, width = (1, *samples.shape)[-2:]  # a vector is an image of one row
    # a row of many numbers would be too low to be visible
    pixels = shown.values.reshape(-1, height, width).repeat(max(1, width // 4) if height == 1 else 1, axis=1)
    line_height = 0.2 + 0.8 * min(1.0, pixels.shape[1] / width)  # relative to that of a square image and its label
    figure, axes = plots.figure(size=(8, 0.7 + 1.05 * max(1.0, lines * line_height)))
    labels = [samples.classes[label] for label in shown.labels.tolist()]
    with plots.style():
        plots.images(pixels, axes[0, 0], peak=samples.peak, labels=_shortened(labels))
        numbers = f"{shown.numbers[0]} to {shown.numbers[-1]}"
        axes[0, 0].set_title(f"{samples.dataset}, {samples.split} split, samples {numbers}")
    return figure


def _shortened(labels: list[str]) -> list[str]:
    return [label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…" for label in labels]


def _events_figure(samples: Files) -> Any:
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


def _sound_figure(name: str | Path, samples: Files) -> Any:
    ear, coder = default_ear(name), Bsa()
    sound = read(samples.paths()[0], sample_rate=ear.sample_rate)
    frames = ear.cochleagram(sound.values)
    spikes = coder.encode(frames, frame=ear.frame)
    figure, axes = plots.figure(3, size=(8, 7), heights=[1, 2, 2])
    with plots.style():
        plots.wave(sound.values, axes[0, 0], rate=sound.sample_rate)
        plots.cochleagram(frames, axes[1, 0], frame=ear.frame, centres=ear.centres)
        plots.raster(spikes, axes[2, 0]).invert_yaxis()  # highest frequency at the top, as in the cochleagram
        axes[2, 0].set_ylabel("channel")
        for ax in axes[:, 0]:
            ax.set_xlim(*axes[2, 0].get_xlim())
        for ax in axes[:-1, 0]:
            ax.set_xlabel("")
        axes[0, 0].set_title(_title(samples, len(spikes), "spike"))
    return figure
