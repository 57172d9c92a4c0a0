"""Checks of a circuit: names and sizes of its populations, and what each projection connects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from snnlab.cards.equation import same_step_dependencies
from snnlab.cards.names import UNITS
from snnlab.cards.parsing import names_in
from snnlab.errors import InputError, one_of
from snnlab.networks.populations import Plastic, Population, Projection, Source
from snnlab.networks.weights import trainable_parameters


def check_nodes(nodes: Sequence[Source | Population]) -> None:
    """Raises InputError for names that repeat or are no identifiers, and for sizes that are not positive integers."""
    names = Counter(node.name for node in nodes)
    for node in nodes:
        if names[node.name] > 1:
            raise InputError("circuit", f"two populations are called {node.name!r}", "names must differ")
        if not (node.name.isidentifier() and node.name.isascii()):
            raise InputError("circuit", f"{node.name!r} is not a name", "must be letters, digits and underscores")
        if not isinstance(node.size, int | np.integer) or node.size < 1:
            raise InputError(f"population {node.name!r}", f"size {node.size!r}", "must be an integer of at least 1")


def check_projection(projection: Projection, pre: Source | Population, post: Source | Population) -> None:
    """Raises InputError for a receptor, weights, a variable or a plasticity card that do not fit `pre` and `post`."""
    where = f"projection {projection.name!r}"
    if not isinstance(post, Population):
        raise InputError(where, f"{post.name!r} is a source", "must end at a population of cells")
    receptors = [*post.cell.receptors, *post.receptors]
    if projection.receptor not in receptors:
        raise InputError(where, f"no receptor {projection.receptor!r}", one_of(projection.receptor, receptors))
    check_weights(projection, pre, post)
    if post.is_continuous(projection.receptor):
        _check_variable(projection, pre, where)
        if projection.plasticity:
            _check_plastic(projection.plasticity, pre, post, where)
    elif projection.variable or projection.plasticity:
        inputs = f"inputs of {post.cell.path}: {', '.join(post.cell.inputs) or 'none'}"
        problem = f"receptor {projection.receptor!r} receives spikes"
        raise InputError(where, problem, f"a variable or plasticity requires a receptor that is an input; {inputs}")


def check_weights(projection: Projection, pre: Source | Population, post: Source | Population) -> None:
    """Raises InputError for weights of another shape, and for weights that are not finite real numbers."""
    where, shape = f"projection {projection.name!r}", projection.weights.shape
    if shape != (pre.size, post.size):
        raise InputError(where, f"weights of shape {shape}", f"must be {(pre.size, post.size)}")
    if projection.plasticity and not isinstance(projection.weights, np.ndarray):
        raise InputError(where, f"plastic weights of type {type(projection.weights).__name__}", "must be a full array")
    values = trainable_parameters(projection.weights)
    if values is None:
        return
    if values.dtype.kind not in "biuf":
        raise InputError(where, f"weights of type {values.dtype}", "must be real numbers")
    if not np.isfinite(values).all():
        raise InputError(where, "weights that are not finite", "must be finite numbers")


def check_plastic_names(projections: Sequence[Projection]) -> None:
    """Raises InputError for two plastic projections of one name, by which their weights are recorded."""
    names = Counter(projection.name for projection in projections if projection.plasticity)
    for name, number in names.items():
        if number > 1:
            raise InputError(f"projection {name!r}", f"{number} plastic projections of this name", "must be one")


def _check_variable(projection: Projection, pre: Source | Population, where: str) -> None:
    """Raises InputError if `pre` cannot transmit the variable, or a delay is given."""
    variable = projection.variable or pre.rate
    if not variable:
        raise InputError(where, f"{pre.name!r} has no rate", "expected the name of a variable in `variable`")
    if variable not in pre.variables:
        raise InputError(where, f"{pre.name!r} has no variable {variable!r}", one_of(variable, pre.variables))
    if isinstance(pre, Population):
        dependencies = same_step_dependencies(pre.cell.equations, variable)
        for name in pre.cell.inputs:
            if name in dependencies:
                problem = f"{variable!r} of {pre.name!r} depends on its input {name!r} within the step"
                raise InputError(where, problem, "must be a variable that depends on state variables only")
    if projection.delay not in (0, "0 ms", "0 s"):
        raise InputError(where, f"a delay of {projection.delay!r}", "must be 0 for a continuous projection")


def _check_plastic(plastic: Plastic, pre: Source | Population, post: Population, where: str) -> None:
    """Raises InputError for names that the plasticity card or the cells do not have."""
    card = plastic.card
    for name in plastic.parameters:
        if name not in card.parameters:
            raise InputError(where, f"no parameter {name!r} on {card.path}", one_of(name, card.parameters))
    for expression, node in ((card.pre, pre), (card.post, post)):
        for name in sorted(names_in(expression) - set(node.variables) - UNITS):
            hint = f"required by {card.path}; {one_of(name, node.variables)}"
            raise InputError(where, f"{node.name!r} has no variable {name!r}", hint)
