#!/usr/bin/env python3
"""Which rule learns to fire at given times, and how soon: the same problems for each, epochs to a correlation of 0.95.

Every seed is a problem of its own, see snnlab/experiments/normad_association.py. Training stops where it is solved, or
after so many epochs. Prints a table, and draws the share of problems that each rule has solved by each epoch.
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


def of(experiment: Experiment, **options: object) -> Experiment:
    return experiment.with_options({name.replace("__", "."): value for name, value in options.items()})


CASES = {
    "NormAD": SINGLE,
    "NormAD, adex cell": of(SINGLE, network__cell="adex", network__v_th="", rule__learning_rate=2e-10),
    "NormAD, 3 outputs": of(SINGLE, network__outputs=3),
    "ReSuMe": RESUME,
    "ReSuMe, a = 0.05": of(RESUME, rule__non_hebbian=0.05),
    "SPAN": SPAN,
    "NormAD, 50 hidden": HIDDEN,
    "NormAD, 50 hidden, frozen": of(HIDDEN, rule__hidden_learning_rate=0.0),
    "NormAD, 50-25 hidden": of(
        HIDDEN, network__hidden="50-25", network__v_th="0.02,0.02,0.02", rule__hidden_init_scale=15e-9
    ),
}


def solved_in(experiment: Experiment, seed: int) -> int | None:
    """The first epoch in which the output was as desired; None where there was none, or a hidden layer fell silent."""
    config = experiment.config(seed=seed, threads=1)
    batches = (batch for epoch in range(1, experiment.epochs + 1) for batch in config.batches(epoch))
    state = initial_state(config)
    try:  # an epoch is one batch, of one sample
        for epoch, (_, score) in enumerate(learn(config.rule, config.circuit, state, batches), start=1):
            if score.correct.all():
                return epoch
    except InputError as refusal:
        print(f"seed {seed}: {refusal}", file=sys.stderr)
    return None


def row(name: str, found: list[int | None], most: int) -> str:
    """Problems that were not solved count as solved later than all others."""
    middle = statistics.median(most + 1 if epoch is None else epoch for epoch in found)
    solved = sum(epoch is not None for epoch in found)
    return f"| {name} | {solved} of {len(found)} | {f'{middle:g}' if middle <= most else f'more than {most}'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="from 0 on (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="another first seed (default: 0)")
    parser.add_argument("--epochs", type=int, default=500, metavar="N", help="at most (default: %(default)s)")
    parser.add_argument(
        "--plot", default="spike_times.png", metavar="FILE", help="png, pdf or svg (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.seeds < 1 or options.epochs < 1 or options.first < 0:
        parser.error("--seeds and --epochs need at least 1, and --first at least 0")
    print("| rule | solved | median epochs |\n| --- | --- | --- |")
    found = {}
    for name, case in CASES.items():
        case = replace(case, epochs=options.epochs)
        found[name] = [solved_in(case, seed) for seed in range(options.first, options.first + options.seeds)]
        print(row(name, found[name], options.epochs), flush=True)
    picture, axes = figure(size=(8, 3.6))
    with style():
        solved_curve(found, axes[0, 0], epochs=options.epochs)
    print(save(picture, options.plot))


if __name__ == "__main__":
    main()
