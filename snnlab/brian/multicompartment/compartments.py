"""A morphology cut into compartments: stretches of truncated cones that meet at places, and a sphere for the soma.

A soma of one point at the root is a sphere, and so is one of three points of one radius r, two of them r away from the
root on either side, which is how NeuroMorpho.Org writes a sphere. Any other soma is the cones that its points make. A
neurite begins where it leaves the sphere, with the radius of its first point; points inside belong to the sphere.

Compartments have their potential in the middle. At a place between them, a point of the file, no current is lost, so
the potential there is the mean of their potentials weighted with the conductances of the halves that lie between; and a
current injected there divides itself in proportion to these conductances.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.networks.morphology import SOMA, Morphology

_SAME_PLACE = 1e-9  # metres
_ALIKE = 0.05  # of a radius, by which the three points that stand for a sphere may be off
_MOST_COMPARTMENTS = 100_000
_DEEPEST = 500  # stretches from the root to a tip: Brian2 descends from one to the next by calling itself
_WIDEST = 10_000_000  # cells of Brian2's table of stretches and their children


@dataclass(frozen=True, eq=False)
class Stretch:
    """An unbranched run of compartments, each a truncated cone.

    parent     number of the stretch that it goes on from; -1 for the sphere, or for the root
    first      number of its first compartment
    begin      metres from the beginning of the first stretch
    lengths    float64 (n,), metres
    diameters  float64 (n + 1,), metres, at the ends of the compartments
    """

    parent: int
    first: int
    begin: float
    lengths: NDArray[np.float64]
    diameters: NDArray[np.float64]

    @property
    def end(self) -> float:
        return self.begin + float(self.lengths.sum())


@dataclass(frozen=True, eq=False)
class Spot:
    """A place on the cable: the compartments that meet there.

    compartments  int64 (k,)
    halves        float64 (k,)  conductance from the middle of each to here times the resistivity, metres
    """

    compartments: NDArray[np.int64]
    halves: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The weight of each compartment in the potential here, and its share of a current injected here (k,)."""
        return self.halves / self.halves.sum() if len(self.halves) > 1 else np.ones(1)

    @property
    def resistance(self) -> float:
        """From here into the middles of the compartments, divided by the resistivity, in 1/metres."""
        return float(1 / self.halves.sum())


@dataclass(frozen=True, eq=False)
class Cable:
    """The compartments of a morphology, numbered stretch by stretch; a sphere comes before them all.

    soma       diameter of the sphere in metres; 0 where there is none
    stretches  each after its parent
    spots      one for each point of the morphology, the same one for points at the same place
    """

    soma: float
    stretches: tuple[Stretch, ...]
    spots: tuple[Spot, ...]

    @property
    def compartments(self) -> int:
        return (self.soma > 0) + sum(len(one.lengths) for one in self.stretches)

    @property
    def length(self) -> float:
        """Metres of all stretches."""
        return sum(float(one.lengths.sum()) for one in self.stretches)

    @property
    def area(self) -> float:
        """Square metres of membrane, of the mantles of the cones and of the sphere."""
        cones = (
            np.pi / 2 * (one.diameters[:-1] + one.diameters[1:]) * np.hypot(np.diff(one.diameters) / 2, one.lengths)
            for one in self.stretches
        )
        return math.pi * self.soma**2 + sum(float(mantle.sum()) for mantle in cones)


@dataclass(frozen=True)
class _Cone:
    """Between two places: its length, and its diameters at them."""

    ends: tuple[int, int]
    length: float
    diameters: tuple[float, float]

    def leaving(self, place: int) -> _Cone:
        """The same cone, beginning at this one of its ends."""
        return self if place == self.ends[0] else _Cone(self.ends[::-1], self.length, self.diameters[::-1])


@dataclass
class _Division:
    """Stretches and spots while they are made; `longest` is the length of a compartment in metres."""

    longest: float
    compartments: int
    stretches: list[Stretch] = field(default_factory=list)
    meeting: dict[int, list[tuple[int, float]]] = field(default_factory=dict)  # place -> compartments and halves

    def add(self, parent: int, cones: list[_Cone]) -> int:
        """A stretch of these cones; gives its number."""
        lengths, diameters = [], [cones[0].diameters[0]]
        first = self.compartments
        for cone in cones:
            pieces = _pieces(cone, self.longest)
            ends = np.linspace(*cone.diameters, pieces + 1)
            # as of a cone of half the length between the end and the middle
            halves = np.pi / 2 * ends[[0, -1]] * [ends[:2].mean(), ends[-2:].mean()] / (cone.length / pieces)
            self.meeting.setdefault(cone.ends[0], []).append((self.compartments, halves[0]))
            self.compartments += pieces
            self.meeting.setdefault(cone.ends[1], []).append((self.compartments - 1, halves[1]))
            lengths += [cone.length / pieces] * pieces
            diameters += ends[1:].tolist()
        begin = self.stretches[parent].end if parent >= 0 else 0.0
        self.stretches.append(Stretch(parent, first, begin, np.array(lengths), np.array(diameters)))
        return len(self.stretches) - 1

    def spot(self, place: int) -> Spot:
        compartments, halves = zip(*self.meeting[place], strict=True)
        return Spot(np.array(compartments, dtype=np.int64), np.array(halves))


