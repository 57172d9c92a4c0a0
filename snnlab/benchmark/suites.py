"""Suites: sets of experiments that are compared on the same data, hidden layers and epochs.

All other options are those of each experiment, except for changes that depend on the layer sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from snnlab.benchmark.records import Row, plain
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS


@dataclass(frozen=True)
class Entry:
    """An experiment with its label in a comparison, and the options changed for it."""

    label: str
    experiment: str
    changes: Mapping[str, str]


@dataclass(frozen=True)
class Suite:
    """Experiments to compare, in the order in which they are plotted."""

    name: str
    summary: str
    entries: tuple[Entry, ...]

    def rows_of(self, rows: Sequence[Row], changes: Mapping[str, Any]) -> dict[str, list[Row]]:
        """Label -> rows of this entry with its options and `changes`, for the entries that have rows.

        Raises InputError if rows of an entry differ in their number of epochs.
        """
        rows_by_label = {}
        for entry in self.entries:
            options = plain(EXPERIMENTS[entry.experiment].with_options({**entry.changes, **changes}).options())
            matching = [row for row in rows if row.experiment == entry.experiment and row.options == options]
            if len(epochs := {row.epochs for row in matching}) > 1:
                problem = f"{entry.label} with the same options after {' and '.join(map(str, sorted(epochs)))} epochs"
                raise InputError("rows", problem, "no benchmark wrote both: delete the wrong one")
            if matching:
                rows_by_label[entry.label] = matching
        return rows_by_label


_SHARED = {"epochs": "10", "network.hidden": "500"}

CREDIT = Suite(
    "credit",
    "seven ways to assign credit on MNIST, 784-500-10, 10 epochs: accuracy and the angle to the gradient",
    (
        Entry("backpropagation", "backprop-layers-mnist", _SHARED),
        Entry("feedback alignment", "feedback-alignment-mnist", _SHARED),
        Entry("HM2-BP", "hm2bp-mnist", _SHARED),
        Entry(
            "dendritic errors",
            "dendritic-mnist",
            _SHARED | {"network.mixing": "0.3,0.8", "rule.init_scale": "0.5,0.1"},
        ),
        Entry("CorInfoMax", "corinfomax-mnist", _SHARED),
        Entry("self-assembly", "sal-mnist", _SHARED | {"network.descending": "1000", "rule.learning_rate": "0.03"}),
        Entry("Z-IL", "z-il-mnist", _SHARED),
    ),
)

SUITES: Mapping[str, Suite] = MappingProxyType({suite.name: suite for suite in (CREDIT,)})
"""All of them, by name."""
