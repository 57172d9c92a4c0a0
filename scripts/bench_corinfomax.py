#!/usr/bin/env python3
"""Time per batch of CorInfoMax on MNIST, 784-500-10, batches of 20: snnlab and the same rule in PyTorch.

    python scripts/bench_corinfomax.py --data DIR [--batches N] [--rounds N] [--threads N] [--json]

PyTorch comes with the extra `bench`; installing a CPU build of it before avoids a large download.

Initial weights, batches, signs of beta, steps, float32 and threads are the same for all. PyTorch runs the rule eagerly,
without autograd, with one matrix product per projection and step and one per weight update: once with the product of
the input in every step, as in the authors' code, and once with that product computed once per batch. The time of snnlab
includes everything in a step of learning; that of PyTorch starts with the batch in float32.

Batches run in rounds in one process, in random order of the implementations. Times are medians over all batches, ratios
medians over rounds. Exits with an error if final weights differ from snnlab's by more than 5 % of the largest change of
a weight of the same projection. (Lateral weights grow by 1e-5 per batch, of which float32 rounds away some percent.)
"""

import argparse
import json
import os
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from snnlab import engine
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.rules.corinfomax.relaxation import dynamics
from snnlab.rules.rule import State

TOLERANCE = 0.05
IMPLEMENTATIONS = ("snnlab", "PyTorch, input once", "PyTorch")
INSTALL = 'requires PyTorch: pip install "snnlab-brian[bench]"'
W1, W2, C, B1, B2 = (
    "input->hidden1.basal",
    "hidden1->output.basal",
    "output->hidden1.apical",
    "hidden1->hidden1.lateral",
    "output->output.lateral",
)


class InTorch:
    """The rule on tensors (samples, cells).

    once  whether the product of the input is computed once per batch
    """

    def __init__(self, rule, model, weights, once):
        import torch

        self.torch, self.rule, self.model, self.once = torch, rule, model, once
        self.weights = {name: torch.tensor(values) for name, values in weights.items()}

    def phase(self, x, drive, somata, steps, beta, target):
        """Rates of both layers after so many steps; `drive` is the product of the input, or None."""
        w, model = self.weights, self.model
        g, eps, gamma = model.leak, model.epsilon, model.gamma
        hidden, output = somata
        r, s = hidden.clamp(0, 1), output.clamp(0, 1)
        for mu in model.step_sizes(steps):
            basal = x @ w[W1] if drive is None else drive
            apical = eps * (2 * gamma * (r @ w[B1]) + g * r) + s @ w[C]
            teacher = gamma * (s @ w[B2]) + g * s - beta * (s - target)
            change = -g * hidden + (basal - hidden) / eps + (apical - hidden) / eps
            output = output + mu * (-g * output + (r @ w[W2] - output) / eps + (teacher - output))
            hidden = hidden + mu * change
            r, s = hidden.clamp(0, 1), output.clamp(0, 1)
        return r, s

    def step(self, x, labels, beta):
        """Learn from one batch, with the learning rates of the first epoch."""
        w, rule, samples = self.weights, self.rule, len(labels)
        x = self.torch.from_numpy(x)
        target = self.torch.nn.functional.one_hot(self.torch.from_numpy(labels), w[W2].shape[1]).float()
        zeros = [self.torch.zeros(samples, w[name].shape[1]) for name in (W1, W2)]
        drive = x @ w[W1] if self.once else None
        r0, s0 = self.phase(x, drive, zeros, rule.free_steps, 0.0, target)
        r1, s1 = self.phase(x, drive, (r0, s0), rule.nudged_steps, beta, target)
        # the prediction from the input is the same in both phases
        first = x.T @ (r1 - r0) if self.once else x.T @ (r1 - x @ w[W1]) - x.T @ (r0 - x @ w[W1])
        second = r1.T @ (s1 - r1 @ w[W2]) - r0.T @ (s0 - r0 @ w[W2])
        backward = s1.T @ (r1 - s1 @ w[C]) - s0.T @ (r0 - s0 @ w[C])
        for name, learning_rate, update in zip(
            (W1, W2, C), (*rule.learning_rate, *rule.backward_learning_rate), (first, second, backward), strict=True
        ):
            w[name] += learning_rate / (beta * samples) * update
        for name, rates in ((B1, r1), (B2, s1)):
            z = rates @ w[name]
            w[name] = (w[name] - self.model.gamma / samples * (z.T @ z)) / self.model.forgetting


