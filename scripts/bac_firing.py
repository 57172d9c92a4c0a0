#!/usr/bin/env python3
"""Backpropagation-activated calcium firing: coincident somatic and dendritic currents evoke a burst.

In pyramidal cells of layer 5 (Larkum, Zhu and Sakmann, Nature 398:338, 1999) a somatic current evokes one spike and a
dendritic current none. Together they evoke a burst: the backpropagating spike lifts the dendrite over the threshold of
a calcium plateau. The model is that of Naud and Sprekeler (2018). Without its calcium current there is one spike.
"""

from snnlab import Circuit, Population, cell
from snnlab.brian import Pulse, simulate
from snnlab.cli.script import script_parser
from snnlab.plots import figure, save, traces

PROTOCOLS = {"soma alone": ("2 nA", "0 nA"), "dendrite alone": ("0 nA", "0.4 nA"), "both": ("2 nA", "0.4 nA")}
NO_CALCIUM = {"g_s": "0 pA", "g_d": "0 pA"}
POTENTIALS, CURRENTS = {"v_s": "soma", "v_d": "dendrite"}, {"I_s": "soma", "I_d": "dendrite"}


def run(soma, dendrite, **parameters):
    """Simulate one cell for 200 ms with currents of 5 ms into the soma and of 30 ms into the dendrite."""
    card = cell("l5_pyramidal")
    circuit = Circuit((Population("cell", card, 1, parameters=parameters),), (), card.dt)
    currents = {"cell.soma": Pulse(soma, "50 ms", "55 ms"), "cell.dendrite": Pulse(dendrite, "50 ms", "80 ms")}
    return simulate(circuit, currents, "200 ms", record={"cell": [*POTENTIALS, *CURRENTS]})


def main():
    parser = script_parser(__doc__, "bac_firing.png")
    options = parser.parse_args()
    plot, axes = figure(2, 3, size=(10.5, 5.2), heights=(2, 1), shared_time=True)
    for (name, amplitudes), (top, bottom) in zip(PROTOCOLS.items(), axes.T, strict=True):
        recording = run(*amplitudes)
        traces(recording, top, "cell", list(POTENTIALS), labels=POTENTIALS).set_ylim(-95, 35)
        traces(recording, bottom, "cell", list(CURRENTS), labels=CURRENTS, spikes=False, unit=("nA", 1e-9))
        bottom.set_ylim(-0.2, 2.4)
        bottom.get_legend().remove()
        top.set_title(name, loc="left", pad=26)
        print(f"{name}: spikes at {recording.spikes['cell'].train(0) * 1e3} ms")
    without = run(*PROTOCOLS["both"], **NO_CALCIUM).spikes["cell"].train(0)
    print(f"both, no calcium: spikes at {without * 1e3} ms")
    print(save(plot, options.plot))


if __name__ == "__main__":
    main()
