"""Sets of experiments that are compared: the same data, hidden layers and epochs.

All else is each one's own, but for what is changed here because it goes with the size of the layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Entry:
    """An experiment by the name that it has in a comparison, and what is changed of it."""

    label: str
    experiment: str
    changes: Mapping[str, str]


@dataclass(frozen=True)
class Suite:
    """Experiments that are compared, in the order in which they are drawn."""

    name: str
    summary: str
    entries: tuple[Entry, ...]


_ALIKE = {"epochs": "10", "network.hidden": "500"}

CREDIT = Suite(
    "credit",
    "seven ways to assign credit on MNIST, 784-500-10, 10 epochs: accuracy and the angle to the gradient",
    (
        Entry("backpropagation", "backprop-layers-mnist", _ALIKE),
        Entry("feedback alignment", "feedback-alignment-mnist", _ALIKE),
        Entry("HM2-BP", "hm2bp-mnist", _ALIKE),
        Entry(
            "dendritic errors", "dendritic-mnist", _ALIKE | {"network.mixing": "0.3,0.8", "rule.init_scale": "0.5,0.1"}
        ),
        Entry("CorInfoMax", "corinfomax-mnist", _ALIKE),
        Entry("self-assembly", "sal-mnist", _ALIKE | {"network.descending": "1000", "rule.learning_rate": "0.03"}),
        Entry("Z-IL", "z-il-mnist", _ALIKE),
    ),
)

SUITES: Mapping[str, Suite] = MappingProxyType({suite.name: suite for suite in (CREDIT,)})
"""All of them, by name."""
