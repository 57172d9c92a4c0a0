#!/usr/bin/env python3
"""One image under every encoder of images: the spikes of one of its rows, and of all of it where rows are time."""

from pathlib import Path

import numpy as np

from snnlab import datasets
from snnlab.cli.script import script_parser
from snnlab.encoders import Current, Delta, Latency, Poisson, Population, Regular
from snnlab.plots import figure, images, raster, save, style

CODES = {
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
    parser.add_argument("--dataset", default="mnist", help="id of its card, with images (default: %(default)s)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where its files are")
    options = parser.parse_args()
    one = datasets.load(options.dataset, "test", folder=options.data).take([0])
    image = one.values.reshape(one.shape)
    row, (picture, axes) = image.sum(axis=1).argmax(), figure(3, 3, size=(9, 7.6))
    with style():
        images(image[None], axes[0, 0], peak=one.peak)
        axes[0, 0].axhspan(row, row + 1, color="#D55E00", alpha=0.5, linewidth=0)
        axes[0, 0].set_title(f"{options.dataset}: {one.classes[one.labels[0]]}, row {row} marked")
        for (name, code), ax in zip(CODES.items(), axes.flat[1:], strict=True):
            samples = code.prepare(one)
            spikes = code.encode(samples, seed=0)
            neurons = np.arange(spikes.size).reshape(samples.shape)
            raster(spikes, ax, neurons=neurons.ravel() if isinstance(code, Delta) else neurons[row].ravel())
            ax.set_title(name)
            print(f"{name:24} {spikes.size:5} neurons {len(spikes):6} spikes")
    print(save(picture, options.plot))


if __name__ == "__main__":
    main()
