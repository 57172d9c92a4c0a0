"""Result rows: one trained network each, a line of JSON that says how to train it again."""

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

_BEGINS = '{"experiment": '
_RIGHT = "needs a file written by `snnlab bench`, or a new one"


@dataclass(frozen=True)
class Row:
    """One network, trained and tested. Accuracies 0 to 1, of the last epoch and never of the best.

    changes          options that differed from the experiment's own; `options` are all of them
    cards            path -> digest of the cards it was made of
    network          neurons of each layer, the input's first
    samples          how many it learned from, "train", and was tested on, "test"
    *_curve          accuracy after each epoch
    cost             what a sample costs, as `snnlab.training.cost.Cost` has it
    wall_s           seconds of training and testing, over all epochs
    *_samples_per_s  the rate over all epochs
    reported         test accuracy that `reference` reports, None for nothing
    threads          of this training
    versions         package -> version, None for one that is not there
    machine          platform, processor and cores
    angles           projection -> degrees between what the rule asks of it and the gradient, after each epoch; of rules
                     that can be held against one, see rules/common/gradient_angle.py
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
        """The same for two rows that must hold the same accuracies."""
        return key_of(self.experiment, self.options, self.cards, self.seed)

    @property
    def spikes(self) -> float:
        """Of all populations, for a sample."""
        return float(sum(self.cost["spikes"].values()))

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def key_of(experiment: str, options: Mapping[str, Any], cards: Mapping[str, Any], seed: int) -> str:
    """What tells one row from another, as 64 hexadecimal digits."""
    text = json.dumps([experiment, options, cards, seed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON gives them back."""
    return dict(json.loads(json.dumps(options)))


# The file -------------------------------------------------------------------------------------------------------------


def read(path: Path) -> list[Row]:
    """The rows of a file, none of them twice; a last line that was cut off is left out.

    Raises InputError for a file that is missing or holds anything else.
    """
    _check_file(path)
    try:
        return _rows(path, path.read_bytes())[0]
    except OSError as error:
        raise InputError(path, error.strerror or str(error), _RIGHT) from error


@contextmanager
def appending(path: Path) -> Iterator[tuple[list[Row], Callable[[Row], None]]]:
    """The rows of a file, made if missing, and the function that adds one; a line that was cut off is removed.

    Raises InputError as `read` does, and where another process is adding rows.
    """
    _check_file(path)
    with _refusing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        with _refusing(path):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(path, "another process adds rows", "wait for it, or choose another --out") from error
            file.seek(0)
            rows, whole = _rows(path, file.read())
            file.truncate(whole)

        def append(row: Row) -> None:
            with _refusing(path):
                file.write(row.line().encode())
                file.flush()
                os.fsync(file.fileno())

        yield rows, append


def _check_file(path: Path) -> None:
    if path.exists() and not path.is_file():  # a device or a pipe would be read for ever
        raise InputError(path, "not a file", _RIGHT)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(path, f"cannot be written: {error.strerror or error}", "choose another --out") from error


def _rows(path: Path, content: bytes) -> tuple[list[Row], int]:
    """The rows, and how many bytes of the file are whole lines."""
    lines = content.splitlines(keepends=True)
    torn = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
    begins = _BEGINS.encode()
    if not (torn.startswith(begins) or begins.startswith(torn)):
        raise InputError(path, f"line {len(lines) + 1} is not a row", _RIGHT)
    found: dict[tuple[str, str], Row] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{path}: line {number}"
        row = _row(where, line)
        first = found.setdefault((row.key, str(sorted(row.samples.items()))), row)
        if first.test_curve != row.test_curve:
            seen = f"{row.experiment}, seed {row.seed}, is there already with other accuracies"
            raise InputError(where, seen, "one of the two is not what a bench wrote: delete it")
    return list(found.values()), len(content) - len(torn)


def _row(where: str, line: bytes) -> Row:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(where, "not JSON", _RIGHT) from error
    names = [field.name for field in fields(Row)]
    if isinstance(given, dict):
        given = {"angles": {}} | given  # rows of before there were any
    if not isinstance(given, dict) or given.keys() != set(names):
        unlike = sorted(set(names).symmetric_difference(given)) if isinstance(given, dict) else ["no object"]
        raise InputError(where, f"not a row ({', '.join(unlike[:3])})", _RIGHT)
    row = Row(**given)
    for name in names:
        if not _fits(name, given[name]):
            raise InputError(f"{where}: {name}", f"found {str(given[name])[:60]!r}", "no bench writes that")
    if len(row.test_curve) != row.epochs or row.test_accuracy != row.test_curve[-1]:
        raise InputError(f"{where}: test_accuracy", f"found {row.test_accuracy}", "needs that of the last epoch")
    if any(len(course) != row.epochs for course in row.angles.values()):
        raise InputError(f"{where}: angles", "found of other epochs", f"needs one for each of {row.epochs}")
    return row


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "float | None": (int, float, type(None)),
    "dict[str, Any]": (dict,), "dict[str, int]": (dict,), "list[float]": (list,), "dict[str, list[float]]": (dict,),
}  # fmt: skip
_SHARES = ("test_accuracy", "train_accuracy", "reported")
_COSTS = [field.name for field in fields(Cost) if field.name != "spikes"]


def _fits(name: str, value: Any) -> bool:
    """Whether a value is one that a row's field may have."""
    kind = Row.__annotations__[name]
    if type(value) not in _KINDS[kind]:
        return False
    if isinstance(value, list):
        return all(type(one) in (int, float) and 0 <= one <= 1 for one in value)
    if name == "samples":
        return value.keys() == {"train", "test"} and all(type(one) is int and one > 0 for one in value.values())
    if name == "angles":
        kept = all(isinstance(course, list) for course in value.values())
        return kept and all(
            type(one) in (int, float) and 0 <= one <= 180 for course in value.values() for one in course
        )
    if name == "cost":
        spikes = value.get("spikes")
        counts = [value.get(key) for key in _COSTS] + list(spikes.values() if isinstance(spikes, dict) else [None])
        return all(type(one) in (int, float) and math.isfinite(one) and one >= 0 for one in counts)
    if isinstance(value, int | float):
        return math.isfinite(value) and value >= (1 if name == "epochs" else 0) and (name not in _SHARES or value <= 1)
    return True
