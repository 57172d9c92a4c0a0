#!/usr/bin/env python3
"""An interneuron silences a bursting pyramidal cell by inhibiting its dendrite.

The pyramidal cell is the model of Pinsky and Rinzel (1994), the interneuron that of Wang and Buzsaki (1996).
"""

import numpy as np

from snnlab import Circuit, Population, Projection, Receptor, cell, synapse
from snnlab.brian import Pulse, simulate
from snnlab.cli.script import script_parser
from snnlab.plots import figure, save, traces

INHIBITED = (0.15, 0.3)  # seconds


def circuit():
    """One interneuron that inhibits the dendrite through GABA_A receptors with a peak conductance of 0.5 mS/cm**2."""
    inhibition = {"inhibition": Receptor(synapse("gaba_a_density"), "dendrite", {"E_syn": "-75 mV"})}
    pyramidal = Population("pyramidal", cell("pinsky_rinzel"), 1, receptors=inhibition)
    interneuron = Population("interneuron", cell("wang_buzsaki"), 1)
    synapses = Projection("interneuron", "pyramidal", "inhibition", np.array([[5.0]]), delay="1 ms")
    return Circuit((interneuron, pyramidal), (synapses,), "0.025 ms")


def main():
    parser = script_parser(__doc__, "inhibition.png")
    options = parser.parse_args()
    drive = {"pyramidal.soma": Pulse("1.5 uA/cm**2"), "interneuron.soma": Pulse("2 uA/cm**2", *INHIBITED)}
    variables = {"pyramidal": ["v_s", "v_d"], "interneuron": ["v"]}
    recording = simulate(circuit(), drive, "450 ms", record=variables)
    plot, axes = figure(2, 1, shared_time=True)
    names = {"v_s": "soma", "v_d": "dendrite"}
    traces(recording, axes[0, 0], "pyramidal", list(names), labels=names).set_title("pyramidal cell", loc="left")
    traces(recording, axes[1, 0], "interneuron", "v", labels={"v": "soma"}).set_title("interneuron", loc="left")
    times = recording.spikes["pyramidal"].train(0)
    during = np.count_nonzero((times > INHIBITED[0] + 0.02) & (times < INHIBITED[1]))
    print(f"pyramidal cell: {len(times)} spikes; from 20 ms after the onset of inhibition to its end: {during}")
    print(save(plot, options.plot))


if __name__ == "__main__":
    main()
