"""Morphology of a neuron: read an SWC file into a tree of points.

SWC (Cannon, Turner, Pyapali, Wheal, J. Neurosci. Methods 84:49, 1998, doi:10.1016/S0165-0270(98)00091-0) has one point
per line: id, type, x, y, z and radius in micrometres, and the id of its parent, -1 for the root. The membrane between
a point and its parent is a truncated cone; type 1 is the soma, 2 axon, 3 dendrite, 4 apical dendrite. Files are
untrusted input: errors name the line and the field.
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
"""Type of a point on the soma."""

_FIELDS = ("id", "type", "x", "y", "z", "radius", "parent")
_MAX_BYTES = 2**25
_MAX_POINTS = 200_000
_MAX_COORDINATE = 1e6  # micrometres, on each axis
_RADII = (1e-3, 1e4)  # micrometres
_MAX_LENGTH = 32  # characters of a number
_MAX_ID = 2**31 - 1

_INTEGER = re.compile(r"-?[0-9]+")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_Row = tuple[int, int, float, float, float, float, int]  # the fields of a line


@dataclass(frozen=True, eq=False)
class Morphology:
    """A neuron as a tree of points, sorted so that each parent precedes its children.

    path     file that it was read from
    ids      int64 (points,), as in the file
    types    int64 (points,), 1 soma, 2 axon, 3 dendrite, 4 apical dendrite, others defined by the file
    points   float64 (points, 3), coordinates in metres
    radii    float64 (points,), metres
    parents  int64 (points,), index of the parent in these arrays; -1 for the root, which is first
    """

    path: str
    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    points: NDArray[np.float64]
    radii: NDArray[np.float64]
    parents: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Morphology({self.path!r}, {len(self)} points)"

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """Distance of each point from the root along the tree, in metres (points,)."""
        lengths = np.linalg.norm(self.points - self.points[self.parents], axis=1)
        distances = np.zeros(len(self))
        for point in range(1, len(self)):
            distances[point] = distances[self.parents[point]] + lengths[point]
        return distances

    def point(self, place: int | str, where: str) -> int:
        """Index of a point, given by its id or as "soma" (the first point of type 1), "root" or "farthest" from it.

        Raises InputError with the field `where` if there is no such point.
        """
        if place == "root":
            return 0
        if place == "farthest":
            return int(self.distances.argmax())
        if place == "soma":
            soma = np.flatnonzero(self.types == SOMA)
            if not soma.size:
                problem = f"{self.path} has no soma, a point of type {SOMA}"
                raise InputError(where, problem, "expected the id of a point")
            return int(soma[0])
        if isinstance(place, str) and not re.fullmatch(r"[0-9]{1,10}", place):
            raise InputError(where, f"got {place!r}", "must be soma, root, farthest or the id of a point")
        index = np.flatnonzero(self.ids == int(place))
        if not index.size:
            hint = f"its ids are from {self.ids.min()} to {self.ids.max()}"
            raise InputError(where, f"{self.path} has no point {int(place)}", hint)
        return int(index[0])


def read_swc(path: str | Path) -> Morphology:
    """Read an SWC file. Raises InputError, with file, line and field, if it is not a single tree."""
    path = Path(path)
    try:
        # reading a pipe would block, and a device has no end
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(path, "not a file", "must be a readable SWC file")
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "must be a readable SWC file") from error
    except ValueError as error:
        raise InputError(repr(str(path)), str(error), "must be a readable SWC file") from error
    return parse_swc(raw, str(path))


def parse_swc(raw: bytes, name: str) -> Morphology:
    """The morphology in the bytes of an SWC file; `name` is the file name in errors. Raises as `read_swc`."""
    if len(raw) > _MAX_BYTES:
        raise InputError(name, "file too large", f"must be at most {_MAX_BYTES // 2**20} MiB")
    rows: list[_Row] = []
    lines: list[int] = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith(b"#"):
            rows.append(_row(line, f"{name}: line {number}"))
            lines.append(number)
        if len(rows) > _MAX_POINTS:
            raise InputError(f"{name}: line {number}", "too many points", f"must be at most {_MAX_POINTS:,}")
    if not rows:
        raise InputError(name, "no points", f"expected lines of {' '.join(_FIELDS)}")
    order, parents = _sorted(rows, lines, name)
    values = np.array([row[2:6] for row in rows], dtype=np.float64)[order] * 1e-6
    integers = np.array([row[:2] for row in rows], dtype=np.int64)[order]
    return Morphology(name, integers[:, 0], integers[:, 1], values[:, :3], values[:, 3], parents)


# A line ---------------------------------------------------------------------------------------------------------------


def _row(line: bytes, where: str) -> _Row:
    if not line.isascii() or b"\0" in line:
        raise InputError(where, "bytes that are not ASCII text", f"expected lines of {' '.join(_FIELDS)}")
    columns = line.decode("ascii").split()
    if len(columns) != len(_FIELDS):
        raise InputError(where, f"{len(columns)} columns", f"must be {len(_FIELDS)}: {' '.join(_FIELDS)}")
    words = dict(zip(_FIELDS, columns, strict=True))
    name, kind = (_integer(words[field], f"{where}: {field}", 0) for field in ("id", "type"))
    x, y, z = (_real(words[axis], f"{where}: {axis}", -_MAX_COORDINATE, _MAX_COORDINATE) for axis in "xyz")
    radius = _real(words["radius"], f"{where}: radius", *_RADII)
    return name, kind, x, y, z, radius, _integer(words["parent"], f"{where}: parent", -1)


def _integer(word: str, where: str, lowest: int) -> int:
    if len(word) > _MAX_LENGTH or not _INTEGER.fullmatch(word) or not lowest <= int(word) <= _MAX_ID:
        hint = "the id of a point, or -1 for the root" if lowest < 0 else "an integer from 0 to 2**31 - 1"
        raise InputError(where, f"got {_shortened(word)}", f"must be {hint}")
    return int(word)


def _real(word: str, where: str, lowest: float, highest: float) -> float:
    # the pattern excludes NaN and infinity
    if len(word) > _MAX_LENGTH or not _REAL.fullmatch(word) or not lowest <= float(word) <= highest:
        raise InputError(where, f"got {_shortened(word)}", f"must be {lowest:,.12g} to {highest:,.12g} micrometres")
    return float(word)


def _shortened(word: str) -> str:
    return repr(word) if len(word) <= _MAX_LENGTH else repr(f"{word[:_MAX_LENGTH]} ...")


# The tree -------------------------------------------------------------------------------------------------------------


def _sorted(rows: Sequence[_Row], lines: Sequence[int], name: str) -> tuple[list[int], NDArray[np.int64]]:
    """Indices of the rows from the root outwards, siblings in the order of the file, and the parent of each."""
    index_of = _index_of(rows, lines, name)
    children: list[list[int]] = [[] for _ in rows]
    roots = []
    for index, (row, line) in enumerate(zip(rows, lines, strict=True)):
        parent = row[-1]
        if parent == -1:
            roots.append(index)
        elif parent in index_of:
            children[index_of[parent]].append(index)
        else:
            raise InputError(f"{name}: line {line}: parent", f"no point {parent}", "must be the id of a point, or -1")
    if len(roots) > 1:
        first = " and ".join(f"{rows[root][0]} (line {lines[root]})" for root in roots[:2])
        more = f" and {len(roots) - 2} more" if len(roots) > 2 else ""
        raise InputError(f"{name}: parent", f"{len(roots)} roots: {first}{more}", "must be one point with parent -1")
    order = list(roots)
    for index in order:
        order.extend(children[index])
    if len(order) < len(rows):
        raise _cycle(rows, lines, index_of, set(order), name)
    place = {index: k for k, index in enumerate(order)}
    return order, np.array([place.get(index_of.get(rows[k][-1], -1), -1) for k in order], dtype=np.int64)


def _index_of(rows: Sequence[_Row], lines: Sequence[int], name: str) -> dict[int, int]:
    """Id -> index of the row. Raises InputError for an id that repeats."""
    index_of: dict[int, int] = {}
    for index, (row, line) in enumerate(zip(rows, lines, strict=True)):
        if row[0] in index_of:
            problem = f"{row[0]} is also the id of line {lines[index_of[row[0]]]}"
            raise InputError(f"{name}: line {line}: id", problem, "must be unique")
        index_of[row[0]] = index
    return index_of


def _cycle(
    rows: Sequence[_Row], lines: Sequence[int], index_of: Mapping[int, int], reached: set[int], name: str
) -> InputError:
    """The error for points that the root does not reach: following their parents leads into a cycle."""
    index = next(k for k in range(len(rows)) if k not in reached)
    visited: dict[int, int] = {}
    while index not in visited:
        visited[index] = len(visited)
        index = index_of[rows[index][-1]]
    cycle = [rows[k][0] for k, when in visited.items() if when >= visited[index]]
    shown = [str(point) for point in cycle[:5]] + ["..."] * (len(cycle) > 5) + [str(cycle[0])]
    root = "" if reached else ", and no point is the root"
    problem = f"a cycle: {' -> '.join(shown)}{root}"
    return InputError(f"{name}: line {lines[index]}: parent", problem, "parents must lead to the root, with parent -1")
