#!/usr/bin/env python3
"""Self-sustained irregular activity of 4,000 integrate-and-fire cells after a stimulus of 50 ms.

Vogels and Abbott, J. Neurosci. 25:10786, 2005; parameters of benchmark 1 in Brette et al., J. Comput. Neurosci. 23,
2007.
"""

import numpy as np

from snnlab import (
    Circuit,
    Population,
    Projection,
    Receptor,
    Source,
    SpikeTrains,
    cell,
    irregularity,
    random_connections,
    synapse,
)
from snnlab.brian import simulate
from snnlab.cli.script import script_parser
from snnlab.plots import cv_histogram, figure, population_rate, raster, rate_histogram, save

SIZES, WEIGHTS = {"stimulus": 400, "exc": 3200, "inh": 800}, {"stimulus": 6e-9, "exc": 6e-9, "inh": 67e-9}  # siemens


def network(rng):
    """An excitatory and an inhibitory population; each cell receives input from 2 % of all neurons."""
    card = synapse("exponential_conductance")
    excitation = Receptor(card, "soma", {"tau_syn": "5 ms", "E_syn": "0 mV"})
    inhibition = Receptor(card, "soma", {"tau_syn": "10 ms", "E_syn": "-80 mV"})
    receptors = {"stimulus": excitation, "exc": excitation, "inh": inhibition}
    cells = [Population(name, cell("lif"), SIZES[name], receptors=receptors) for name in ("exc", "inh")]
    pairs = [(pre, post) for pre in SIZES for post in ("exc", "inh")]
    projections = [Projection(a, b, a, random_connections(SIZES[a], SIZES[b], 0.02, WEIGHTS[a], rng)) for a, b in pairs]
    return Circuit((Source("stimulus", SIZES["stimulus"]), *cells), tuple(projections), "0.1 ms")


def main():
    parser = script_parser(__doc__, "network.png")
    options, rng = parser.parse_args(), np.random.default_rng(0)
    stimulus = SpikeTrains.from_dense(rng.random((1, 500, SIZES["stimulus"])) < 0.01, 1e-4)
    recording = simulate(network(rng), {"stimulus": stimulus}, "1 s", progress=True)
    plot, ((top_left, top_right), (left, right)) = figure(2, 2, size=(10, 6.5))
    raster(recording.spikes["exc"], top_left).set_title("excitatory cells", loc="left")
    population_rate(recording.spikes["exc"], left)
    rate_histogram(recording.rates("exc"), top_right)
    cv_histogram(irregularity(recording.spikes["exc"]), right)
    for name in ("exc", "inh"):
        cv = np.nanmean(irregularity(recording.spikes[name]))
        print(f"{name}: {recording.rates(name).mean():.1f} Hz, CV of interspike intervals {cv:.2f}")
    print(save(plot, options.plot))


if __name__ == "__main__":
    main()
