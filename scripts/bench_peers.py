#!/usr/bin/env python3
"""Samples per second in training 784-800-10 on MNIST, 400 steps, batches of 64: snnlab beside Spyx, Norse and snnTorch.

    python scripts/bench_peers.py --data DIR [--peers spyx norse snntorch] [--batches N] [--threads N] [--json]

The peers come with the extra `bench`; a CPU build of PyTorch, installed before, spares a large download.

The same for all: the layers, the steps, the batches, the input spikes (the encoder of hm2bp-mnist, seed 0), the time
constant of the membrane, Adam, the cores. Each runs in a process of its own, in the form that its documentation shows
and that is fast on a CPU: the input currents of all steps in one matrix product, then the LIF cells step by step.

Not the same: the peers train by backpropagation through time in float32 with their own surrogate gradient, from the
cross entropy of the output's spike counts; snnlab trains by HM2-BP, which sends errors back over spikes and not over
steps. Both end with one Adam step for a batch. Cells differ in detail: Norse's has a synaptic current, as snnlab's has,
the others' have none; resets are each library's own. Accuracy is not compared here, but a loss that does not fall would
show. snnlab's time includes the drawing of the spikes; the peers get theirs ready-made and dense, which is not counted.
Compilation and warm-up count for nobody. Medians of the batches; quote them from a quiet machine: where the cores are
shared, the peers lose far more than their share to waiting for each other's threads.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from snnlab import engine
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.training.prefetching import prefetch

BATCH, WARM_UP = 64, 2
INPUTS, HIDDEN, CLASSES = 784, 800, 10
TAU_M, TAU_S, DT = 64e-3, 8e-3, 1e-3
KEPT = 1 - DT / TAU_M  # of the membrane's potential from one step to the next
RATE = 2e-4
PEERS = {"spyx": ("spyx", "jax"), "norse": ("norse", "torch"), "snntorch": ("snntorch", "torch")}
INSTALL = 'pip install "snnlab-brian[bench]"'


def spyx(threads):
    """One jitted step of spyx.optimize; LIF cells under jax.lax.scan."""
    import jax.numpy as jnp
    import optax
    from flax import nnx
    from spyx import fn, nn, optimize

    rngs = nnx.Rngs(0)

    class Network(nnx.Module):
        def __init__(self):
            self.into = nnx.Linear(INPUTS, HIDDEN, use_bias=False, rngs=rngs)
            self.hidden = nn.LIF((HIDDEN,), beta=KEPT, rngs=rngs)
            self.out = nnx.Linear(HIDDEN, CLASSES, use_bias=False, rngs=rngs)
            self.output = nn.LIF((CLASSES,), beta=KEPT, rngs=rngs)

        def __call__(self, x):
            return nn.run(self.output, self.out(nn.run(self.hidden, self.into(x))[0]))[0]

    model = Network()
    optimiser = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    loss = fn.integral_crossentropy(smoothing=0.0, time_axis=0)
    update = optimize.make_train_step(lambda net, x, y: loss(net(x), y))
    return lambda x, y: float(update(model, optimiser, jnp.asarray(x), jnp.asarray(y)))


def norse(threads):
    """LIF cells in a loop over steps.

    Its modules for all steps at once index a tensor in every step, and each of these gets a gradient as large as the
    whole: at 400 steps they train at 5 samples/s where these do at 80.
    """
    import norse.torch as snn
    import torch

    # a spike moves this cell's membrane by the weight times tau_s / tau_m in all, the others' by the weight
    cell = snn.LIFParameters(
        tau_mem_inv=torch.tensor(1 / TAU_M), tau_syn_inv=torch.tensor(1 / TAU_S), v_th=torch.tensor(TAU_S / TAU_M)
    )

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.into = torch.nn.Linear(INPUTS, HIDDEN, bias=False)
            self.hidden = snn.LIFCell(cell, dt=DT)
            self.out = torch.nn.Linear(HIDDEN, CLASSES, bias=False)
            self.output = snn.LIFCell(cell, dt=DT)

        def forward(self, x):
            return layer(self.output, self.out(layer(self.hidden, self.into(x))))

    def layer(cells, currents):
        state, spikes = None, []
        for current in currents:
            fired, state = cells(current, state)
            spikes.append(fired)
        return torch.stack(spikes)

    count_loss = torch.nn.CrossEntropyLoss()
    model = Network()
    return torch_step(model, model, lambda out, y: count_loss(out.sum(0), y), threads)


def snntorch(threads):
    """Leaky neurons in the loop over steps that snnTorch's tutorials have; ce_count_loss."""
    import snntorch as snn
    import torch
    from snntorch import functional

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.into = torch.nn.Linear(INPUTS, HIDDEN, bias=False)
            self.hidden = snn.Leaky(beta=KEPT)
            self.out = torch.nn.Linear(HIDDEN, CLASSES, bias=False)
            self.output = snn.Leaky(beta=KEPT)

        def forward(self, x):
            return layer(self.output, self.out(layer(self.hidden, self.into(x))))

    def layer(cells, currents):
        potential, spikes = cells.init_leaky(), []
        for current in currents:
            fired, potential = cells(current, potential)
            spikes.append(fired)
        return torch.stack(spikes)

    model = Network()
    return torch_step(model, model, functional.ce_count_loss(), threads)


