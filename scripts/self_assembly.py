#!/usr/bin/env python3
"""Two streams of spiking cells self-assemble and learn in Brian2 (SAL-style, a reconstruction)."""

from dataclasses import replace

import numpy as np

from snnlab.brian import simulate
from snnlab.cli.script import positive_int, script_parser
from snnlab.data.rates import RateInput
from snnlab.networks.circuit import Plastic
from snnlab.networks.two_stream import TwoStream
from snnlab.plots import figure, save

W, V, P, Q = "hidden1->output.basal", "output->down1.apical", "hidden1->down1.lateral", "down1->hidden1.teaching"
RANDOM = ("basal", "apical", "lateral")  # receptors of projections with random initial weights
DT, PHASE = 1e-3, 250  # time step in seconds, and steps of a phase
PARAMETERS = {"eta": 0.3, "gamma": 0.5}  # learning rate and weight decay in 1/s; initial weights decay with eta*gamma


def main():
    parser = script_parser(__doc__, "self_assembly.png")
    parser.add_argument("--seconds", type=positive_int, default=40, help="duration, half with a teacher (%(default)s)")
    options = parser.parse_args()
    rng, phases = np.random.default_rng(1), round(options.seconds / DT / PHASE)
    circuit = TwoStream((40,), (40,), bias=False, spiking=True).circuit((15,), 5, "1 ms")
    plastic = {one: Plastic(one.plasticity.card, PARAMETERS) for one in circuit.projections if one.plasticity}
    projections = tuple(replace(one, plasticity=plastic.get(one)) for one in circuit.projections)
    circuit = replace(circuit, projections=projections)
    sizes = {one.name: one.weights.shape for one in circuit.projections if one.receptor in RANDOM}
    initial = {name: rng.normal(0, max(shape) ** -0.5, shape) for name, shape in sizes.items()}
    circuit = circuit.with_weights(initial | {Q: initial[P].T})
    sample = np.arange(phases) // 2 % 2  # two samples alternate, each first without and then with a teacher
    inputs, targets = rng.uniform(0, 1, (2, 15)), rng.uniform(0.3, 1.2, (2, 5))
    sources = {"input": RateInput(inputs[sample][None]), "target": RateInput(targets[sample][None])}
    sources["nudge"] = RateInput(np.arange(phases)[None, :, None] % 2.0)
    run = simulate(circuit, sources, phases * PHASE * DT, record={W: ["w"], V: ["w"], "output": ["r"]}, progress=True)
    forward, descending = (run.trace(name, "w").values[::PHASE].reshape(-1, *sizes[name]) for name in (W, V))
    mirrored = np.einsum("tho,hm->tom", forward, initial[P])
    norms = [np.linalg.norm(one, axis=(1, 2)) for one in (descending - mirrored, descending, mirrored)]
    cosine = (descending * mirrored).sum((1, 2)) / norms[1] / norms[2]
    law = norms[0][0] * (1 - PARAMETERS["eta"] * PARAMETERS["gamma"] * DT) ** (PHASE * np.arange(phases))
    errors = np.abs(run.trace("output", "r").values[PHASE - 1 :: 2 * PHASE] - targets[sample[::2]]).mean(axis=1)
    drawing, axes = figure(3, size=(7, 7), shared_time=True)
    times = PHASE * DT * np.arange(phases)
    axes[0, 0].semilogy(times, norms[0], times, law, "--")
    axes[0, 0].legend(["simulated", "weight decay only"])
    axes[0, 0].set(ylabel="norm of V - P W$^T$")
    axes[1, 0].plot(times, cosine)
    axes[1, 0].set(ylabel="cosine of V and P W$^T$")
    axes[2, 0].plot(times[1::2], errors)
    axes[2, 0].set(ylabel="mean error without teacher", xlabel="time (s)", ylim=(0, None))
    print(f"largest departure from the law: {np.abs(norms[0] / law - 1).max():.1e} of the norm")
    print(f"cosine {cosine[0]:.2f} to {cosine[-1]:.2f}; mean error {errors[0]:.2f} to {errors[-10:].mean():.2f}")
    print(save(drawing, options.plot))


if __name__ == "__main__":
    main()