def run_rounds(config, rounds, batches):
    """Seconds of every batch (implementation -> (rounds, batches)), and initial and final weights of each."""
    import torch

    torch.set_num_threads(config.threads)
    rule, circuit, model = config.rule, config.circuit, dynamics(config.circuit, "CorInfoMax")
    state = rule.init(circuit, np.random.default_rng(0))
    initial = {name: values.copy() for name, values in state.weights.items()}
    others = {name: InTorch(rule, model, initial, name != IMPLEMENTATIONS[-1]) for name in IMPLEMENTATIONS[1:]}
    times = {name: np.zeros((rounds + 1, batches)) for name in IMPLEMENTATIONS}
    stream, order = config.batches(1), np.random.default_rng(0)
    for k in range(rounds + 1):  # the first is a warm-up
        batch_list = [next(stream) for _ in range(batches)]
        rates = [batch.inputs.values[:, 0].astype(np.float32) for batch in batch_list]
        betas = [
            rule.signed_beta(State({}, constants=state.constants, steps=steps))
            for steps in range(k * batches, (k + 1) * batches)
        ]
        for name in order.permutation(IMPLEMENTATIONS):
            for j, (batch, x, beta) in enumerate(zip(batch_list, rates, betas, strict=True)):
                start = time.perf_counter()
                if name in others:
                    others[name].step(x, batch.labels, beta)
                else:
                    rule.step(circuit, state, batch)
                times[name][k, j] = time.perf_counter() - start
    final = [{name: values.numpy() for name, values in other.weights.items()} for other in others.values()]
    return {name: seconds[1:] for name, seconds in times.items()}, initial, [state.weights, *final]


def largest_difference(initial, final):
    """The largest difference from snnlab's weights, relative to the largest change of the projection."""
    differences = [
        np.abs(other[name] - values).max() / np.abs(values - initial[name]).max()
        for name, values in final[0].items()
        for other in final[1:]
    ]
    return float(np.max(differences))  # unlike Python's max, it propagates NaN


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with MNIST (default: $SNNLAB_DATA)")
    parser.add_argument("--batches", type=int, default=20, help="batches per round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each implementation (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(words)
    limits = {"batches": 1500, "rounds": 100, "threads": engine.cores()}
    for name, highest in limits.items():
        if not 1 <= (value := getattr(options, name)) <= highest:
            parser.error(f"--{name}: got {value}; must be 1 to {highest}")
    if find_spec("torch") is None:
        parser.exit(1, f"bench_corinfomax: {INSTALL}\n")
    try:
        config = EXPERIMENTS["corinfomax-mnist"].config(seed=0, folder=options.data, threads=options.threads)
    except InputError as error:
        parser.exit(1, f"bench_corinfomax: {error}\n")
    if (options.rounds + 1) * options.batches > config.batches_per_epoch:
        problem = f"--batches: got {options.batches} in {options.rounds} rounds and a warm-up"
        parser.exit(2, f"bench_corinfomax: {problem}; an epoch has {config.batches_per_epoch}\n")
    times, initial, final = run_rounds(config, options.rounds, options.batches)
    if not (difference := largest_difference(initial, final)) < TOLERANCE:
        parser.exit(1, f"bench_corinfomax: weights differ by {difference:.3g} of their largest change\n")
    ours = np.median(times["snnlab"], axis=1)
    rows = {
        name: {"ms": 1e3 * float(np.median(one)), "ratio": float(np.median(np.median(one, axis=1) / ours))}
        for name, one in times.items()
    }
    busy = os.getloadavg()[0] > options.threads + 0.5
    if options.json:
        report = {"threads": options.threads, "difference": difference, "ways": rows, "busy": busy}
        print(json.dumps(report, indent=2))
        return 0
    for name, row in rows.items():
        print(f"{name:20} {row['ms']:8.2f} ms per batch  {row['ratio']:6.2f} times as long")
    print(
        f"PyTorch {version('torch')}, {options.threads} threads; "
        f"weights differ by {difference:.1g} of their largest change"
    )
    if busy:
        print("the machine was busy: times are longer than on an idle machine, and ratios less certain")
    return 0


if __name__ == "__main__":
    sys.exit(main())
