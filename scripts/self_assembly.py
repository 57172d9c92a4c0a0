#!/usr/bin/env python3
"""Two streams of cells that fire assemble themselves in Brian2 (SAL-style, a reconstruction), and learn meanwhile."""

from dataclasses import replace

import numpy as np

from snnlab.brian import simulate
from snnlab.cli.script import positive_int, script_parser
from snnlab.data.rates import RateInput
from snnlab.networks.circuit import Plastic
from snnlab.networks.two_stream import TwoStream
from snnlab.plots import figure, save

W, V, P, Q = "hidden1->output.basal", "output->down1.apical", "hidden1->down1.lateral", "down1->hidden1.teaching"
OPEN = ("basal", "apical", "lateral")  # receptors of what begins random
DT, EACH = 1e-3, 250  # seconds, and steps of a phase
SPEED = {"eta": 0.3, "gamma": 0.5}  # in 1/s; the wiring of the start is forgotten at the rate eta*gamma


def main():
    parser = script_parser(__doc__, "self_assembly.png")
    parser.add_argument("--seconds", type=positive_int, default=40, help="half of which a teacher speaks (%(default)s)")
    options = parser.parse_args()
    rng, phases = np.random.default_rng(1), round(options.seconds / DT / EACH)
    circuit = TwoStream((40,), (40,), bias=False, spiking=True).circuit((15,), 5, "1 ms")
    own = {one: Plastic(one.plasticity.card, SPEED) for one in circuit.projections if one.plasticity}
    circuit = replace(circuit, projections=tuple(replace(one, plasticity=own.get(one)) for one in circuit.projections))
    sizes = {one.name: one.weights.shape for one in circuit.projections if one.receptor in OPEN}
    start = {name: rng.normal(0, max(shape) ** -0.5, shape) for name, shape in sizes.items()}
    circuit = circuit.with_weights(start | {Q: start[P].T})
    shown = np.arange(phases) // 2 % 2  # two samples in turn, each at first untaught and then taught
    seen, wanted = rng.uniform(0, 1, (2, 15)), rng.uniform(0.3, 1.2, (2, 5))
    told = {"input": RateInput(seen[shown][None]), "target": RateInput(wanted[shown][None])}
    told["nudge"] = RateInput(np.arange(phases)[None, :, None] % 2.0)
    run = simulate(circuit, told, phases * EACH * DT, record={W: ["w"], V: ["w"], "output": ["r"]}, progress=True)
    up, down = (run.trace(name, "w").values[::EACH].reshape(-1, *sizes[name]) for name in (W, V))
    mirrored = np.einsum("tho,hm->tom", up, start[P])
    norms = [np.linalg.norm(one, axis=(1, 2)) for one in (down - mirrored, down, mirrored)]
    alike = (down * mirrored).sum((1, 2)) / norms[1] / norms[2]
    law = norms[0][0] * (1 - SPEED["eta"] * SPEED["gamma"] * DT) ** (EACH * np.arange(phases))
    missed = np.abs(run.trace("output", "r").values[EACH - 1 :: 2 * EACH] - wanted[shown[::2]]).mean(axis=1)
    picture, axes = figure(3, size=(7, 7), shared_time=True)
    times = EACH * DT * np.arange(phases)
    axes[0, 0].semilogy(times, norms[0], times, law, "--")
    axes[0, 0].legend(["simulated", "decay of the weights alone"])
    axes[0, 0].set(ylabel="norm of V - P W$^T$")
    axes[1, 0].plot(times, alike)
    axes[1, 0].set(ylabel="cosine of V and P W$^T$")
    axes[2, 0].plot(times[1::2], missed)
    axes[2, 0].set(ylabel="mean error, untaught", xlabel="time (s)", ylim=(0, None))
    print(f"largest departure from the law: {np.abs(norms[0] / law - 1).max():.1e} of what is left")
    print(f"cosine {alike[0]:.2f} to {alike[-1]:.2f}; mean error {missed[0]:.2f} to {missed[-10:].mean():.2f}")
    print(save(picture, options.plot))


if __name__ == "__main__":
    main()
