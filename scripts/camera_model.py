#!/usr/bin/env python3
"""Compare the camera model with the recordings of N-MNIST of the same images, in numbers and in a figure.

Needs the recordings, all or some, and the images of MNIST. The parameters of the model were chosen on recordings of
the split "train", so compare on "test".
"""

import time
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from snnlab import datasets
from snnlab.cli.script import script_parser
from snnlab.encoders.camera_model import Camera
from snnlab.experiments.core.run import Run
from snnlab.plots import save
from snnlab.plots.comparison import agreement, overlay
from snnlab.plots.events import event_frames
from snnlab.plots.style import panels
from snnlab.training.evaluation import evaluate

SHAPE = (34, 34)
BIN = 5e-3  # seconds
DURATION = 0.32  # seconds
SACCADES = (0.105, 0.222)  # seconds, between consecutive saccades
INTERVALS = np.array([0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 14, 20, 30, 50, 70, 100, 150, 300])  # ms
PLOTTED_DIGITS = (2, 4, 8)


@dataclass(frozen=True)
class EventStatistics:
    """Statistics of recordings, one of each image."""

    recordings: list
    labels: np.ndarray

    @cached_property
    def counts(self):
        """Events of each recording."""
        return np.array([len(events) for events in self.recordings])

    @cached_property
    def on_fraction(self):
        return np.array([events["p"].mean() for events in self.recordings])

    @cached_property
    def event_rate(self):
        """Mean events per millisecond (2, bins), OFF first."""
        edges = np.arange(0, DURATION, BIN)
        times = [np.concatenate([e["t"][e["p"] == sign] for e in self.recordings]) * 1e-6 for sign in (0, 1)]
        return np.stack([np.histogram(t, edges)[0] for t in times]) / (len(self.recordings) * BIN * 1e3)

    @cached_property
    def maps(self):
        """Events of each sign and pixel in each saccade (recordings, 3, 2, rows, columns)."""
        maps = np.zeros((len(self.recordings), 3, 2, *SHAPE))
        for counts, events in zip(maps, self.recordings, strict=True):
            saccade = np.digitize(events["t"] * 1e-6, SACCADES)
            np.add.at(counts, (saccade, events["p"].astype(int), events["y"].astype(int), events["x"].astype(int)), 1)
        return maps

    @cached_property
    def pixels_by_count(self):
        """Mean number of pixels with 0, 1, 2, ... 9 or more events of one sign in one saccade."""
        return np.bincount(np.minimum(self.maps, 9).astype(int).ravel(), minlength=10) / len(self.maps)

    @cached_property
    def intervals(self):
        """Milliseconds between consecutive events of a pixel: of the same sign, and of opposite signs."""
        same, opposite = [], []
        for events in self.recordings:
            pixel = events["y"].astype(int) * SHAPE[1] + events["x"]
            order = np.lexsort((events["t"], pixel))
            same_pixel = np.diff(pixel[order]) == 0
            interval, changed = np.diff(events["t"][order]) / 1e3, np.diff(events["p"][order].astype(int)) != 0
            same.append(interval[same_pixel & ~changed])
            opposite.append(interval[same_pixel & changed])
        return {"same": np.concatenate(same), "opposite": np.concatenate(opposite)}


