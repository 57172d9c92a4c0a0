#!/usr/bin/env python3
"""The camera model beside the recordings of N-MNIST of the same images, in numbers and in a picture.

Needs the recordings, all or some, and the images of MNIST. The model's values were chosen on recordings of the part
"train", so "test" is the part to look at.
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
SACCADES = (0.105, 0.222)  # seconds, between one and the next
INTERVALS = np.array([0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 14, 20, 30, 50, 70, 100, 150, 300])  # ms
SHOWN = (2, 4, 8)  # digits in the picture


@dataclass(frozen=True)
class Portrait:
    """What is measured of recordings, each of one image."""

    recordings: list
    labels: np.ndarray

    @cached_property
    def counts(self):
        return np.array([len(events) for events in self.recordings])

    @cached_property
    def on(self):
        return np.array([events["p"].mean() for events in self.recordings])

    @cached_property
    def course(self):
        """Events per millisecond of a recording (2, bins), OFF first."""
        edges = np.arange(0, 0.32, BIN)
        times = [np.concatenate([e["t"][e["p"] == sign] for e in self.recordings]) * 1e-6 for sign in (0, 1)]
        return np.stack([np.histogram(one, edges)[0] for one in times]) / (len(self.recordings) * BIN * 1e3)

    @cached_property
    def maps(self):
        """Events of each sign and pixel in each saccade (recordings, 3, 2, rows, columns)."""
        made = np.zeros((len(self.recordings), 3, 2, *SHAPE))
        for one, events in zip(made, self.recordings, strict=True):
            saccade = np.digitize(events["t"] * 1e-6, SACCADES)
            np.add.at(one, (saccade, events["p"].astype(int), events["y"].astype(int), events["x"].astype(int)), 1)
        return made

    @cached_property
    def crossings(self):
        """Pixels of a recording that make 0, 1, 2, ... events of one sign in one saccade."""
        return np.bincount(np.minimum(self.maps, 9).astype(int).ravel(), minlength=10) / len(self.maps)

    @cached_property
    def intervals(self):
        """Milliseconds from a pixel's event to its next, of the same and of the other sign."""
        same, other = [], []
        for events in self.recordings:
            place = events["y"].astype(int) * SHAPE[1] + events["x"]
            order = np.lexsort((events["t"], place))
            next_to = np.diff(place[order]) == 0
            apart, turned = np.diff(events["t"][order]) / 1e3, np.diff(events["p"][order].astype(int)) != 0
            same.append(apart[next_to & ~turned])
            other.append(apart[next_to & turned])
        return np.concatenate(same), np.concatenate(other)


