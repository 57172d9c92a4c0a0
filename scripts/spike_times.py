#!/usr/bin/env python3
"""Compare rules that learn target spike times, by the epochs until a correlation of 0.95.

Each seed is a different problem, see snnlab/experiments/normad_association.py. Training stops when it is solved, or
after --epochs. Prints a table, and plots the share of problems that each rule has solved by each epoch.
"""

import argparse
import statistics
import sys
from dataclasses import replace

from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS, Experiment
from snnlab.plots import figure, save, solved_curve, style
from snnlab.training.loop import initial_state, learn

SINGLE, HIDDEN = EXPERIMENTS["normad-association"], EXPERIMENTS["normad-association-hidden"]
RESUME, SPAN = EXPERIMENTS["resume-association"], EXPERIMENTS["span-association"]


def variant(experiment: Experiment, **options: object) -> Experiment:
    """The experiment with changed options; __ stands for the dot in their names."""
    return experiment.with_options({name.replace("__", "."): value for name, value in options.items()})


CASES = {
    "NormAD": SINGLE,
    "NormAD, adex cell": variant(SINGLE, network__cell="adex", network__v_th="", rule__learning_rate=2e-10),
    "NormAD, 3 outputs": variant(SINGLE, network__outputs=3),
    "ReSuMe": RESUME,
    "ReSuMe, a = 0.05": variant(RESUME, rule__non_hebbian=0.05),
    "SPAN": SPAN,
    "NormAD, 50 hidden": HIDDEN,
    "NormAD, 50 hidden, frozen": variant(HIDDEN, rule__hidden_learning_rate=0.0),
    "NormAD, 50-25 hidden": variant(
        HIDDEN, network__hidden="50-25", network__v_th="0.02,0.02,0.02", rule__hidden_init_scale=15e-9
    ),
}


def solved_in(experiment: Experiment, seed: int) -> int | None:
    """The first epoch with the target output; None if unsolved, also because a hidden layer fell silent."""
    config = experiment.config(seed=seed, threads=1)
    batches = (batch for epoch in range(1, experiment.epochs + 1) for batch in config.batches(epoch))
    state = initial_state(config)
    try:  # each epoch is one batch with one sample
        for epoch, (_, metrics) in enumerate(learn(config.rule, config.circuit, state, batches), start=1):
            if metrics.correct.all():
                return epoch
    except InputError as error:
        print(f"seed {seed}: {error}", file=sys.stderr)
    return None


def row(name: str, solved: list[int | None], epochs: int) -> str:
    """A line of the table; in the median, unsolved problems are later than all others."""
    median = statistics.median(epochs + 1 if epoch is None else epoch for epoch in solved)
    number = sum(epoch is not None for epoch in solved)
    return f"| {name} | {number} of {len(solved)} | {f'{median:g}' if median <= epochs else f'more than {epochs}'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="number of seeds (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="first seed (default: 0)")
    parser.add_argument("--epochs", type=int, default=500, metavar="N", help="longest training (default: %(default)s)")
    parser.add_argument(
        "--plot", default="spike_times.png", metavar="FILE", help="png, pdf or svg (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.seeds < 1 or options.epochs < 1 or options.first < 0:
        parser.error("--seeds and --epochs must be at least 1, and --first at least 0")
    print("| rule | solved | median epochs |\n| --- | --- | --- |")
    solved = {}
    for name, case in CASES.items():
        case = replace(case, epochs=options.epochs)
        solved[name] = [solved_in(case, seed) for seed in range(options.first, options.first + options.seeds)]
        print(row(name, solved[name], options.epochs), flush=True)
    plot, axes = figure(size=(8, 3.6))
    with style():
        solved_curve(solved, axes[0, 0], epochs=options.epochs)
    print(save(plot, options.plot))


if __name__ == "__main__":
    main()