def correlations(a, b):
    """The correlation coefficient of each pair of maps (recordings, ...)."""
    a, b = (maps.reshape(len(maps), -1) for maps in (a, b))
    a, b = (maps - maps.mean(axis=1, keepdims=True) for maps in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def same_digit(labels, seed=0):
    """For each recording, the index of a different recording of the same digit, as a control."""
    rng = np.random.default_rng(seed)
    indices = []
    for k, label in enumerate(labels):
        candidates = np.flatnonzero((labels == label) & (np.arange(len(labels)) != k))
        indices.append(rng.choice(candidates) if len(candidates) else k)
    return np.array(indices)


def statistics_table(recorded, modelled):
    """Rows: name, value of the recordings, value of the model."""
    both = (recorded, modelled)
    for name, statistic in (("events, mean", np.mean), ("events, standard deviation", np.std)):
        yield name, *(f"{statistic(events.counts):.0f}" for events in both)
    for digit in range(10):
        selected = recorded.labels == digit
        if selected.any():
            yield f"events, digit {digit}", *(f"{events.counts[selected].mean():.0f}" for events in both)
    yield "ON events", *(f"{events.on_fraction.mean():.1%}" for events in both)
    edges = [0, *(round(saccade / BIN) for saccade in SACCADES), recorded.event_rate.shape[1]]
    for k, (first, end) in enumerate(pairwise(edges)):
        rates = [events.event_rate.sum(axis=0)[first:end] for events in both]
        peaks = [f"{rate.max():.1f} at {1e3 * BIN * (first + rate.argmax() + 0.5):.0f} ms" for rate in rates]
        yield f"events/ms, peak of saccade {k + 1}", *peaks
    for sign in ("same", "opposite"):
        percentiles = [np.percentile(events.intervals[sign], (1, 25, 50, 75)) for events in both]
        cells = [" / ".join(f"{value:.1f}" for value in values) for values in percentiles]
        yield f"ms to the next event, {sign} sign (1, 25, 50, 75 %)", *cells
    pixels = [" ".join(f"{number:.0f}" for number in events.pixels_by_count[1:8]) for events in both]
    yield "pixels with 1 to 7 events of a sign and saccade", *pixels


def correlation_table(recorded, modelled):
    """Rows: name, correlation of recordings with the model, and with other recordings of the same digit."""
    other = same_digit(recorded.labels)
    counts = (modelled.counts, recorded.counts[other])
    yield "number of events", *(np.corrcoef(recorded.counts, count)[0, 1] for count in counts)
    for k in range(3):
        for sign, name in ((1, "ON"), (0, "OFF")):
            reference, model = recorded.maps[:, k, sign], modelled.maps[:, k, sign]
            medians = (np.median(correlations(reference, maps)) for maps in (model, reference[other]))
            yield f"map of {name} events, saccade {k + 1}", *medians
    medians = (np.median(correlations(recorded.maps, maps)) for maps in (modelled.maps, recorded.maps[other]))
    yield "all six maps", *medians


def plot(recorded, modelled, path):
    maps = [[f"{source} {digit}" for source in ("recording", "model")] for digit in PLOTTED_DIGITS]
    lines = [["event_rate", "event_rate"], ["pixels_by_count", "same"], ["counts", "opposite"]]
    figure, axes = panels([*maps, *lines], size=(8, 11.5), heights=[1.15] * len(PLOTTED_DIGITS) + [1.2, 1.2, 1.4])
    plot_maps(recorded, modelled, axes)
    both = {"recordings": recorded, "model": modelled}
    edges = 1e3 * BIN * np.arange(recorded.event_rate.shape[1] + 1)
    rates = {name: events.event_rate.sum(axis=0) for name, events in both.items()}
    overlay(edges, rates, axes["event_rate"]).set(xlabel="time (ms)", ylabel="events per ms")
    pixels = {name: events.pixels_by_count[1:] for name, events in both.items()}
    ax = overlay(np.arange(1, 10), pixels, axes["pixels_by_count"])
    ax.set(xlabel="events of a sign and saccade", ylabel="pixels of a recording")
    for sign in ("same", "opposite"):
        width = np.diff(np.log10(INTERVALS)) * len(recorded.recordings)
        densities = {name: np.histogram(events.intervals[sign], INTERVALS)[0] / width for name, events in both.items()}
        ax = overlay(INTERVALS, densities, axes[sign])
        ax.set_xscale("log")
        ax.set(xlabel=f"time to the next event, {sign} sign (ms)", ylabel="events per decade")
    ax = agreement(recorded.counts, modelled.counts, axes["counts"])
    ax.set(xlabel="events of a recording", ylabel="events of the model")
    print(save(figure, path))


def plot_maps(recorded, modelled, axes):
    """The events of one recording of each plotted digit, and of the model."""
    for digit in PLOTTED_DIGITS:
        k = int(np.flatnonzero(recorded.labels == digit)[0])
        for source, events in (("recording", recorded), ("model", modelled)):
            ax = event_frames(events.recordings[k], axes[f"{source} {digit}"], shape=(*SHAPE, 2), frames=3)
            if digit == PLOTTED_DIGITS[0]:
                ax.set_title(f"{source}: ON red, OFF blue")
            if digit != PLOTTED_DIGITS[-1]:
                ax.set_xlabel("")


def print_accuracy(path, folder):
    """Evaluate a network trained on simulated events on all available recordings."""
    run = Run.open(Path(path), folder=folder)
    state, progress = run.restore()
    print(f"\n{path}: {run.experiment.name}, {len(run.config.train)} samples, epoch {progress.rows[-1]['epoch']}")
    correct = total = 0
    for split in ("train", "test"):
        recordings = run.config.encoder.prepare(datasets.load("nmnist", split, folder=folder))
        accuracy = evaluate(replace(run.config, test=recordings), state).accuracy
        print(f"{accuracy:.2%} of {len(recordings)} recordings of the split {split!r}")
        correct, total = correct + round(accuracy * len(recordings)), total + len(recordings)
    print(f"{correct / total:.2%} of all {total}")


def main():
    parser = script_parser(__doc__, "camera.png")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets (default: $SNNLAB_DATA)")
    parser.add_argument("--part", default="test", choices=("train", "test"), help="split of N-MNIST (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the camera model (%(default)s)")
    parser.add_argument(
        "--lower", type=float, default=0.0, metavar="PIXELS", help="shift the images down (%(default)s)"
    )
    parser.add_argument("--run", metavar="FOLDER", help="a run of hm2bp-camera, to evaluate on all recordings")
    options = parser.parse_args()
    recorded, images = (datasets.load(name, options.part, folder=options.data) for name in ("nmnist", "mnist"))
    images, camera = images.take(recorded.numbers), Camera()
    camera = replace(camera, origin=(camera.origin[0], camera.origin[1] + options.lower))
    start = time.process_time()
    events = camera.events(images, seed=options.seed, stream=int(options.part == "test"))
    duration = 1e3 * (time.process_time() - start) / len(images)
    print(f"{duration:.2f} ms of processor time for each of {len(images)} recordings\n")
    both = (
        EventStatistics(list(datasets.read_events(recorded)), recorded.labels),
        EventStatistics(events, recorded.labels),
    )
    print("| | recordings | model |\n| --- | --- | --- |")
    for row in statistics_table(*both):
        print(f"| {' | '.join(row)} |")
    print("\n| correlation of recordings | with the model | with other recordings of the digit |\n| --- | --- | --- |")
    for name, model, control in correlation_table(*both):
        print(f"| {name} | {model:.3f} | {control:.3f} |")
    plot(*both, options.plot)
    if options.run:
        print_accuracy(options.run, options.data)


if __name__ == "__main__":
    main()
