"""The shape of a neuron: an SWC file into a tree of points.

SWC (Cannon, Turner, Pyapali, Wheal, J. Neurosci. Methods 84:49, 1998, doi:10.1016/S0165-0270(98)00091-0) has a point
in each line: id, type, x, y, z and radius in micrometres, and the id of the point that it hangs on, -1 for the root.
Between a point and its parent the membrane is a truncated cone; type 1 is the soma, 2 axon, 3 dendrite, 4 apical
dendrite. Files travel between people: whatever is no such tree is refused by line and field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError

SOMA = 1
"""The type of a point on the soma."""

_FIELDS = ("id", "type", "x", "y", "z", "radius", "parent")
_MOST_BYTES = 2**25
_MOST_POINTS = 200_000
_FARTHEST = 1e6  # micrometres from 0, on each axis
_RADII = (1e-3, 1e4)  # micrometres
_LONGEST_WORD = 32  # characters of a number
_LARGEST_ID = 2**31 - 1

_WHOLE = re.compile(r"-?[0-9]+")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_Row = tuple[int, int, float, float, float, float, int]  # a line's fields in their order


@dataclass(frozen=True, eq=False)
class Morphology:
    """A neuron as a tree of points, every point after the one that it hangs on; SI units.

    path     where it was read from
    ids      int64 (points,)  what the file calls them
    types    int64 (points,)  1 soma, 2 axon, 3 dendrite, 4 apical dendrite, others as the file means them
    points   float64 (points, 3), metres
    radii    float64 (points,), metres
    parents  int64 (points,)  number of the point that it hangs on, in these arrays; -1 for the root, which is first
    """

    path: str
    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    points: NDArray[np.float64]
    radii: NDArray[np.float64]
    parents: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Metres from the root along the tree (points,)."""
        steps = np.linalg.norm(self.points - self.points[self.parents], axis=1)
        found = np.zeros(len(self))
        for point in range(1, len(self)):
            found[point] = found[self.parents[point]] + steps[point]
        return found

    def point(self, place: int | str, where: str) -> int:
        """The number of a point by its id, or of the "soma", the "root" or the "farthest" point from the root.

        The soma is the first point of type 1. Raises InputError at `where` for anything that the file has not.
        """
        if place == "root":
            return 0
        if place == "farthest":
            return int(self.distances.argmax())
        if place == "soma":
            found = np.flatnonzero(self.types == SOMA)
            if not found.size:
                raise InputError(where, f"{self.path} has no soma, a point of type {SOMA}", "name a point by its id")
            return int(found[0])
        if isinstance(place, str) and not re.fullmatch(r"[0-9]{1,10}", place):
            raise InputError(where, f"found {place!r}", "needs soma, root, farthest or the id of a point")
        found = np.flatnonzero(self.ids == int(place))
        if not found.size:
            lowest, highest = int(self.ids.min()), int(self.ids.max())
            raise InputError(where, f"{self.path} has no point {int(place)}", f"its ids are from {lowest} to {highest}")
        return int(found[0])


def read_swc(path: str | Path) -> Morphology:
    """The morphology in an SWC file. Raises InputError, naming file, line and field, for what is no single tree."""
    path = Path(path)
    try:
        # a pipe would be waited for, and a device never ends
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(path, "not a file", "needs a readable SWC file")
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "needs a readable SWC file") from error
    except ValueError as error:
        raise InputError(repr(str(path)), str(error), "needs a readable SWC file") from error
    return parse_swc(raw, str(path))


def parse_swc(raw: bytes, name: str) -> Morphology:
    """The morphology that the bytes of an SWC file describe; `name` is the file's in a refusal."""
    if len(raw) > _MOST_BYTES:
        raise InputError(
            name, f"more than {_MOST_BYTES // 2**20} MiB", f"a morphology has up to {_MOST_POINTS:,} points"
        )
    rows: list[_Row] = []
    lines: list[int] = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith(b"#"):
            rows.append(_row(line, f"{name}: line {number}"))
            lines.append(number)
        if len(rows) > _MOST_POINTS:
            raise InputError(f"{name}: line {number}", f"more than {_MOST_POINTS:,} points", "leave some of them out")
    if not rows:
        raise InputError(name, "no points", f"needs lines of {' '.join(_FIELDS)}")
    order, parents = _ordered(rows, lines, name)
    values = np.array([row[2:6] for row in rows], dtype=np.float64)[order] * 1e-6
    whole = np.array([row[:2] for row in rows], dtype=np.int64)[order]
    return Morphology(name, whole[:, 0], whole[:, 1], values[:, :3], values[:, 3], parents)


# A line ---------------------------------------------------------------------------------------------------------------


