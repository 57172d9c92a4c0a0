#!/usr/bin/env python3
"""Encode one image with every image encoder, and plot the spikes of one row (of all rows where rows are time)."""

from pathlib import Path

import numpy as np

from snnlab import datasets
from snnlab.cli.script import script_parser
from snnlab.encoders import Current, Delta, Latency, Poisson, Population, Regular
from snnlab.plots import figure, images, raster, save, style

ENCODERS = {
    "poisson": Poisson(),
    "regular": Regular(),
    "regular, phase=same": Regular(phase="same"),
    "current into LIF cells": Current(),
    "latency": Latency(),
    "latency, form=log": Latency(form="log", threshold=0.2),
    "population, 6 fields": Population(),
    "delta, the whole image": Delta(),
}


def main():
    parser = script_parser(__doc__, "encoders.png")
    parser.add_argument("--dataset", default="mnist", help="id of an image dataset (default: %(default)s)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of its files")
    options = parser.parse_args()
    sample = datasets.load(options.dataset, "test", folder=options.data).take([0])
    image = sample.values.reshape(sample.shape)
    row = image.sum(axis=1).argmax()
    picture, axes = figure(3, 3, size=(9, 7.6))
    with style():
        images(image[None], axes[0, 0], peak=sample.peak)
        axes[0, 0].axhspan(row, row + 1, color="#D55E00", alpha=0.5, linewidth=0)
        axes[0, 0].set_title(f"{options.dataset}: {sample.classes[sample.labels[0]]}, row {row} marked")
        for (name, encoder), ax in zip(ENCODERS.items(), axes.flat[1:], strict=True):
            prepared = encoder.prepare(sample)
            spikes = encoder.encode(prepared, seed=0)
            neurons = np.arange(spikes.size).reshape(prepared.shape)
            raster(spikes, ax, neurons=neurons.ravel() if isinstance(encoder, Delta) else neurons[row].ravel())
            ax.set_title(name)
            print(f"{name:24} {spikes.size:5} neurons {len(spikes):6} spikes")
    print(save(picture, options.plot))


if __name__ == "__main__":
    main()
