#!/usr/bin/env python3
"""Milliseconds for a batch of CorInfoMax on MNIST, 784-500-10, batches of 20: snnlab beside the same rule in PyTorch.

    python scripts/bench_corinfomax.py --data DIR [--batches N] [--rounds N] [--threads N] [--json]

PyTorch comes with the extra `bench`; a CPU build of it, installed before, spares a large download.

The same for all: first weights, batches, signs of the teacher, steps, float32, threads. PyTorch takes the rule as it is
written, with one matrix product for each connection in every step and one for each change of weights: once with the
input's product in every step too, as the authors' code has it, and once with that product before the steps, as it stays
the same in both phases. Rounds of batches alternate, in one process. Times are medians over all batches, ratios medians
over rounds. Stops with an error where all have learned and their weights differ by more than 1e-3 of the largest.
"""

import argparse
import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from snnlab import engine
from snnlab.errors import Refused
from snnlab.experiments import EXPERIMENTS
from snnlab.rules import settling

CLOSE = 1e-3
INSTALL = 'needs PyTorch: pip install "snnlab-brian[bench]"'
W1, W2, C, B1, B2 = (
    "input->hidden1.basal",
    "hidden1->output.basal",
    "output->hidden1.apical",
    "hidden1->hidden1.lateral",
    "output->output.lateral",
)


class InTorch:
    """The rule on tensors (samples, cells). once: whether the product of the input stands before the steps."""

    def __init__(self, rule, body, weights, once):
        import torch

        self.torch, self.rule, self.body, self.once = torch, rule, body, once
        self.weights = {name: torch.tensor(values) for name, values in weights.items()}

    def phase(self, x, somata, steps, nudge, target):
        """Rates of both layers after so many steps."""
        w, body = self.weights, self.body
        g, eps, gamma = body.leak, body.epsilon, body.gamma
        hidden, output = somata
        heard = x @ w[W1] if self.once else None
        r, s = hidden.clamp(0, 1), output.clamp(0, 1)
        for mu in body.steps(steps):
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
        r0, s0 = self.phase(x, zeros, rule.free, 0.0, target)
        r1, s1 = self.phase(x, (r0, s0), rule.nudged, beta, target)
        up = x.T @ ((r1 - x @ w[W1]) - (r0 - x @ w[W1]))
        out = r1.T @ (s1 - r1 @ w[W2]) - r0.T @ (s0 - r0 @ w[W2])
        down = s1.T @ (r1 - s1 @ w[C]) - s0.T @ (r0 - s0 @ w[C])
        for name, rate, asked in zip((W1, W2, C), (*rule.forward, *rule.backward), (up, out, down), strict=True):
            w[name] += rate / (beta * many) * asked
        for name, rates in ((B1, r1), (B2, s1)):
            z = rates @ w[name]
            w[name] = (w[name] - self.body.gamma / many * (z.T @ z)) / self.body.forgetting


def rounds(trial, many, batches):
    """Seconds of every batch (way -> (rounds, batches)), and the weights that each way ends with."""
    import torch

    torch.set_num_threads(trial.threads)
    rule, body = trial.rule, settling.body(trial.circuit, "CorInfoMax")
    state = rule.init(trial.circuit, np.random.default_rng(0))
    once, always = (InTorch(rule, body, state.weights, once) for once in (True, False))
    coming = trial.batches(1)
    took = {name: np.zeros((many + 1, batches)) for name in ("snnlab", "PyTorch, input once", "PyTorch")}
    for k in range(many + 1):  # the first is for warming up
        shown = [next(coming) for _ in range(batches)]
        seen = [one.inputs.values[:, 0].astype(np.float32) for one in shown]
        betas = []
        for j, one in enumerate(shown):
            betas.append(rule.beta(state))
            began = time.perf_counter()
            state, _ = rule.step(trial.circuit, state, one)
            took["snnlab"][k, j] = time.perf_counter() - began
        for name, way in (("PyTorch, input once", once), ("PyTorch", always)):
            for j, (x, one, beta) in enumerate(zip(seen, shown, betas, strict=True)):
                began = time.perf_counter()
                way.step(x, one.labels, beta)
                took[name][k, j] = time.perf_counter() - began
    ends = [state.weights, *({name: one.numpy() for name, one in way.weights.items()} for way in (once, always))]
    return {name: seconds[1:] for name, seconds in took.items()}, ends


def apart(ends):
    """The largest difference from snnlab's weights, relative to the largest of the projection."""
    found = [
        np.abs(other[name] - values).max() / np.abs(values).max()
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
    if min(options.batches, options.rounds) < 1 or not 1 <= options.threads <= engine.cores():
        parser.error(f"needs --batches and --rounds of at least 1, and --threads of 1 to {engine.cores()}")
    if find_spec("torch") is None:
        parser.exit(1, f"bench_corinfomax: {INSTALL}\n")
    try:
        trial = EXPERIMENTS["corinfomax-mnist"].trial(seed=0, folder=options.data, threads=options.threads)
    except Refused as refusal:
        parser.exit(1, f"bench_corinfomax: {refusal}\n")
    took, ends = rounds(trial, options.rounds, options.batches)
    if not (difference := apart(ends)) < CLOSE:
        parser.exit(1, f"bench_corinfomax: weights differ by {difference:.3g} of the largest\n")
    ours = np.median(took["snnlab"], axis=1)
    rows = {
        name: {"ms": 1e3 * float(np.median(one)), "ratio": float(np.median(np.median(one, axis=1) / ours))}
        for name, one in took.items()
    }
    busy = os.getloadavg()[0] > options.threads + 0.5
    if options.json:
        print(json.dumps({"threads": options.threads, "difference": difference, "ways": rows, "busy": busy}, indent=2))
        return 0
    for name, row in rows.items():
        print(f"{name:20} {row['ms']:8.2f} ms a batch  {row['ratio']:6.2f} times as long")
    print(f"largest difference of weights {difference:.1g}, {options.threads} threads")
    if busy:
        print("other programs were running: times are longer than on a machine of its own, and ratios less sure")
    return 0


if __name__ == "__main__":
    sys.exit(main())
