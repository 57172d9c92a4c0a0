"""Sets of experiments that are compared: the same data, sizes and budget for all."""

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


def _entry(label: str, experiment: str, **changes: str) -> Entry:
    return Entry(label, experiment, MappingProxyType({name.replace("__", "."): one for name, one in changes.items()}))


_BUDGET = {"epochs": "5", "network__hidden": "500"}

CREDIT = Suite(
    "credit",
    "seven ways to assign credit on MNIST, 784-500-10, 5 epochs: accuracy and the angle to the gradient",
    (
        _entry("backpropagation", "backprop-layers-mnist", **_BUDGET),
        _entry("feedback alignment", "feedback-alignment-mnist", **_BUDGET),
        _entry("HM2-BP", "hm2bp-mnist", **_BUDGET),
        _entry("dendritic errors", "dendritic-mnist", **_BUDGET, network__mixing="0.3,0.8", rule__spread="0.5,0.1"),
        _entry("CorInfoMax", "corinfomax-mnist", **_BUDGET),
        _entry("self-assembly", "sal-mnist", **_BUDGET, network__descending="1000"),
        _entry("Z-IL", "z-il-mnist", **_BUDGET),
    ),
)

SUITES: Mapping[str, Suite] = MappingProxyType({suite.name: suite for suite in (CREDIT,)})
"""All of them, by name."""
