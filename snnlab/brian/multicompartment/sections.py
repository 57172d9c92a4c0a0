"""A cable as Brian2's Morphology, with cached sizes: Brian2 would traverse the tree for each of them, and copy it."""

from __future__ import annotations

from typing import Any

import brian2
import numpy as np
from brian2 import Quantity

from snnlab.brian.multicompartment.discretization import Cable


class _Cached(brian2.Morphology):
    n_compartments = n_sections = 0

    @property
    def total_compartments(self) -> int:
        return self.n_compartments

    @property
    def total_sections(self) -> int:
        return self.n_sections

    def __deepcopy__(self, memo: dict[int, Any]) -> _Cached:
        return self


class _Sphere(_Cached, brian2.Soma):
    pass


class _Section(_Cached, brian2.Section):
    start = 0.0

    @property
    def distance(self) -> Quantity:
        lengths = np.asarray(self.length)
        return (self.start + np.cumsum(lengths) - 0.5 * lengths) * brian2.metre


def brian_morphology(cable: Cable) -> brian2.Morphology:
    """The cable as Brian2's morphology, which numbers its compartments in the same order."""
    metre = brian2.metre
    root: _Cached | None = _Sphere(diameter=cable.soma_diameter * metre) if cable.soma_diameter else None
    sections: list[_Cached] = []
    for number, section in enumerate(cable.sections):
        part = _Section(diameter=section.diameters * metre, length=section.lengths * metre, n=len(section.lengths))
        part.start = section.start
        parent = sections[section.parent] if section.parent >= 0 else root
        if parent is not None:
            parent.children.add(f"section{number}", part)
        sections.append(part)
    root = sections[0] if root is None else root
    root.n_compartments, root.n_sections = cable.n_compartments, len(sections) + bool(cable.soma_diameter)
    return root
