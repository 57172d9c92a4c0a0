"""Projections and checks that the builders of networks share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import scipy.sparse

from snnlab import cards
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Plastic, Population, Projection, Source
from snnlab.networks.populations import NUDGE

_Value = TypeVar("_Value")

PHI = "phi(x)"
"""The activation as written on a card."""


def all_to_all(
    pre: Source | Population,
    post: Population,
    receptor: str,
    *,
    variable: str = "",
    plasticity: Plastic | None = None,
) -> Projection:
    """Connect every neuron of `pre` to every cell of `post`, with weights of zero."""
    weights = np.zeros((pre.size, post.size))
    return Projection(pre.name, post.name, receptor, weights, variable=variable, plasticity=plasticity)


def one_to_one(pre: Source | Population, post: Population, receptor: str, variable: str = "") -> Projection:
    """Connect neuron k of `pre` to cell k of `post`, with a weight of 1. Raises InputError for different sizes."""
    if pre.size != post.size:
        problem = f"{post.size} cells for {pre.size} of {pre.name!r}"
        raise InputError(f"population {post.name!r}", problem, "must have equal sizes: they are connected one to one")
    weights = scipy.sparse.identity(pre.size, format="coo")
    return Projection(pre.name, post.name, receptor, weights, variable=variable)


def nudging(post: Population, receptor: str = NUDGE) -> Projection:
    """Connect the nudge source to every cell of `post`, with weights of 1."""
    return Projection(NUDGE, post.name, receptor, np.ones((1, post.size)))


def check_sizes(field: str, sizes: tuple[int, ...], *, least: int = 1) -> None:
    """Raises InputError for fewer than `least` layers, and for a layer without cells."""
    if len(sizes) < least or any(size < 1 for size in sizes):
        number = "at least one layer" if least else "layers"
        raise InputError(f"network.{field}", f"got {sizes}", f"must be {number} of at least one cell")


def check_outputs(outputs: int) -> None:
    """Raises InputError for a negative number of outputs."""
    if outputs < 0:
        raise InputError("network.outputs", f"got {outputs}", "must be the number of cells, or 0 for one per class")


def per_layer(values: tuple[_Value, ...], layers: int) -> tuple[_Value, ...]:
    """One value for each layer; a single value is that of all layers."""
    return values * layers if len(values) == 1 else values


def check_per_layer(field: str, values: tuple[object, ...], layers: int) -> None:
    """Raises InputError unless there is one value, or one for each layer."""
    if len(values) not in (1, layers):
        raise InputError(f"network.{field}", f"got {len(values)} values", f"must be 1, or {layers}: one for each layer")


def card_digests(circuit: Circuit) -> dict[str, str]:
    """Path -> digest of the cards of cells and plasticity in a circuit."""
    used: Iterable[cards.Card] = (
        *(population.cell for population in circuit.populations),
        *(projection.plasticity.card for projection in circuit.projections if projection.plasticity),
    )
    return {card.path: card.digest for card in used}