def torch_step(model, forward, loss_of, threads):
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)

    def step(x, y):
        optimiser.zero_grad()
        loss = loss_of(forward(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def mnist(options):
    experiment = EXPERIMENTS["hm2bp-mnist"].with_options({"batch": BATCH})
    try:
        return experiment.config(seed=0, folder=options.data, threads=options.threads)
    except InputError as refusal:
        raise SystemExit(f"bench_peers: {refusal}") from refusal


def alone(name, config, batches):
    """Train one contender, warm-up first: seconds of each batch, and its loss."""
    coming = config.batches(1)
    if name == "snnlab":
        coming = prefetch(coming)  # as `train` does
        state = config.rule.init(config.circuit, np.random.default_rng(0))
        work = [lambda: config.rule.step(config.circuit, state, next(coming))[1].loss] * (WARM_UP + batches)
    else:
        step = globals()[name](config.threads)
        work = (dense(step, next(coming)) for _ in range(WARM_UP + batches))
    times, losses = [], []
    for one in work:
        start = time.perf_counter()
        losses.append(one())
        times.append(time.perf_counter() - start)
    return {
        "samples_per_s": BATCH / statistics.median(times[WARM_UP:]),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "peak_memory_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (2**20 if sys.platform == "darwin" else 2**10),
        "versions": {module: version(module) for module in PEERS.get(name, ("numpy",))},
    }


def dense(step, batch):
    """A step on spikes (steps, samples, inputs), made before the clock starts."""
    x = np.ascontiguousarray(batch.inputs.dense().transpose(1, 0, 2), dtype=np.float32)
    return lambda: step(x, batch.labels)


def in_a_process(name, options):
    """What `alone` finds in a fresh process, which shares neither memory nor threads with the others."""
    command = [sys.executable, __file__, "--alone", name, "--batches", options.batches, "--threads", options.threads]
    command += ["--data", options.data] if options.data else []
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: failed with exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def machine(threads):
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {threads} threads"


def read_options(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds MNIST (default: $SNNLAB_DATA)")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--batches", type=int, default=10, help=f"that are timed, after {WARM_UP} that are not")
    parser.add_argument("--threads", type=int, default=engine.cores(), help="cores that each may use")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--alone", choices=["snnlab", *PEERS], help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.batches < 1 or not 1 <= options.threads <= engine.cores():
        parser.error(f"needs --batches of at least 1, and --threads of 1 to {engine.cores()}")
    return options


def main(words=None):
    options = read_options(words)
    if options.alone:
        if hasattr(os, "sched_setaffinity"):  # JAX cannot be told how many threads to take
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
        print(json.dumps(alone(options.alone, mnist(options), options.batches)))
        return 0
    there = [name for name in options.peers if all(find_spec(module) for module in PEERS[name])]
    for name in options.peers:
        if name not in there:
            print(f"{name}: skipped, not installed: {INSTALL}", file=sys.stderr)
    if not there:
        return 1
    found = {name: in_a_process(name, options) for name in ("snnlab", *there)}
    for name in there:
        found[name]["snnlab_is_faster"] = found["snnlab"]["samples_per_s"] / found[name]["samples_per_s"]
    report = {"machine": machine(options.threads), "python": platform.python_version(), "training": found}
    print(json.dumps(report, indent=2) if options.json else table(report))
    return 0


def table(report):
    lines = [f"{report['machine']}, Python {report['python']}", ""]
    lines += [f"{'':10}{'samples/s':>10}{'ratio':>8}{'MB':>8}{'loss':>20}  versions"]
    for name, row in report["training"].items():
        ratio = f"{row['snnlab_is_faster']:.1f}" if "snnlab_is_faster" in row else ""
        loss = f"{row['first_loss']:.3g} -> {row['last_loss']:.3g}"
        versions = ", ".join(f"{module} {number}" for module, number in row["versions"].items())
        lines += [
            f"{name:10}{row['samples_per_s']:>10.1f}{ratio:>8}{row['peak_memory_MB']:>8.0f}{loss:>20}  {versions}"
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
