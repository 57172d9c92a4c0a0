#!/usr/bin/env python3
"""How fast N-MNIST's recordings are decoded and packed, and how long a batch of 64 takes to be read from the cache.

    python scripts/bench_data.py                   on the recordings below $SNNLAB_DATA
    python scripts/bench_data.py --copies 10          as if there were ten times as many
    python scripts/bench_data.py --data DIR --threads 2 --json

The recordings are read once before, so that the disk does not count. On a machine that has other things to do, the
seconds of processor time tell more than those of the clock; both are printed.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from snnlab import datasets, native
from snnlab.encoders import Sensor

BATCH, BATCHES, ROUNDS = 64, 200, 3


def spent(work):
    """Seconds of the clock and of processors, and what the work gave."""
    clock, processor = time.perf_counter(), time.process_time()
    given = work()
    return time.perf_counter() - clock, time.process_time() - processor, given


def several(data, copies, folder):
    """The recordings, or a folder with so many links to each of them."""
    files = datasets.load("nmnist", "train", folder=data)
    if copies == 1:
        return files
    part = Path(folder, "nmnist", "Train")
    for copy in range(copies):
        for number, label, path in zip(files.numbers, files.labels, files.paths(), strict=True):
            link = part / str(label) / f"{1 + number + copy * (1 + files.numbers.max()):05}.bin"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    return datasets.load("nmnist", "train", folder=Path(folder))


def bench(files, threads):
    code = Sensor()
    code.spikes(datasets.read_events(files), files.shape)  # compiles, and has read every file once
    decoding = min(spent(lambda: sum(len(events) for events in datasets.read_events(files)))[1] for _ in range(ROUNDS))
    packing = []
    for _ in range(ROUNDS):
        shutil.rmtree(Path(os.environ["SNNLAB_CACHE"]) / "spikes", ignore_errors=True)
        with native.threads(threads):
            packing.append(spent(lambda: code.prepare(files)))
    clock, processor = (min(seconds[k] for seconds in packing) for k in (0, 1))
    opening, _, packed = spent(lambda: code.prepare(files))
    rng, reading = np.random.default_rng(0), []
    for _ in range(BATCHES):
        which = rng.integers(0, len(packed), BATCH)
        reading.append(spent(lambda which=which: packed.take(which).spikes())[0])
    cached = next((Path(os.environ["SNNLAB_CACHE"]) / "spikes").iterdir()).stat().st_size
    return {
        "recordings": len(files),
        "threads": threads,
        "recordings_per_s": len(files) / clock,
        "recordings_per_s_by_processor_time": threads * len(files) / processor,
        "decoding_us_per_recording": 1e6 * decoding / len(files),
        "packing_us_per_recording": 1e6 * processor / len(files),
        "cache_bytes_per_recording": cached / len(files),
        "opening_ms": 1e3 * opening,
        "batch_ms": 1e3 * statistics.median(reading),
        "spikes_per_recording": len(packed.ids) / len(files),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the data, if not $SNNLAB_DATA")
    parser.add_argument("--copies", type=int, default=1, help="links to each recording (default 1)")
    parser.add_argument("--threads", type=int, default=native.cores(), help="all cores if left out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SNNLAB_CACHE"] = str(Path(folder, "cache"))
        files = several(options.data, options.copies, folder)
        found = bench(files, options.threads)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<36}{value:>12,.2f}" if isinstance(value, float) else f"{name:<36}{value:>12,}")


if __name__ == "__main__":
    main()