def divide(morphology: Morphology, longest: float) -> Cable:
    """The morphology in compartments of up to `longest` metres, each cone in equal pieces.

    Raises InputError for a morphology without extent, and for one with more compartments or branches than can be run.
    """
    where = morphology.path
    sphere = _sphere(morphology)
    cones, places = _cones(morphology, sphere)
    if not cones and not sphere:
        raise InputError(
            where, "its points are all at one place", f"needs a cone, or a soma (type {SOMA}) that is a sphere"
        )
    total = sum(_pieces(cone, longest) for cone in cones)
    if total > _MOST_COMPARTMENTS:
        found = f"{total:,} compartments of up to {1e6 * longest:g} um"
        raise InputError(
            where, found, f"needs at most {_MOST_COMPARTMENTS:,}: let them be longer, or simplify the file"
        )
    division = _Division(longest, compartments=1 if sphere else 0)
    if sphere:
        division.meeting[0] = []
    if cones:
        _lay(division, cones, bool(sphere))
    _check_size(division.stretches, where)
    if sphere:  # which has one potential all over
        division.meeting[0] = [(0, math.inf)]
    spots = {place: division.spot(place) for place in division.meeting}
    soma = 2 * float(morphology.radii[0]) if sphere else 0.0
    return Cable(soma, tuple(division.stretches), tuple(spots[place] for place in places))


def _pieces(cone: _Cone, longest: float) -> int:
    return max(math.ceil(cone.length / longest - 1e-9), 1)


def _sphere(morphology: Morphology) -> tuple[int, ...]:
    """The points that stand for a spherical soma at the root; none where the soma is something else."""
    soma = np.flatnonzero(morphology.types == SOMA)
    if not soma.size or soma[0] != 0 or len(soma) not in (1, 3):
        return ()
    others = soma[1:]
    radius = morphology.radii[0]
    off = [
        morphology.radii[others] - radius,
        np.linalg.norm(morphology.points[others] - morphology.points[0], axis=1) - radius,
    ]
    hang_on_it = (morphology.parents[others] == 0).all() and not np.isin(others, morphology.parents).any()
    return tuple(soma.tolist()) if hang_on_it and (np.abs(off) <= _ALIKE * radius).all() else ()


def _cones(morphology: Morphology, sphere: tuple[int, ...]) -> tuple[list[_Cone], list[int]]:
    """The cones between places, and the place of each point; the root's is 0.

    A point at the place of its parent, or inside the sphere, has no cone: what hangs on it begins there.
    """
    position = [morphology.points[0]]
    places = [0] * len(morphology)
    cones = []
    for point in range(1, len(morphology)):
        parent = int(morphology.parents[point])
        place = places[point] = places[parent]
        if point in sphere:
            continue
        length = float(np.linalg.norm(morphology.points[point] - position[place]))
        if sphere and place == 0:
            length -= float(morphology.radii[0])
        if length <= _SAME_PLACE:
            continue
        begins = point if parent in sphere else parent
        diameters = 2 * float(morphology.radii[begins]), 2 * float(morphology.radii[point])
        places[point] = len(position)
        position.append(morphology.points[point])
        cones.append(_Cone((place, places[point]), length, diameters))
    return cones, places


def _lay(division: _Division, cones: list[_Cone], sphere: bool) -> None:
    """Stretches from the root outwards, in the order in which Brian2 numbers them: each with all that it bears."""
    around: dict[int, list[_Cone]] = {}
    for cone in cones:
        for place in cone.ends:
            around.setdefault(place, []).append(cone)
    # without a sphere, Brian2's tree must begin with a single stretch; the tree is the same from whichever tip
    start = 0 if sphere else _tip(around)
    waiting = [(-1, cone.leaving(start)) for cone in reversed(around[start])]
    while waiting:
        parent, cone = waiting.pop()
        run = [cone]
        while True:
            place = run[-1].ends[1]
            onward = [other.leaving(place) for other in around[place] if set(other.ends) != set(run[-1].ends)]
            if len(onward) != 1 or onward[0].diameters[0] != run[-1].diameters[1]:
                break
            run.append(onward[0])
        number = division.add(parent, run)
        waiting += [(number, other) for other in reversed(onward)]


def _tip(around: dict[int, list[_Cone]]) -> int:
    """The root if it is a tip, or the tip that is the fewest cones away."""
    seen, waiting = {0}, deque([0])
    while len(around[place := waiting.popleft()]) > 1:
        reached = [cone.leaving(place).ends[1] for cone in around[place]]
        waiting += [other for other in reached if other not in seen]
        seen.update(reached)
    return place


def _check_size(stretches: list[Stretch], where: str) -> None:
    """Refuse what Brian2 would run out of calls or of memory for."""
    depth, children = [0] * len(stretches), [0] * (len(stretches) + 1)
    for number, one in enumerate(stretches):
        depth[number] = 1 + (depth[one.parent] if one.parent >= 0 else 0)
        children[one.parent] += 1  # the last is the sphere's
    if max(depth, default=0) > _DEEPEST:
        right = f"needs at most {_DEEPEST}: leave the smallest branches out"
        raise InputError(where, f"{max(depth):,} branch points one after another", right)
    if max(children) * len(children) > _WIDEST:
        found = f"{max(children):,} branches at one point, of {len(stretches):,} in all"
        raise InputError(where, found, "leave the smallest branches out")