def correlations(a, b):
    """Of maps (recordings, ...): one number for each recording."""
    a, b = (one.reshape(len(one), -1) for one in (a, b))
    a, b = (one - one.mean(axis=1, keepdims=True) for one in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def another(portrait, seed=0):
    """For each recording another one of the same digit, to see what there is in a correlation."""
    rng = np.random.default_rng(seed)
    chosen = []
    for k, label in enumerate(portrait.labels):
        others = np.flatnonzero((portrait.labels == label) & (np.arange(len(portrait.labels)) != k))
        chosen.append(rng.choice(others) if len(others) else k)
    return np.array(chosen)


def rows(real, made):
    """Name, number of the recordings, number of the model."""
    for name, one in (("events, mean", np.mean), ("events, spread", np.std)):
        yield name, f"{one(real.counts):.0f}", f"{one(made.counts):.0f}"
    for digit in range(10):
        of = real.labels == digit
        if of.any():
            yield f"events, digit {digit}", f"{real.counts[of].mean():.0f}", f"{made.counts[of].mean():.0f}"
    yield "ON events", f"{real.on.mean():.1%}", f"{made.on.mean():.1%}"
    cuts = [0, *(round(saccade / BIN) for saccade in SACCADES), real.course.shape[1]]
    for k, (first, end) in enumerate(pairwise(cuts)):
        peaks = [part.course.sum(axis=0)[first:end] for part in (real, made)]
        said = [f"{p.max():.1f} at {1e3 * BIN * (first + p.argmax() + 0.5):.0f} ms" for p in peaks]
        yield f"events/ms, peak of saccade {k + 1}", *said
    for k, kind in enumerate(("same", "other")):
        said = [" / ".join(f"{v:.1f}" for v in np.percentile(p.intervals[k], (1, 25, 50, 75))) for p in (real, made)]
        yield f"ms to the next event, {kind} sign (1, 25, 50, 75 %)", *said
    said = [" ".join(f"{n:.0f}" for n in p.crossings[1:8]) for p in (real, made)]
    yield "pixels with 1 to 7 events of a sign and saccade", *said


def alike(real, made):
    """What is compared image by image: name, number, and the same number for another recording of the digit."""
    other = another(real)
    yield (
        "number of events",
        np.corrcoef(real.counts, made.counts)[0, 1],
        np.corrcoef(real.counts, real.counts[other])[0, 1],
    )
    for k in range(3):
        for sign, name in ((1, "ON"), (0, "OFF")):
            maps = [part.maps[:, k, sign] for part in (real, made)]
            yield (
                f"map of {name} events, saccade {k + 1}",
                *(np.median(correlations(maps[0], one)) for one in (maps[1], maps[0][other])),
            )
    yield "all six maps", *(np.median(correlations(real.maps, one)) for one in (made.maps, real.maps[other]))


def picture(real, made, path):
    maps = [[f"{who} {digit}" for who in ("recording", "model")] for digit in SHOWN]
    lines = [["course", "course"], ["crossings", "same"], ["counts", "other"]]
    figure, axes = panels([*maps, *lines], size=(8, 11.5), heights=[1.15] * len(SHOWN) + [1.2, 1.2, 1.4])
    for digit, k in ((digit, int(np.flatnonzero(real.labels == digit)[0])) for digit in SHOWN):
        for who, part in (("recording", real), ("model", made)):
            ax = event_frames(part.recordings[k], axes[f"{who} {digit}"], shape=(*SHAPE, 2), frames=3)
            if digit == SHOWN[0]:
                ax.set_title(f"{who}: ON red, OFF blue")
            if digit != SHOWN[-1]:
                ax.set_xlabel("")
    kinds = {"recordings": real, "model": made}
    edges = 1e3 * BIN * np.arange(real.course.shape[1] + 1)
    ax = overlay(edges, {name: part.course.sum(axis=0) for name, part in kinds.items()}, axes["course"])
    ax.set(xlabel="time (ms)", ylabel="events per ms")
    ax = overlay(np.arange(1, 10), {name: part.crossings[1:] for name, part in kinds.items()}, axes["crossings"])
    ax.set(xlabel="events of a sign and saccade", ylabel="pixels of a recording")
    for k, kind in enumerate(("same", "other")):
        width = np.diff(np.log10(INTERVALS)) * len(real.recordings)
        shares = {name: np.histogram(part.intervals[k], INTERVALS)[0] / width for name, part in kinds.items()}
        ax = overlay(INTERVALS, shares, axes[kind])
        ax.set_xscale("log")
        ax.set(xlabel=f"time to the next event, {kind} sign (ms)", ylabel="events per decade")
    ax = agreement(real.counts, made.counts, axes["counts"])
    ax.set(xlabel="events of a recording", ylabel="events of the model")
    print(save(figure, path))


def tested(path, folder):
    """A trained network on all recordings that are there; it has learned from none of them."""
    study = Run.open(Path(path), folder=folder)
    state, progress = study.restore()
    print(f"\n{path}: {study.experiment.name}, {len(study.config.train)} samples, epoch {progress.rows[-1]['epoch']}")
    right = total = 0
    for part in ("train", "test"):
        real = study.config.encoder.prepare(datasets.load("nmnist", part, folder=folder))
        accuracy = evaluate(replace(study.config, test=real), state).accuracy
        print(f"{accuracy:.2%} of {len(real)} recordings of the part {part!r}")
        right, total = right + round(accuracy * len(real)), total + len(real)
    print(f"{right / total:.2%} of all {total}")


def main():
    parser = script_parser(__doc__, "camera.png")
    parser.add_argument("--data", type=Path, metavar="DIR", help="instead of $SNNLAB_DATA")
    parser.add_argument("--part", default="test", choices=("train", "test"), help="of N-MNIST (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what the model draws (%(default)s)")
    parser.add_argument("--lower", type=float, default=0.0, metavar="PIXELS", help="film images lower (%(default)s)")
    parser.add_argument("--run", metavar="FOLDER", help="a run of hm2bp-camera, to be tested on all recordings")
    options = parser.parse_args()
    real, images = (datasets.load(name, options.part, folder=options.data) for name in ("nmnist", "mnist"))
    shown, camera = images.take(real.numbers), Camera()
    camera = replace(camera, origin=(camera.origin[0], camera.origin[1] + options.lower))
    begin = time.process_time()
    made = camera.events(shown, seed=options.seed, stream=int(options.part == "test"))
    print(
        f"{1e3 * (time.process_time() - begin) / len(shown):.2f} ms of one core for each of {len(shown)} recordings\n"
    )
    portraits = Portrait(list(datasets.read_events(real)), real.labels), Portrait(made, real.labels)
    print("| | recordings | model |\n| --- | --- | --- |")
    for row in rows(*portraits):
        print(f"| {' | '.join(row)} |")
    beside_what = "with the model of the same image | with a recording of another image of the digit"
    print(f"\n| correlation of recordings | {beside_what} |")
    print("| --- | --- | --- |")
    for name, model, control in alike(*portraits):
        print(f"| {name} | {model:.3f} | {control:.3f} |")
    picture(*portraits, options.plot)
    if options.run:
        tested(options.run, options.data)


if __name__ == "__main__":
    main()
