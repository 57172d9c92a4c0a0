"""The circuits that layered rules are defined on: a chain of layers, the last of which may be connected to itself."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from snnlab.brian.quantities import to_si
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Population, Projection


def chain(circuit: Circuit, rule: str = "HM2-BP") -> tuple[Projection, ...]:
    """The projections from the source to the output, in order, without that of the output to itself.

    rule  that needs them, for what is refused

    Raises InputError for a circuit that is no chain, and for sparse weights.
    """
    names = [node.name for node in circuit.nodes]
    found = tuple(one for one in circuit.projections if not one.pre == one.post == names[-1])
    steps = [(projection.pre, projection.post) for projection in found]
    if len(circuit.sources) != 1 or steps != list(zip(names, names[1:], strict=False)):
        raise InputError(rule, f"a circuit {steps}", "needs one source and a chain of layers, each on the next")
    for projection in found:
        if issparse(projection.weights):
            raise InputError(f"projection {projection.name!r}", "sparse weights", f"{rule} learns full and shared ones")
    return found


def lateral(circuit: Circuit) -> Projection | None:
    """The projection from the output to itself. Raises InputError for more than one, and for any but full weights."""
    output = circuit.nodes[-1].name
    found = [one for one in circuit.projections if one.pre == one.post == output]
    if len(found) > 1 or any(not isinstance(one.weights, np.ndarray) for one in found):
        raise InputError(
            f"HM2-BP: {output!r} onto itself", "not one full projection", "needs one array of weights, or none"
        )
    return found[0] if found else None


def layer(circuit: Circuit, name: str, rule: str = "HM2-BP") -> Population:
    """One of its layers. Raises InputError for a source, and for cells that do not fire."""
    population = circuit[name]
    if not isinstance(population, Population) or not population.cell.threshold:
        raise InputError(rule, f"no threshold in {name!r}", "needs cells that fire")
    return population


def threshold(circuit: Circuit, name: str) -> float:
    """nu of a layer. Raises InputError for cells without a parameter v_th."""
    population = layer(circuit, name)
    if "v_th" not in population.cell.parameters:
        raise InputError("HM2-BP", f"no parameter v_th in {name!r}", "needs cells with a threshold v_th")
    return to_si(population.parameters.get("v_th", population.cell.parameters["v_th"]), "1", f"{name}: v_th")
