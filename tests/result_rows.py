"""Benchmark rows without training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from snnlab.benchmark.records import Row, appending, plain
from snnlab.experiments import EXPERIMENTS

_DIGITS = EXPERIMENTS["hm2bp-digits"]
ROW = Row(
    experiment="hm2bp-digits", seed=0, changes={}, options=plain(_DIGITS.options()), cards=_DIGITS.digests(),
    network="64-100-10", samples={"train": 1437, "test": 360}, epochs=2,
    test_accuracy=0.75, train_accuracy=0.5, test_curve=[0.9, 0.75],
    train_curve=[0.25, 0.5], wall_s=12.0, train_samples_per_s=100.0, test_samples_per_s=200.0, reported=None,
    reference="a paper", threads=1, versions={"python": "3.11"}, machine={"cores": 2},
    cost={"spikes": {"hidden1": 400.0, "output": 50.0}, "input_spikes": 700.0, "dense": 4e5, "effective_acs": 2e4,
          "effective_macs": 0.0, "activation_sparsity": 0.98, "connection_sparsity": 0.0, "parameters": 7400,
          "footprint_bytes": 30480},
)  # fmt: skip


def row_of(experiment: str, accuracy: float = 0.5, seed: int = 0, **changes: Any) -> Row:
    """A row of an experiment with changed options."""
    changed = EXPERIMENTS[experiment].with_options(changes)
    return replace(
        ROW, experiment=experiment, seed=seed, changes=plain(changes), options=plain(changed.options()),
        cards=changed.digests(), reported=changed.reported, reference=changed.reference, test_accuracy=accuracy,
        test_curve=[1.0, accuracy],
    )  # fmt: skip


def write_rows(path: Path, *rows: Row) -> Path:
    with appending(path) as (_, append):
        for row in rows:
            append(row)
    return path