def _row(line: bytes, where: str) -> _Row:
    if not line.isascii() or b"\0" in line:
        raise InputError(where, "bytes that are not text", "needs an SWC file: lines of " + " ".join(_FIELDS))
    columns = line.decode("ascii").split()
    if len(columns) != len(_FIELDS):
        raise InputError(where, f"{len(columns)} columns", f"needs {len(_FIELDS)}: {' '.join(_FIELDS)}")
    words = dict(zip(_FIELDS, columns, strict=True))
    name, kind = (_whole(words[field], f"{where}: {field}", 0) for field in ("id", "type"))
    x, y, z = (_real(words[axis], f"{where}: {axis}", -_FARTHEST, _FARTHEST) for axis in "xyz")
    radius = _real(words["radius"], f"{where}: radius", *_RADII)
    return name, kind, x, y, z, radius, _whole(words["parent"], f"{where}: parent", -1)


def _whole(word: str, where: str, lowest: int) -> int:
    if len(word) > _LONGEST_WORD or not _WHOLE.fullmatch(word) or not lowest <= int(word) <= _LARGEST_ID:
        right = (
            "needs the id of a point, or -1 for the root" if lowest < 0 else "needs a whole number of 0 to 2**31 - 1"
        )
        raise InputError(where, f"found {_shown(word)}", right)
    return int(word)


def _real(word: str, where: str, lowest: float, highest: float) -> float:
    # NaN and infinity are words too, and belong to no number
    if len(word) > _LONGEST_WORD or not _REAL.fullmatch(word) or not lowest <= float(word) <= highest:
        raise InputError(where, f"found {_shown(word)}", f"needs {lowest:,.12g} to {highest:,.12g} micrometres")
    return float(word)


def _shown(word: str) -> str:
    return repr(word) if len(word) <= _LONGEST_WORD else repr(f"{word[:_LONGEST_WORD]} ...")


# The tree -------------------------------------------------------------------------------------------------------------


def _ordered(rows: Sequence[_Row], lines: Sequence[int], name: str) -> tuple[list[int], NDArray[np.int64]]:
    """The rows from the root outwards, siblings in the file's order; and the parent of each, in that order."""
    numbers = _numbers(rows, lines, name)
    children: list[list[int]] = [[] for _ in rows]
    roots = []
    for number, (row, line) in enumerate(zip(rows, lines, strict=True)):
        parent = row[-1]
        if parent == -1:
            roots.append(number)
        elif parent in numbers:
            children[numbers[parent]].append(number)
        else:
            raise InputError(f"{name}: line {line}: parent", f"there is no point {parent}", "needs a point's id, or -1")
    if len(roots) > 1:
        both = " and ".join(f"{rows[root][0]} (line {lines[root]})" for root in roots[:2])
        more = f" and {len(roots) - 2} more" if len(roots) > 2 else ""
        raise InputError(f"{name}: parent", f"{len(roots)} roots: {both}{more}", "needs one point whose parent is -1")
    order = list(roots)
    for number in order:
        order.extend(children[number])
    if len(order) < len(rows):
        _refuse_cycle(rows, lines, numbers, set(order), name)
    place = {number: k for k, number in enumerate(order)}
    return order, np.array([place.get(numbers.get(rows[k][-1], -1), -1) for k in order], dtype=np.int64)


def _numbers(rows: Sequence[_Row], lines: Sequence[int], name: str) -> dict[int, int]:
    """Id -> number of the row."""
    numbers: dict[int, int] = {}
    for number, (row, line) in enumerate(zip(rows, lines, strict=True)):
        if row[0] in numbers:
            found = f"{row[0]} is also the id of line {lines[numbers[row[0]]]}"
            raise InputError(f"{name}: line {line}: id", found, "needs an id of its own")
        numbers[row[0]] = number
    return numbers


def _refuse_cycle(
    rows: Sequence[_Row], lines: Sequence[int], numbers: Mapping[int, int], reached: set[int], name: str
) -> None:
    """What the root does not reach hangs on a cycle."""
    number = next(k for k in range(len(rows)) if k not in reached)
    seen: dict[int, int] = {}
    while number not in seen:
        seen[number] = len(seen)
        number = numbers[rows[number][-1]]
    cycle = [rows[k][0] for k, when in seen.items() if when >= seen[number]]
    some = [str(one) for one in cycle[:5]] + ["..."] * (len(cycle) > 5) + [str(cycle[0])]
    root = "" if reached else ", and no point is the root"
    found = f"a cycle: {' -> '.join(some)}{root}"
    raise InputError(
        f"{name}: line {lines[number]}: parent", found, "parents must lead to the root, whose parent is -1"
    )
