"""A circuit wired by hand in Brian2, for the engine to be compared with."""

import brian2
import numpy as np

from snnlab.brian.model import build_model
from snnlab.brian.preferences import code_target
from snnlab.data.spikes import SpikeTrains


def in_brian(circuit, spikes):
    """The same circuit and one sample, wired by hand in Brian2."""
    dt = spikes.dt * brian2.second
    _, step, neuron = spikes.events()
    groups = {"input": brian2.SpikeGeneratorGroup(spikes.size, neuron, (step + 0.5) * dt, dt=dt)}
    parts = [groups["input"]]
    with code_target("numpy"):
        for node in circuit.populations:
            groups[node.name] = build_model(node).group(node.size, dt=dt)
        for projection in circuit.projections:
            receptor = build_model(circuit[projection.post]).receptors[projection.receptor]
            pre, post = groups[projection.pre], groups[projection.post]
            unit = "1" if post.variables[receptor].dim.is_dimensionless else "amp"
            synapses = brian2.Synapses(pre, post, f"weight : {unit}", on_pre=f"{receptor}_post += weight", dt=dt)
            synapses.connect()
            synapses.weight_ = np.asarray(projection.weights, dtype=float).ravel()
            parts.append(synapses)
        monitors = {node.name: brian2.SpikeMonitor(groups[node.name]) for node in circuit.populations}
        brian2.Network(*groups.values(), *parts[1:], *monitors.values()).run(spikes.steps * dt, namespace={})
    grid = {"samples": 1, "steps": spikes.steps, "dt": spikes.dt}
    return {
        name: SpikeTrains.from_events(
            np.zeros(len(one.i)), np.round(one.t_[:] / spikes.dt), one.i[:], size=circuit[name].size, **grid
        )
        for name, one in monitors.items()
    }
