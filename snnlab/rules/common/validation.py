"""Checks that several rules share. An error names the rule's class and its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError, one_of


def check_not_negative(rule: object, *names: str) -> None:
    """Raises InputError unless each option is a finite number >= 0, or a non-empty tuple of such numbers."""
    _check(rule, names, lambda number: 0 <= number < float("inf"), "at least 0")


def check_positive(rule: object, *names: str) -> None:
    """Raises InputError unless each option is a finite number > 0, or a non-empty tuple of such numbers."""
    _check(rule, names, lambda number: 0 < number < float("inf"), "above 0")


def check_share(rule: object, *names: str) -> None:
    """Raises InputError unless each option is a number from 0 to 1, or a non-empty tuple of such numbers."""
    _check(rule, names, lambda number: 0 <= number <= 1, "from 0 to 1")


def check_one_of(rule: object, **literals: Any) -> None:
    """Raises InputError unless each option is a value of its Literal."""
    for name, literal in literals.items():
        value = getattr(rule, name)
        if value not in get_args(literal):
            raise InputError(_field(rule, name), f"got {value!r}", one_of(str(value), get_args(literal)))


def check_outputs(outputs: int, classes: int | None) -> None:
    """Raises InputError unless there is one output neuron per class; None skips the check."""
    if classes is not None and outputs != classes:
        problem = f"{outputs} output neurons for samples of {classes} classes"
        raise InputError("network.outputs", problem, "must be one output neuron per class")


def check_labels(labels: NDArray[np.int64], samples: int, classes: int, where: str) -> None:
    """Raises InputError unless the labels are integers (samples,) from 0 to classes - 1, of at least one sample."""
    if labels.dtype.kind not in "iu" or labels.shape != (samples,):
        raise InputError(f"{where}: batch", f"got labels {labels.dtype} {labels.shape}", f"expected int64 ({samples},)")
    if not len(labels) or not 0 <= labels.min() <= labels.max() < classes:
        problem = f"got labels {labels.min()} to {labels.max()}" if len(labels) else "no samples"
        raise InputError(f"{where}: batch", problem, f"must be samples with labels 0 to {classes - 1}")


def check_target_rates(rule: Any) -> None:
    """Raises InputError unless the target rate of the label's output, `high`, is above that of the others, `low`."""
    if not rule.low < rule.high:
        raise InputError(_field(rule, "high"), f"got {rule.high}", f"must be above low, {rule.low}")


def _check(rule: object, names: tuple[str, ...], valid: Callable[[float], bool], hint: str) -> None:
    for name in names:
        value = getattr(rule, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not numbers or not all(map(valid, numbers)):
            raise InputError(_field(rule, name), f"got {value}", f"must be finite and {hint}")


def _field(rule: object, name: str) -> str:
    return f"{type(rule).__name__}.{name}"
