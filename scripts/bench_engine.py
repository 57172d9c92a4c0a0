#!/usr/bin/env python3
"""Measure the speed of the engine: 784-800-10 and 15C5-P2-40C5-P2-300-10 for 400 steps, on spikes of MNIST.

    python scripts/bench_engine.py --data DIR [--threads N] [--json]

With one thread and with all, after training on a hundred batches: training as in `snnlab train` (encoding, forward,
backward, optimiser), the forward pass alone, and the time of each part with one thread. For comparison: the bandwidth
of the caches, a float32 matrix product, and the same forward pass in Brian2. Results are medians; measure on an idle
machine.
"""

import argparse
import copy
import ctypes
import json
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest import mock

import brian2
import numpy as np

from snnlab import engine, native
from snnlab.brian.model import build_model
from snnlab.experiments import EXPERIMENTS
from snnlab.training.prefetching import prefetch

# network -> experiment, samples per batch, batches
NETWORKS = {"784-800-10": ("hm2bp-mnist", 64, 40), "15C5-P2-40C5-P2-300-10": ("hm2bp-mnist-conv", 32, 10)}
LEARNED, WARM_UP = 100, 3
BANDWIDTH = """
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>
// Bytes per second at which `threads` cores each read their own `bytes` repeatedly, as rows of weights are read.
extern "C" double bandwidth(long bytes, int threads, double seconds);
typedef float vec __attribute__((vector_size(64)));
double bandwidth(long bytes, int threads, double seconds) {
    using clock = std::chrono::steady_clock;
    std::vector<double> rates(threads);
    std::atomic<int> ready{0};
    const auto work = [&](int which) {
        const long n = bytes / 64;
        vec* data = new vec[n]();
        vec sum[4] = {};
        for (++ready; ready < threads;) {}
        const auto start = clock::now();
        double elapsed = 0;
        long passes = 0;
        for (; elapsed < seconds; elapsed = std::chrono::duration<double>(clock::now() - start).count(), ++passes)
            for (long k = 0; k + 4 <= n; k += 4)
                for (int j = 0; j < 4; ++j) sum[j] += data[k + j];
        data[0] = sum[0] + sum[1] + sum[2] + sum[3];
        volatile float keep = data[0][0];
        (void)keep;
        rates[which] = double(passes) * bytes / elapsed;
        delete[] data;
    };
    std::vector<std::thread> pool;
    for (int k = 1; k < threads; ++k) pool.emplace_back(work, k);
    work(0);
    for (auto& one : pool) one.join();
    double total = 0;
    for (double rate : rates) total += rate;
    return total;
}
"""


def calibrate(threads):
    """Bandwidth of each cache level in GB/s, and speed of a matrix product in GFLOP/s."""
    library = native.library(BANDWIDTH, name="bandwidth")
    library.bandwidth.restype = ctypes.c_double
    library.bandwidth.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_double]
    read = {name: library.bandwidth(size, threads, 0.3) / 1e9 for name, size in (("L2", 1 << 20), ("L3", 24 << 20))}
    a = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    times = [timed(lambda: a @ a) for _ in range(4)]
    return {
        "L2_GB_per_s": read["L2"],
        "L3_GB_per_s": read["L3"],
        "matmul_float32_GFLOP_per_s": 2 * 2048**3 / min(times) / 1e9,
    }


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def learned(config):
    """The network after some batches: initially nearly all neurons fire, later a quarter of them."""
    state = config.rule.init(config.circuit, np.random.default_rng(0))
    for batch, _ in zip(config.batches(1), range(LEARNED), strict=False):
        state, _ = config.rule.step(config.circuit, state, batch)
    return state


def with_threads(config, threads):
    """The same configuration with this number of threads."""
    return replace(config, threads=threads)


def bench_training(config, state, many):
    """Samples per second of encoding, forward, backward and optimiser together.

    With several threads, batches are encoded ahead, as in training.
    """
    state, batches = copy.deepcopy(state), config.batches(2)
    batches = batches if config.threads == 1 else prefetch(batches)
    times = [timed(lambda: config.rule.step(config.circuit, state, next(batches))) for _ in range(WARM_UP + many)]
    batches.close()
    return config.batch / statistics.median(times[WARM_UP:])


def bench_forward(config, state, many):
    """Samples per second of the forward pass, and the bytes of weights read per sample; None unless all are full."""
    circuit = config.circuit.with_weights(state.weights)
    times, read = [], []
    for batch, _ in zip(config.batches(2), range(WARM_UP + many), strict=False):
        start = time.perf_counter()
        with engine.threads(config.threads):
            found = engine.run(circuit, {circuit.input.name: batch.inputs})
        times.append(time.perf_counter() - start)
        spikes = {circuit.input.name: batch.inputs} | {name: one.spikes for name, one in found.items()}
        read.append(sum(len(spikes[one.pre]) * one.weights.shape[1] * 4 for one in circuit.projections) / config.batch)
    full = all(isinstance(one.weights, np.ndarray) for one in circuit.projections)
    return config.batch / statistics.median(times[WARM_UP:]), statistics.mean(read) if full else None


