#!/usr/bin/env python3
"""Milliseconds for a batch of CorInfoMax on MNIST, 784-500-10, batches of 20: snnlab beside the same rule in PyTorch.

    python scripts/bench_corinfomax.py --data DIR [--batches N] [--rounds N] [--threads N] [--json]

PyTorch comes with the extra `bench`; a CPU build of it, installed before, spares a large download.

The same for all: first weights, batches, signs of the teacher, steps, float32, threads. PyTorch takes the rule eagerly,
without gradients, with one matrix product for each connection in every step and one for each change of weights: once
as it is written, with the input's product in every step too, as the authors' code has it, and once with that product
made once a batch. snnlab's time has all of a step of learning in it, checks and score among it; PyTorch's begins with
the batch in float32.

Rounds of batches in one process, the ways in random order in each. Times are medians over all batches, ratios medians
over rounds. Stops with an error if the weights of one way differ from snnlab's in the end by more than 5 % of the most
that a weight of that projection has changed by. (Lateral weights grow by 1e-5 of themselves in a batch, of which
float32 rounds away some percent.)
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

CLOSE = 0.05
WAYS = ("snnlab", "PyTorch, input once", "PyTorch")
INSTALL = 'needs PyTorch: pip install "snnlab-brian[bench]"'
W1, W2, C, B1, B2 = (
    "input->hidden1.basal",
    "hidden1->output.basal",
    "output->hidden1.apical",
    "hidden1->hidden1.lateral",
    "output->output.lateral",
)


class InTorch:
    """The rule on tensors (samples, cells). once: whether the product of the input is made once a batch."""

    def __init__(self, rule, body, weights, once):
        import torch

        self.torch, self.rule, self.body, self.once = torch, rule, body, once
        self.weights = {name: torch.tensor(values) for name, values in weights.items()}

    def phase(self, x, heard, somata, steps, nudge, target):
        """Rates of both layers after so many steps; `heard` is the product of the input, or None."""
        w, body = self.weights, self.body
        g, eps, gamma = body.leak, body.epsilon, body.gamma
        hidden, output = somata
        r, s = hidden.clamp(0, 1), output.clamp(0, 1)
        for mu in body.step_sizes(steps):
            basal = x @ w[W1] if heard is None else heard
            apical = eps * (2 * gamma * (r @ w[B1]) + g * r) + s @ w[C]
            above = gamma * (s @ w[B2]) + g * s - nudge * (s - target)
            moved = -g * hidden + (basal - hidden) / eps + (apical - hidden) / eps
            output = output + mu * (-g * output + (r @ w[W2] - output) / eps + (above - output))
            hidden = hidden + mu * moved
            r, s = hidden.clamp(0, 1), output.clamp(0, 1)
        return r, s

    def step(self, x, labels, beta):
        """Learn from one batch, with the rates of the first epoch."""
        w, rule, many = self.weights, self.rule, len(labels)
        x = self.torch.from_numpy(x)
        target = self.torch.nn.functional.one_hot(self.torch.from_numpy(labels), w[W2].shape[1]).float()
        zeros = [self.torch.zeros(many, w[name].shape[1]) for name in (W1, W2)]
        heard = x @ w[W1] if self.once else None
        r0, s0 = self.phase(x, heard, zeros, rule.free_steps, 0.0, target)
        r1, s1 = self.phase(x, heard, (r0, s0), rule.nudged_steps, beta, target)
        # what the input predicts is the same in both phases
        up = x.T @ (r1 - r0) if self.once else x.T @ (r1 - x @ w[W1]) - x.T @ (r0 - x @ w[W1])
        out = r1.T @ (s1 - r1 @ w[W2]) - r0.T @ (s0 - r0 @ w[W2])
        down = s1.T @ (r1 - s1 @ w[C]) - s0.T @ (r0 - s0 @ w[C])
        for name, rate, asked in zip(
            (W1, W2, C), (*rule.learning_rate, *rule.backward_learning_rate), (up, out, down), strict=True
        ):
            w[name] += rate / (beta * many) * asked
        for name, rates in ((B1, r1), (B2, s1)):
            z = rates @ w[name]
            w[name] = (w[name] - self.body.gamma / many * (z.T @ z)) / self.body.forgetting


def rounds(config, many, batches):
    """Seconds of every batch (way -> (rounds, batches)), the first weights, and those that each way ends with."""
    import torch

    torch.set_num_threads(config.threads)
    rule, circuit, body = config.rule, config.circuit, dynamics(config.circuit, "CorInfoMax")
    state = rule.init(circuit, np.random.default_rng(0))
    first = {name: values.copy() for name, values in state.weights.items()}
    others = {name: InTorch(rule, body, first, name != WAYS[-1]) for name in WAYS[1:]}
    took = {name: np.zeros((many + 1, batches)) for name in WAYS}
    coming, order = config.batches(1), np.random.default_rng(0)
    for k in range(many + 1):  # the first is for warming up
        shown = [next(coming) for _ in range(batches)]
        seen = [one.inputs.values[:, 0].astype(np.float32) for one in shown]
        betas = [
            rule.signed_beta(State({}, constants=state.constants, steps=steps))
            for steps in range(k * batches, (k + 1) * batches)
        ]
        for name in order.permutation(WAYS):
            for j, (batch, x, beta) in enumerate(zip(shown, seen, betas, strict=True)):
                began = time.perf_counter()
                if name in others:
                    others[name].step(x, batch.labels, beta)
                else:
                    rule.step(circuit, state, batch)
                took[name][k, j] = time.perf_counter() - began
    learned = [{name: one.numpy() for name, one in way.weights.items()} for way in others.values()]
    return {name: seconds[1:] for name, seconds in took.items()}, first, [state.weights, *learned]


def apart(first, ends):
    """The largest difference from snnlab's weights, relative to the most that the projection has changed by."""
    found = [
        np.abs(other[name] - values).max() / np.abs(values - first[name]).max()
        for name, values in ends[0].items()
        for other in ends[1:]
    ]
    return float(np.max(found))  # not Python's max, to which what is no number may be the smaller


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that holds MNIST (default: $SNNLAB_DATA)")
    parser.add_argument("--batches", type=int, default=20, help="in a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="that count (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="that each may use (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(words)
    most = {"batches": 1500, "rounds": 100, "threads": engine.cores()}
    for name, highest in most.items():
        if not 1 <= (found := getattr(options, name)) <= highest:
            parser.error(f"--{name}: found {found}; needs 1 to {highest}")
    if find_spec("torch") is None:
        parser.exit(1, f"bench_corinfomax: {INSTALL}\n")
    try:
        config = EXPERIMENTS["corinfomax-mnist"].config(seed=0, folder=options.data, threads=options.threads)
    except InputError as refusal:
        parser.exit(1, f"bench_corinfomax: {refusal}\n")
    if (options.rounds + 1) * options.batches > config.batches_per_epoch:
        found = f"--batches: found {options.batches} in {options.rounds} rounds and one before"
        parser.exit(2, f"bench_corinfomax: {found}; an epoch has {config.batches_per_epoch}\n")
    took, first, ends = rounds(config, options.rounds, options.batches)
    if not (difference := apart(first, ends)) < CLOSE:
        parser.exit(1, f"bench_corinfomax: weights differ by {difference:.3g} of what was learned\n")
    ours = np.median(took["snnlab"], axis=1)
    rows = {
        name: {"ms": 1e3 * float(np.median(one)), "ratio": float(np.median(np.median(one, axis=1) / ours))}
        for name, one in took.items()
    }
    busy = os.getloadavg()[0] > options.threads + 0.5
    if options.json:
        said = {"threads": options.threads, "difference": difference, "ways": rows, "busy": busy}
        print(json.dumps(said, indent=2))
        return 0
    for name, row in rows.items():
        print(f"{name:20} {row['ms']:8.2f} ms a batch  {row['ratio']:6.2f} times as long")
    print(
        f"PyTorch {version('torch')}, {options.threads} threads; weights differ by {difference:.1g} of what was learned"
    )
    if busy:
        print("other programs were running: times are longer than on a machine of its own, and ratios less sure")
    return 0


if __name__ == "__main__":
    sys.exit(main())
