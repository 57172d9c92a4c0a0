"""Discretise a morphology into compartments: sections of truncated cones, and a sphere for the soma.

The soma is a sphere if it is a single point at the root, or three points of one radius r of which two lie r away from
the root (the convention of NeuroMorpho.Org). Any other soma consists of the cones between its points. A neurite begins
at the surface of the sphere, with the radius of its first point; points inside belong to the sphere.

The potential of a compartment is that of its middle. At a point of the file, where compartments meet, no current is
lost: the potential is the mean of their potentials, weighted by the conductances of the half compartments in between,
and an injected current is shared in proportion to these conductances.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.networks.morphology import SOMA, Morphology

_SAME_POSITION = 1e-9  # metres
_SPHERE_TOLERANCE = 0.05  # relative error of radii and distances of the three points of a spherical soma
_MAX_COMPARTMENTS = 100_000
_MAX_DEPTH = 500  # sections from the root to a tip: Brian2 descends recursively
_MAX_TABLE = 10_000_000  # cells of Brian2's table of sections and their children


@dataclass(frozen=True, eq=False)
class Section:
    """An unbranched chain of compartments, each a truncated cone.

    parent     number of the section that it continues; -1 for the sphere, or for the root
    first      number of its first compartment
    start      distance from the start of the first section, in metres
    lengths    float64 (n,), metres
    diameters  float64 (n + 1,), metres, at the ends of the compartments
    """

    parent: int
    first: int
    start: float
    lengths: NDArray[np.float64]
    diameters: NDArray[np.float64]

    @property
    def end(self) -> float:
        return self.start + float(self.lengths.sum())


@dataclass(frozen=True, eq=False)
class Location:
    """A place on the cable, as the compartments that meet there.

    compartments  int64 (k,)
    conductances  float64 (k,)  from the middle of each compartment, times the resistivity, in metres
    """

    compartments: NDArray[np.int64]
    conductances: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Weights of the compartments in the potential here, and their shares of an injected current (k,)."""
        return self.conductances / self.conductances.sum() if len(self.conductances) > 1 else np.ones(1)

    @property
    def resistance(self) -> float:
        """Resistance to the middles of the compartments, divided by the resistivity, in 1/metres."""
        return float(1 / self.conductances.sum())


@dataclass(frozen=True, eq=False)
class Cable:
    """The compartments of a morphology, numbered section by section, after the sphere if there is one.

    soma_diameter  of the sphere in metres; 0 without a sphere
    sections       each after its parent
    locations      of the points of the morphology; points at the same position share a location
    """

    soma_diameter: float
    sections: tuple[Section, ...]
    locations: tuple[Location, ...]

    @property
    def n_compartments(self) -> int:
        return (self.soma_diameter > 0) + sum(len(section.lengths) for section in self.sections)

    @property
    def length(self) -> float:
        """Total length of the sections in metres."""
        return sum(float(section.lengths.sum()) for section in self.sections)

    @property
    def area(self) -> float:
        """Membrane area in square metres: lateral surfaces of the cones, and the sphere."""
        surfaces = (
            np.pi / 2 * (section.diameters[:-1] + section.diameters[1:])
            * np.hypot(np.diff(section.diameters) / 2, section.lengths)
            for section in self.sections
        )  # fmt: skip
        return math.pi * self.soma_diameter**2 + sum(float(surface.sum()) for surface in surfaces)


def discretize(morphology: Morphology, max_length: float) -> Cable:
    """Divide each cone of a morphology into equal compartments of at most `max_length` metres.

    Raises InputError for a morphology without extent, and for more compartments or branches than Brian2 can run.
    """
    path = morphology.path
    sphere = _sphere(morphology)
    cones, positions = _cones(morphology, sphere)
    if not cones and not sphere:
        raise InputError(path, "all points are at one position", f"needs a cone, or a spherical soma (type {SOMA})")
    total = sum(_n_pieces(cone, max_length) for cone in cones)
    if total > _MAX_COMPARTMENTS:
        problem = f"{total:,} compartments of at most {1e6 * max_length:g} um"
        hint = f"must be at most {_MAX_COMPARTMENTS:,}: allow longer compartments, or simplify the file"
        raise InputError(path, problem, hint)
    builder = _Builder(max_length, n_compartments=1 if sphere else 0)
    if sphere:
        builder.ends[0] = []
    if cones:
        _add_sections(builder, cones, bool(sphere))
    _check_size(builder.sections, path)
    if sphere:  # its potential is the same everywhere
        builder.ends[0] = [(0, math.inf)]
    locations = {position: builder.location(position) for position in builder.ends}
    diameter = 2 * float(morphology.radii[0]) if sphere else 0.0
    return Cable(diameter, tuple(builder.sections), tuple(locations[position] for position in positions))


@dataclass(frozen=True)
class _Cone:
    """A truncated cone between two positions: its length, and its diameters there."""

    ends: tuple[int, int]
    length: float
    diameters: tuple[float, float]

    def starting_at(self, position: int) -> _Cone:
        """The same cone, with this one of its ends first."""
        return self if position == self.ends[0] else _Cone(self.ends[::-1], self.length, self.diameters[::-1])