def breakdown(config, state, many):
    """Microseconds of processor time per sample with one thread, for each part of training."""
    spent = defaultdict(list)

    def watched(function, name):
        def call(*arguments, **options):
            start = time.thread_time()
            found = function(*arguments, **options)
            spent[name(arguments)][-1] += time.thread_time() - start
            return found

        return call

    parts = [
        (engine, "run", lambda _: "forward"),
        (engine, "products", lambda arguments: f"products of {arguments[0].name}"),
        (type(config.rule.optimiser), "step", lambda _: "optimiser"),
    ]
    state, batches = copy.deepcopy(state), config.batches(2)
    with ExitStack() as stack:
        for owner, name, title in parts:
            stack.enter_context(mock.patch.object(owner, name, watched(getattr(owner, name), title)))
        names = ["encoding", "forward", *(f"products of {one.name}" for one in reversed(config.circuit.projections))]
        for _ in range(WARM_UP + many):
            for name in (*names, "optimiser", "rest"):
                spent[name].append(0.0)
            start = time.thread_time()
            batch = next(batches)
            encoded = time.thread_time()
            config.rule.step(config.circuit, state, batch)
            done = time.thread_time()
            spent["encoding"][-1] = encoded - start
            spent["rest"][-1] = done - start - sum(one[-1] for one in spent.values())
    return {name: statistics.median(times[WARM_UP:]) / config.batch * 1e6 for name, times in spent.items()}


def bench_network(experiment, batch, batches, threads, folder):
    """All results of one network, with one thread and with `threads`."""
    config = EXPERIMENTS[experiment].with_options({"batch": batch}).config(seed=0, folder=folder, threads=threads)
    with engine.threads(threads):
        state = learned(with_threads(config, threads))
    rates = {}
    for many in sorted({1, threads}):
        with engine.threads(many):
            training = bench_training(with_threads(config, many), state, batches)
        forward, read = bench_forward(with_threads(config, many), state, batches)
        rates[many] = {"training_samples_per_s": training, "forward_samples_per_s": forward}
        if read is not None:
            rates[many]["weights_read_GB_per_s"] = forward * read / 1e9
            rates[many]["share_of_L2_bandwidth"] = forward * read / 1e9 / calibrate(many)["L2_GB_per_s"]
    one, all_ = rates[1], rates[threads]
    names = ("training_samples_per_s", "forward_samples_per_s")
    result = {
        "threads": rates,
        "scaling": {name.split("_")[0]: all_[name] / one[name] / threads for name in names},
    }
    with engine.threads(1):
        result["one_thread_cpu_us_per_sample"] = breakdown(with_threads(config, 1), state, batches)
    return result, config, state


def bench_brian(circuit, spikes, samples):
    """Samples per second of the same forward pass in a compiled program of Brian2, without compilation.

    All samples are in one long run on one core, so that Brian2 need not reset the network between them.
    """
    ms, names = brian2.ms, [node.name for node in circuit.nodes]
    sample, step, neuron = spikes.events()
    keep = sample < samples
    brian2.set_device("cpp_standalone", build_on_run=False)
    groups = {
        names[0]: brian2.SpikeGeneratorGroup(784, neuron[keep], (sample * spikes.steps + step)[keep] * ms, dt=1 * ms)
    }
    synapses = []
    for node in circuit.populations:
        groups[node.name] = build_model(node).group(node.size, dt=1 * ms)
    for one in circuit.projections:
        synapses.append(brian2.Synapses(groups[one.pre], groups[one.post], "w : 1", on_pre="q_post += w", dt=1 * ms))
        synapses[-1].connect()
        synapses[-1].w = np.asarray(one.weights, dtype=float).ravel()
    monitors = [brian2.SpikeMonitor(groups[name]) for name in names[1:]]
    brian2.Network(*groups.values(), *synapses, *monitors).run(samples * spikes.steps * ms, namespace={})
    with tempfile.TemporaryDirectory() as folder:
        brian2.device.build(directory=folder, run=False)
        start = time.perf_counter()
        brian2.device.run(folder, with_output=False)
        program = time.perf_counter() - start
        run = brian2.device._last_run_time
    if not 0 < run <= program:
        raise SystemExit("Brian2 did not report its run time")
    return samples / run


def show(values, indent=0):
    """A nested dict as lines."""
    for name, value in values.items():
        if isinstance(value, dict):
            print(f"{'':{indent}}{name}")
            show(value, indent + 2)
        else:
            print(f"{'':{indent}}{name:{38 - indent}} {value:.4g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds MNIST (default: $SNNLAB_DATA)")
    parser.add_argument("--threads", type=int, default=engine.cores())
    parser.add_argument("--network", choices=[*NETWORKS], action="append", help="default: all of them")
    parser.add_argument("--brian-samples", type=int, default=50, help="0 to skip Brian2")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result, kept = {"calibration": calibrate(options.threads)}, None
    for name in options.network or NETWORKS:
        result[name], config, state = bench_network(*NETWORKS[name], options.threads, options.data)
        if name == "784-800-10":
            kept = name, config.circuit.with_weights(state.weights), next(config.batches(2)).inputs
    unit = 2**20 if sys.platform == "darwin" else 2**10
    result["peak_memory_MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    if options.brian_samples and kept:  # last, since it changes what Brian2 compiles for
        name, circuit, spikes = kept
        result[name]["brian2_cpp_forward_samples_per_s"] = bench_brian(circuit, spikes, options.brian_samples)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


if __name__ == "__main__":
    main()
