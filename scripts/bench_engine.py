#!/usr/bin/env python3
"""How fast the engine trains and runs 784-800-10 for 400 steps in batches of 64, on spikes of MNIST.

    python scripts/bench_engine.py --data DIR [--threads N] [--json]

In the same run: what the machine can do (bandwidth of its caches, a float32 matrix product), and the same forward pass
in Brian2. Medians of several repeats after a warm-up; quote them from a quiet machine.
"""

import argparse
import ctypes
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import brian2
import numpy as np

from snnlab import engine, native
from snnlab.equations import compose
from snnlab.experiments import EXPERIMENTS

BATCH, WARM_UP, BATCHES = 64, 3, 25
BANDWIDTH = """
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>
// Bytes per second at which `threads` cores each read `bytes` of their own over and over, as rows of weights are read.
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
    """Gigabytes per second from each cache level, and gigaflops of a matrix product."""
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


def bench_training(trial):
    """Samples per second of encoding, forward, backward and optimiser together, and the state that was learned."""
    state = trial.rule.init(trial.circuit, np.random.default_rng(0))
    batches = trial.batches(1)
    times = [timed(lambda: trial.rule.step(trial.circuit, state, next(batches))) for _ in range(WARM_UP + BATCHES)]
    return BATCH / statistics.median(times[WARM_UP:]), state


def bench_forward(trial, state):
    """Samples per second through the network alone, spikes at hand; and the bytes of weights that a sample reads."""
    circuit = trial.circuit.with_weights(state.weights)
    inputs = [batch.inputs for batch, _ in zip(trial.batches(2), range(WARM_UP + BATCHES), strict=False)]
    times, read = [], []
    for spikes in inputs:
        found = {}
        times.append(timed(lambda: found.update(engine.run(circuit, {"input": spikes}, threads=trial.threads))))  # noqa: B023
        read.append((len(spikes) * 800 + len(found["hidden1"].spikes) * 10) * 4 / BATCH)
    return BATCH / statistics.median(times[WARM_UP:]), statistics.mean(read), circuit, inputs[0]


def bench_brian(circuit, spikes, samples):
    """Samples per second of the same forward pass as a C++ program of Brian2's, compilation not counted.

    The samples follow one another in one long run, which spares Brian2 the reset between them; it runs on one core.
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
        groups[node.name] = compose(node).group(node.size, dt=1 * ms)
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
        raise SystemExit("Brian2 did not say how long it ran")
    return samples / run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds MNIST (default: $SNNLAB_DATA)")
    parser.add_argument("--threads", type=int, default=engine.cores())
    parser.add_argument("--brian-samples", type=int, default=50, help="0 leaves Brian2 out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    trial = (
        EXPERIMENTS["hm2bp-mnist"]
        .with_options({"batch": BATCH})
        .trial(seed=0, folder=options.data, threads=options.threads)
    )
    machine = calibrate(options.threads)
    training, state = bench_training(trial)
    forward, read, circuit, spikes = bench_forward(trial, state)
    result = {
        "threads": options.threads,
        "training_samples_per_s": training,
        "forward_samples_per_s": forward,
        "weights_read_GB_per_s": forward * read / 1e9,
        "share_of_L2_bandwidth": forward * read / 1e9 / machine["L2_GB_per_s"],
        "peak_memory_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (2**20 if sys.platform == "darwin" else 2**10),
        "calibration": machine,
    }
    if options.brian_samples:
        result["brian2_cpp_forward_samples_per_s"] = bench_brian(circuit, spikes, options.brian_samples)
        result["forward_ratio_to_brian2"] = forward / result["brian2_cpp_forward_samples_per_s"]
    print(
        json.dumps(result, indent=2)
        if options.json
        else "\n".join(f"{name:38} {value}" for name, value in result.items())
    )


if __name__ == "__main__":
    main()
