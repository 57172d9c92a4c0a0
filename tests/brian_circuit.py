"""Brian2 simulations of circuits, written without snnlab.simulate, as a reference for the engine."""

import brian2
import numpy as np

from snnlab.brian.model import build_model
from snnlab.brian.preferences import code_target
from snnlab.data.spikes import SpikeTrains


def run_in_brian(circuit, spikes):
    """The spikes of each population for one sample, {name: SpikeTrains}."""
    dt = spikes.dt * brian2.second
    _, step, neuron = spikes.events()
    groups = {"input": brian2.SpikeGeneratorGroup(spikes.size, neuron, (step + 0.5) * dt, dt=dt)}
    synapse_groups = []
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
            synapse_groups.append(synapses)
        monitors = {node.name: brian2.SpikeMonitor(groups[node.name]) for node in circuit.populations}
        brian2.Network(*groups.values(), *synapse_groups, *monitors.values()).run(spikes.steps * dt, namespace={})
    grid = {"samples": 1, "steps": spikes.steps, "dt": spikes.dt}
    return {
        name: SpikeTrains.from_events(
            np.zeros(len(monitor.i)), np.round(monitor.t_[:] / spikes.dt), monitor.i[:], size=circuit[name].size, **grid
        )
        for name, monitor in monitors.items()
    }
