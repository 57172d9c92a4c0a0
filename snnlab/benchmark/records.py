"""Result rows: one trained network each, stored as a line of JSON from which it can be trained again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from snnlab.errors import InputError
from snnlab.training.cost import Cost

_START = b'{"experiment": '
_HINT = "must be a file written by `snnlab bench`, or a new one"


@dataclass(frozen=True)
class Row:
    """Result of one training. Accuracies are 0 to 1, of the last epoch.

    changes          options that differ from the experiment's defaults; `options` are all of them
    cards            path -> digest of each card used
    network          neurons of each layer, from the input
    samples          numbers of "train" and "test" samples
    *_curve          accuracy after each epoch
    cost             cost of a test sample, see `snnlab.training.cost.Cost`
    wall_s           seconds of training and testing, over all epochs
    *_samples_per_s  mean speed over all epochs
    reported         test accuracy in `reference`, None if it has none
    threads          threads of this training
    versions         package -> version, None if not installed
    machine          platform, processor and cores
    angles           projection -> degrees between the rule's update and the gradient, after each epoch; only for rules
                     with a gradient, see snnlab/rules/common/gradient_angle.py
    """

    experiment: str
    seed: int
    changes: dict[str, Any]
    options: dict[str, Any]
    cards: dict[str, Any]
    network: str
    samples: dict[str, int]
    epochs: int
    test_accuracy: float
    train_accuracy: float
    test_curve: list[float]
    train_curve: list[float]
    cost: dict[str, Any]
    wall_s: float
    train_samples_per_s: float
    test_samples_per_s: float
    reported: float | None
    reference: str
    threads: int
    versions: dict[str, Any]
    machine: dict[str, Any]
    angles: dict[str, list[float]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Rows with the same key must have the same accuracies."""
        return key_of(self.experiment, self.options, self.cards, self.seed)

    @property
    def spikes(self) -> float:
        """Spikes of all populations for one sample."""
        return float(sum(self.cost["spikes"].values()))

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def key_of(experiment: str, options: Mapping[str, Any], cards: Mapping[str, Any], seed: int) -> str:
    """SHA-256 of what determines the result of a training."""
    text = json.dumps([experiment, options, cards, seed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are after writing them to JSON and reading them."""
    return dict(json.loads(json.dumps(options)))


# The file -------------------------------------------------------------------------------------------------------------


def read(path: Path) -> list[Row]:
    """The rows of a file, without duplicates and without an incomplete last line.

    Raises InputError for a missing file, and for a file with other contents.
    """
    _check_file(path)
    try:
        return _rows(path, path.read_bytes())[0]
    except OSError as error:
        raise InputError(path, error.strerror or str(error), _HINT) from error


@contextmanager
def appending(path: Path) -> Iterator[tuple[list[Row], Callable[[Row], None]]]:
    """Open a file, new or existing, for appending; gives its rows and a function that appends one.

    An incomplete last line is removed. Raises InputError as `read` does, and if another process is appending.
    """
    _check_file(path)
    with _write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        with _write_errors(path):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(path, "another process appends rows", "wait, or choose another --out") from error
            file.seek(0)
            rows, complete = _rows(path, file.read())
            file.truncate(complete)

        def append(row: Row) -> None:
            with _write_errors(path):
                file.write(row.line().encode())
                file.flush()
                os.fsync(file.fileno())

        yield rows, append


def _check_file(path: Path) -> None:
    if path.exists() and not path.is_file():  # reading a device or a pipe might never end
        raise InputError(path, "not a file", _HINT)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(path, f"cannot be written: {error.strerror or error}", "choose another --out") from error


def _rows(path: Path, content: bytes) -> tuple[list[Row], int]:
    """The rows, and the number of bytes in complete lines."""
    lines = content.splitlines(keepends=True)
    incomplete = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
    if not (incomplete.startswith(_START) or _START.startswith(incomplete)):
        raise InputError(path, f"line {len(lines) + 1} is not a row", _HINT)
    rows: dict[tuple[str, str], Row] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{path}: line {number}"
        row = _row(where, line)
        first = rows.setdefault((row.key, str(sorted(row.samples.items()))), row)
        if first.test_curve != row.test_curve:
            problem = f"{row.experiment} seed {row.seed} has other accuracies than in an earlier line"
            raise InputError(where, problem, "no benchmark wrote both: delete the wrong one")
    return list(rows.values()), len(content) - len(incomplete)


def _row(where: str, line: bytes) -> Row:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(where, "not JSON", _HINT) from error
    if not isinstance(values, dict):
        raise InputError(where, "not a row: not a JSON object", _HINT)
    values.setdefault("angles", {})  # rows of older versions have no angles
    names = [field.name for field in fields(Row)]
    if different := sorted(set(names).symmetric_difference(values)):
        raise InputError(where, f"not a row: missing or unknown {', '.join(different[:3])}", _HINT)
    row = Row(**values)
    for name in names:
        if not _is_valid(name, values[name]):
            raise InputError(f"{where}: {name}", f"got {str(values[name])[:60]!r}", "no benchmark writes this value")
    if len(row.test_curve) != row.epochs or row.test_accuracy != row.test_curve[-1]:
        hint = "must be the last of `epochs` values in test_curve"
        raise InputError(f"{where}: test_accuracy", f"got {row.test_accuracy}", hint)
    if any(len(curve) != row.epochs for curve in row.angles.values()):
        lengths = sorted({len(curve) for curve in row.angles.values()})
        raise InputError(f"{where}: angles", f"got {lengths} values", f"must be one for each of {row.epochs} epochs")
    return row


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "float | None": (int, float, type(None)),
    "dict[str, Any]": (dict,), "dict[str, int]": (dict,), "list[float]": (list,), "dict[str, list[float]]": (dict,),
}  # fmt: skip
_FRACTIONS = ("test_accuracy", "train_accuracy", "reported")
_COSTS = [field.name for field in fields(Cost) if field.name != "spikes"]


def _is_valid(name: str, value: Any) -> bool:
    """True if a benchmark may write this value of this field."""
    if type(value) not in _TYPES[Row.__annotations__[name]]:
        return False
    if isinstance(value, list):
        return _are_numbers(value, largest=1)
    if name == "samples":
        return value.keys() == {"train", "test"} and all(type(size) is int and size > 0 for size in value.values())
    if name == "angles":
        return all(isinstance(curve, list) and _are_numbers(curve, largest=180) for curve in value.values())
    if name == "cost":
        spikes = value.get("spikes")
        counts = spikes.values() if isinstance(spikes, dict) else [None]
        return _are_numbers([*(value.get(key) for key in _COSTS), *counts])
    if isinstance(value, int | float):
        return _are_numbers([value], largest=1 if name in _FRACTIONS else math.inf) and (name != "epochs" or value >= 1)
    return True


def _are_numbers(values: list[Any], *, largest: float = math.inf) -> bool:
    """True if all values are finite numbers from 0 to `largest`."""
    return all(type(value) in (int, float) and math.isfinite(value) and 0 <= value <= largest for value in values)
