#!/usr/bin/env python3
"""Measure the time to decode the recordings of N-MNIST, to write the spike cache, and to read a batch of 64 from it.

    python scripts/bench_data.py                   the recordings in $SNNLAB_DATA
    python scripts/bench_data.py --copies 10       each recording ten times
    python scripts/bench_data.py --data DIR --threads 2 --json

All recordings are read once first, so that the speed of the disk does not matter. On a busy machine, processor time is
more reliable than wall time; both are printed.
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


def timed(work):
    """Wall time and processor time in seconds, and the result."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - processor, result


def load_copies(data, copies, folder):
    """The recordings, or links in `folder` to `copies` of each."""
    recordings = datasets.load("nmnist", "train", folder=data)
    if copies == 1:
        return recordings
    train = Path(folder, "nmnist", "Train")
    for copy in range(copies):
        for number, label, path in zip(recordings.numbers, recordings.labels, recordings.paths(), strict=True):
            link = train / str(label) / f"{1 + number + copy * (1 + recordings.numbers.max()):05}.bin"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
    return datasets.load("nmnist", "train", folder=Path(folder))


def decode(recordings):
    for events in datasets.read_events(recordings):
        len(events)


def bench(recordings, threads):
    encoder, cache = Sensor(), Path(os.environ["SNNLAB_CACHE"], "spikes")
    encoder.spikes(datasets.read_events(recordings), recordings.shape)  # compiles the code and reads every file
    decoding = min(timed(lambda: decode(recordings))[1] for _ in range(ROUNDS))
    writing = []
    for _ in range(ROUNDS):
        shutil.rmtree(cache, ignore_errors=True)
        with native.threads(threads):
            writing.append(timed(lambda: encoder.prepare(recordings))[:2])
    wall, processor = np.min(writing, axis=0)
    opening, _, cached = timed(lambda: encoder.prepare(recordings))
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, len(cached), BATCH) for _ in range(BATCHES)]
    reading = [timed(lambda batch=batch: cached.take(batch).spikes())[0] for batch in batches]
    return {
        "recordings": len(recordings),
        "threads": threads,
        "recordings_per_s": len(recordings) / wall,
        "recordings_per_s_by_processor_time": threads * len(recordings) / processor,
        "decoding_us_per_recording": 1e6 * decoding / len(recordings),
        "writing_us_per_recording": 1e6 * processor / len(recordings),
        "cache_bytes_per_recording": next(cache.iterdir()).stat().st_size / len(recordings),
        "opening_ms": 1e3 * opening,
        "batch_ms": 1e3 * statistics.median(reading),
        "spikes_per_recording": len(cached.ids) / len(recordings),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of the datasets (default: $SNNLAB_DATA)")
    parser.add_argument("--copies", type=int, default=1, help="how often each recording is used (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=native.cores(), help="default: all cores")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SNNLAB_CACHE"] = str(Path(folder, "cache"))
        results = bench(load_copies(options.data, options.copies, folder), options.threads)
    if options.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        print(f"{name:<36}{value:>12,.2f}" if isinstance(value, float) else f"{name:<36}{value:>12,}")


if __name__ == "__main__":
    main()
