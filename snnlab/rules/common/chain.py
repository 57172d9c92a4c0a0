"""Checks of circuits that are chains: one source and a chain of layers; the output may project to itself."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from snnlab.brian.quantities import to_si
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Population, Projection


def chain(circuit: Circuit, rule: str = "HM2-BP") -> tuple[Projection, ...]:
    """The projections from the source to the output, in order, without that of the output to itself.

    rule  its name, for error messages

    Raises InputError for a circuit that is not a chain, and for sparse weights.
    """
    names = [node.name for node in circuit.nodes]
    layers = tuple(each for each in circuit.projections if not each.pre == each.post == names[-1])
    steps = [(projection.pre, projection.post) for projection in layers]
    if len(circuit.sources) != 1 or steps != list(zip(names, names[1:], strict=False)):
        raise InputError(rule, f"got a circuit of {steps}", "must be one source and a chain of layers")
    for projection in layers:
        if issparse(projection.weights):
            field = f"projection {projection.name!r}"
            raise InputError(field, "got sparse weights", f"{rule} requires full or shared weights")
    return layers


def lateral(circuit: Circuit) -> Projection | None:
    """The projection from the output to itself. Raises InputError for several, and for weights that are not full."""
    output = circuit.output.name
    projections = circuit.between(output, output)
    if len(projections) > 1 or any(not isinstance(each.weights, np.ndarray) for each in projections):
        field = f"HM2-BP: {output!r} onto itself"
        raise InputError(field, "not one full projection", "must be at most one projection, with full weights")
    return projections[0] if projections else None


def layer(circuit: Circuit, name: str, rule: str = "HM2-BP") -> Population:
    """A layer by name. Raises InputError for a source, and for cells that do not spike."""
    population = circuit[name]
    if not isinstance(population, Population) or not population.cell.threshold:
        raise InputError(rule, f"no threshold in {name!r}", "must be cells that spike")
    return population


def threshold(circuit: Circuit, name: str) -> float:
    """The threshold nu of a layer. Raises InputError for cells without a parameter v_th."""
    population = layer(circuit, name)
    if "v_th" not in population.cell.parameters:
        raise InputError("HM2-BP", f"no parameter v_th in {name!r}", "must be cells with a threshold v_th")
    return to_si(population.parameters.get("v_th", population.cell.parameters["v_th"]), "1", f"{name}: v_th")