@dataclass
class _Builder:
    """Sections in construction; `ends`: position -> (compartment, conductance of its half) of those that end there."""

    max_length: float
    n_compartments: int
    sections: list[Section] = field(default_factory=list)
    ends: dict[int, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, parent: int, cones: list[_Cone]) -> int:
        """Add a section of these cones; returns its number."""
        lengths, diameters = [], [cones[0].diameters[0]]
        first = self.n_compartments
        for cone in cones:
            pieces = _n_pieces(cone, self.max_length)
            ends = np.linspace(*cone.diameters, pieces + 1)
            # conductance of a cone of half the length between the end and the middle
            halves = np.pi / 2 * ends[[0, -1]] * [ends[:2].mean(), ends[-2:].mean()] / (cone.length / pieces)
            self.ends.setdefault(cone.ends[0], []).append((self.n_compartments, halves[0]))
            self.n_compartments += pieces
            self.ends.setdefault(cone.ends[1], []).append((self.n_compartments - 1, halves[1]))
            lengths += [cone.length / pieces] * pieces
            diameters += ends[1:].tolist()
        start = self.sections[parent].end if parent >= 0 else 0.0
        self.sections.append(Section(parent, first, start, np.array(lengths), np.array(diameters)))
        return len(self.sections) - 1

    def location(self, position: int) -> Location:
        compartments, conductances = zip(*self.ends[position], strict=True)
        return Location(np.array(compartments, dtype=np.int64), np.array(conductances))


def _n_pieces(cone: _Cone, max_length: float) -> int:
    return max(math.ceil(cone.length / max_length - 1e-9), 1)


def _sphere(morphology: Morphology) -> tuple[int, ...]:
    """The points of a spherical soma at the root; empty for any other soma."""
    soma = np.flatnonzero(morphology.types == SOMA)
    if not soma.size or soma[0] != 0 or len(soma) not in (1, 3):
        return ()
    rest = soma[1:]
    radius = morphology.radii[0]
    errors = [
        morphology.radii[rest] - radius,
        np.linalg.norm(morphology.points[rest] - morphology.points[0], axis=1) - radius,
    ]
    are_leaves = (morphology.parents[rest] == 0).all() and not np.isin(rest, morphology.parents).any()
    return tuple(soma.tolist()) if are_leaves and (np.abs(errors) <= _SPHERE_TOLERANCE * radius).all() else ()


def _cones(morphology: Morphology, sphere: tuple[int, ...]) -> tuple[list[_Cone], list[int]]:
    """The cones between positions, and the number of the position of each point; the root's is 0.

    A point at the position of its parent, or inside the sphere, has no cone: its children start there.
    """
    coordinates = [morphology.points[0]]
    positions = [0] * len(morphology)
    cones = []
    for point in range(1, len(morphology)):
        parent = int(morphology.parents[point])
        position = positions[point] = positions[parent]
        if point in sphere:
            continue
        length = float(np.linalg.norm(morphology.points[point] - coordinates[position]))
        if sphere and position == 0:
            length -= float(morphology.radii[0])
        if length <= _SAME_POSITION:
            continue
        start = point if parent in sphere else parent
        diameters = 2 * float(morphology.radii[start]), 2 * float(morphology.radii[point])
        positions[point] = len(coordinates)
        coordinates.append(morphology.points[point])
        cones.append(_Cone((position, positions[point]), length, diameters))
    return cones, positions


def _add_sections(builder: _Builder, cones: list[_Cone], sphere: bool) -> None:
    """Add sections from the root outwards in the order in which Brian2 numbers them: depth first."""
    at: dict[int, list[_Cone]] = {}
    for cone in cones:
        for position in cone.ends:
            at.setdefault(position, []).append(cone)
    # without a sphere, Brian2's tree must begin with a single section; any tip gives the same tree
    start = 0 if sphere else _nearest_tip(at)
    pending = [(-1, cone.starting_at(start)) for cone in reversed(at[start])]
    while pending:
        parent, cone = pending.pop()
        chain, children = _chain(at, cone)
        number = builder.add(parent, chain)
        pending += [(number, child) for child in reversed(children)]


def _chain(at: dict[int, list[_Cone]], first: _Cone) -> tuple[list[_Cone], list[_Cone]]:
    """The cones of a section from `first` to a branch, a tip or a jump of diameter, and the cones that follow."""
    chain = [first]
    while True:
        last = chain[-1]
        position = last.ends[1]
        children = [cone.starting_at(position) for cone in at[position] if set(cone.ends) != set(last.ends)]
        if len(children) != 1 or children[0].diameters[0] != last.diameters[1]:
            return chain, children
        chain.append(children[0])


def _nearest_tip(at: dict[int, list[_Cone]]) -> int:
    """The root if it is a tip, or the tip that is the fewest cones away."""
    visited, queue = {0}, deque([0])
    while len(at[position := queue.popleft()]) > 1:
        neighbours = [cone.starting_at(position).ends[1] for cone in at[position]]
        queue += [neighbour for neighbour in neighbours if neighbour not in visited]
        visited.update(neighbours)
    return position


def _check_size(sections: list[Section], path: str) -> None:
    """Refuse sections for which Brian2 would exceed the recursion limit or the memory."""
    depth, children = [0] * len(sections), [0] * (len(sections) + 1)
    for number, section in enumerate(sections):
        depth[number] = 1 + (depth[section.parent] if section.parent >= 0 else 0)
        children[section.parent] += 1  # the last entry is the sphere's
    if max(depth, default=0) > _MAX_DEPTH:
        hint = f"must be at most {_MAX_DEPTH}: remove the smallest branches"
        raise InputError(path, f"{max(depth):,} branch points in a row", hint)
    if max(children) * len(children) > _MAX_TABLE:
        problem = f"{max(children):,} branches at one point, of {len(sections):,} in total"
        raise InputError(path, problem, "remove the smallest branches")
