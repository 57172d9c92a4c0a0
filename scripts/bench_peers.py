#!/usr/bin/env python3
"""Compare the training speed of snnlab, Spyx, Norse and snnTorch: 784-800-10 on MNIST, 400 steps, batches of 64.

    python scripts/bench_peers.py --data DIR [--peers spyx norse snntorch] [--batches N] [--threads N] [--json]

The peers are installed by the extra `bench`; install a CPU build of PyTorch before to avoid a large download.

Equal for all: layers, steps, batches, input spikes (the encoder of hm2bp-mnist, seed 0), membrane time constant, Adam,
and cores. Each library runs in its own process, in the documented form that is fast on a CPU: the input currents of all
steps in one matrix product, then the LIF cells step by step.

Different: the peers train by backpropagation through time in float32 with their own surrogate gradients on the cross
entropy of the output spike counts; snnlab trains by HM2-BP, which propagates errors over spikes instead of steps. All
take one Adam step for each batch. The cells of Norse and snnlab have a synaptic current, those of the others do not;
resets are those of each library. Accuracy is not compared, but the losses are printed. The time of snnlab includes
sampling the input spikes; the peers get dense arrays that are prepared before. Compilation and warm-up are excluded.
The results are medians over batches. Measure on an idle machine: the peers slow down more than snnlab on shared cores.
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
DECAY = 1 - DT / TAU_M  # of the membrane potential in one step
LEARNING_RATE = 2e-4
PEERS = {"spyx": ("spyx", "jax"), "norse": ("norse", "torch"), "snntorch": ("snntorch", "torch")}
INSTALL = 'pip install "snnlab-brian[bench]"'


def spyx(threads):
    """A compiled step of spyx.optimize, with LIF cells under jax.lax.scan."""
    import jax.numpy as jnp
    import optax
    from flax import nnx
    from spyx import fn, nn, optimize

    rngs = nnx.Rngs(0)

    class Network(nnx.Module):
        def __init__(self):
            self.into = nnx.Linear(INPUTS, HIDDEN, use_bias=False, rngs=rngs)
            self.hidden = nn.LIF((HIDDEN,), beta=DECAY, rngs=rngs)
            self.out = nnx.Linear(HIDDEN, CLASSES, use_bias=False, rngs=rngs)
            self.output = nn.LIF((CLASSES,), beta=DECAY, rngs=rngs)

        def __call__(self, x):
            return nn.run(self.output, self.out(nn.run(self.hidden, self.into(x))[0]))[0]

    model = Network()
    optimiser = nnx.Optimizer(model, optax.adam(LEARNING_RATE), wrt=nnx.Param)
    loss = fn.integral_crossentropy(smoothing=0.0, time_axis=0)
    update = optimize.make_train_step(lambda net, x, y: loss(net(x), y))
    return lambda x, y: float(update(model, optimiser, jnp.asarray(x), jnp.asarray(y)))


def norse(threads):
    """LIF cells in a loop over steps.

    Norse's modules for sequences index a tensor in each step, and each index operation allocates a gradient of the
    size of the whole tensor: at 400 steps they train 5 samples/s instead of 80.
    """
    import norse.torch as snn
    import torch

    # a spike changes this cell's potential by weight * tau_s / tau_m in total, the others' by the weight
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
    """Leaky neurons in a loop over steps with ce_count_loss, as in the tutorials of snnTorch."""
    import snntorch as snn
    import torch
    from snntorch import functional

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.into = torch.nn.Linear(INPUTS, HIDDEN, bias=False)
            self.hidden = snn.Leaky(beta=DECAY)
            self.out = torch.nn.Linear(HIDDEN, CLASSES, bias=False)
            self.output = snn.Leaky(beta=DECAY)

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
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)

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
    except InputError as error:
        raise SystemExit(f"bench_peers: {error}") from error


def measure(name, config, batches):
    """Train one library: its speed after a warm-up, losses, memory and versions."""
    batch_iterator = config.batches(1)
    if name == "snnlab":
        batch_iterator = prefetch(batch_iterator)  # as in `train`
        state = config.rule.init(config.circuit, np.random.default_rng(0))
        work = [lambda: config.rule.step(config.circuit, state, next(batch_iterator))[1].loss] * (WARM_UP + batches)
    else:
        step = globals()[name](config.threads)
        work = (dense(step, next(batch_iterator)) for _ in range(WARM_UP + batches))
    times, losses = [], []
    for train_batch in work:
        start = time.perf_counter()
        losses.append(train_batch())
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
    """A step on dense spikes (steps, samples, inputs), which are prepared before the measurement."""
    x = np.ascontiguousarray(batch.inputs.dense().transpose(1, 0, 2), dtype=np.float32)
    return lambda: step(x, batch.labels)


def in_a_process(name, options):
    """The result of `measure` in a new process, which shares neither memory nor threads with the others."""
    command = [sys.executable, __file__, "--only", name, "--batches", options.batches, "--threads", options.threads]
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
    parser.add_argument(
        "--batches", type=int, default=10, help=f"number of batches, after {WARM_UP} of warm-up (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=engine.cores(), help="cores of each library (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", choices=["snnlab", *PEERS], help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.batches < 1 or not 1 <= options.threads <= engine.cores():
        parser.error(f"--batches must be at least 1, and --threads 1 to {engine.cores()}")
    return options


def main(words=None):
    options = read_options(words)
    if options.only:
        if hasattr(os, "sched_setaffinity"):  # JAX has no option for the number of threads
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
        print(json.dumps(measure(options.only, mnist(options), options.batches)))
        return 0
    installed = [name for name in options.peers if all(find_spec(module) for module in PEERS[name])]
    for name in options.peers:
        if name not in installed:
            print(f"{name}: skipped, not installed: {INSTALL}", file=sys.stderr)
    if not installed:
        return 1
    results = {name: in_a_process(name, options) for name in ("snnlab", *installed)}
    for name in installed:
        results[name]["snnlab_is_faster"] = results["snnlab"]["samples_per_s"] / results[name]["samples_per_s"]
    report = {"machine": machine(options.threads), "python": platform.python_version(), "training": results}
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
