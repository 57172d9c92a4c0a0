"""Learning in spiking neural networks, from model equations with units on TOML cards.

Cards       all_models, all_datasets: the ids in the library
            cell, synapse, plasticity, dataset: read a card by its id or path
Networks    Circuit of Source, Population, Projection; with Receptor and Plastic
            unconnected, feedforward, random_connections: simple circuits and weights
            FeedForward, MLP, Microcircuit, CorInfoMaxNetwork, TwoStream: published networks
Simulation  simulate, simulate_batch: a Circuit in Brian2, as a Recording; Pulse: a current
            simulate_morphology: a multicompartment cell from an SWC file
Data        SpikeTrains, RateInput: inputs of a simulation; Samples: a labelled dataset
            load_dataset: Samples from the files of a dataset card
Encoders    Poisson, Regular, Latency, Delta, Current, Features, Intensity, Patterns, Ear,
            Sensor, SimulatedCamera: from Samples to SpikeTrains or RateInput
Rules       HM2BP; NormAD, ReSuMe, SPAN: for spike counts; for spike times
            Backprop, FeedbackAlignment, SelfAssembly, ZIL: for steady-state firing rates
            Dendritic, TwoPass, CorInfoMax: for dendritic circuits and CorInfoMax networks
Training    EXPERIMENTS: the reproduced results by name, each an Experiment
            load_run: open a run directory; train, evaluate: with its TrainingConfig
            SpikingClassifier: a scikit-learn estimator
Analysis    intervals, irregularity, binned_rate: statistics of SpikeTrains
            correlation, van_rossum, victor_purpura, matched: distances between spike trains
Errors      InputError: raised for all invalid input, with its field, problem and hint

A simulation:

    from snnlab import Pulse, cell, simulate, unconnected

    recording = simulate(unconnected(cell("lif")), {"cell.soma": Pulse("0.5 nA")}, "100 ms")

A training run, from the shell: `snnlab train hm2bp-digits --out run`; then, in Python:

    from snnlab import evaluate, load_run

    run = load_run("run")
    state, progress = run.restore()
    print(evaluate(run.config, state).accuracy)
"""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


# No __all__, so that help(snnlab) stays short; each name is imported on first use, as Brian2 and SciPy load slowly.
@cache
def _public_names() -> dict[str, tuple[str, str]]:
    """Name -> its module and its name there, as imported in __init__.pyi."""
    tree = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    return {
        str(alias.asname): (str(statement.module), alias.name) for statement in imports for alias in statement.names
    }


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in _public_names():
        raise AttributeError(f"module 'snnlab' has no attribute {name!r}")
    module, attribute = _public_names()[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(_public_names())
