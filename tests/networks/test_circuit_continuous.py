"""Continuous projections and plasticity in a circuit: defaults, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error

from snnlab import cards
from snnlab.networks.circuit import Circuit, Plastic, Population, Projection, Source
from snnlab.networks.weights import Convolution

PYRAMID, LIF = cards.cell("pyramidal_hidden"), cards.cell("lif_exp")
RULE = Plastic(cards.plasticity("plastic_bottom_up"))
CARD = RULE.card.path
CELLS = (Source("eye", 2), Population("below", PYRAMID, 2), Population("cells", PYRAMID, 3), Population("lif", LIF, 3))
WEIGHTS = np.ones((2, 3))


def connected(pre: str = "below", post: str = "cells", receptor: str = "basal", weights: Any = WEIGHTS,
              **options: Any) -> Circuit:  # fmt: skip
    return Circuit(CELLS, (Projection(pre, post, receptor, weights, **options),), "0.1 ms")


def rule(**changes: str) -> Plastic:
    return Plastic(replace(RULE.card, **changes))  # type: ignore[arg-type]


def test_a_continuous_projection_transmits_the_rate_unless_a_variable_is_named() -> None:
    for circuit, variable in ((connected(), "r"), (connected(variable="u"), "u"), (connected("eye"), "r")):
        (projection,) = circuit.projections
        assert circuit.is_continuous(projection) and circuit.transmitted_variable(projection) == variable
    circuit = connected("eye", "lif", "synapse")
    assert not circuit.is_continuous(circuit.projections[0])


def test_valid_continuous_and_plastic_projections() -> None:
    connected(delay="0 ms", variable="u", plasticity=RULE)
    connected("eye", weights=scipy.sparse.coo_array(WEIGHTS))
    connected("eye", plasticity=Plastic(RULE.card, {"eta": "1 kHz"}))


INVALID: dict[str, tuple[Callable[[], object], tuple[object, ...]]] = {
    "cells without a rate": (lambda: connected("lif", weights=np.ones((3, 3))), ("'lif'", "rate", "`variable`")),
    "unknown variable": (lambda: connected(variable="v"), ("'below'", "'v'", "known: r, r_B")),
    "unknown variable of a source": (lambda: connected("eye", variable="u"), ("'eye'", "'u'", "known: r")),
    "an input": (lambda: connected(variable="v_TD"), ("'below'", "'v_TD' of", "input 'v_TD'")),
    "a variable that depends on an input": (lambda: connected(variable="r_B"), ("'r_B'", "input 'v_B'")),
    "a variable that depends on two inputs": (lambda: connected(variable="v_A"), ("'v_A'", "input 'v_TD'")),
    "a delay": (lambda: connected(delay="1 ms"), ("1 ms",)),
    "a variable onto a spiking receptor": (
        lambda: connected("eye", "lif", "synapse", variable="r"),
        ("'synapse'", "spikes", LIF.path, "none"),
    ),
    "plasticity of a spiking receptor": (
        lambda: connected("eye", "lif", "synapse", plasticity=RULE),
        ("'synapse'", "spikes"),
    ),
    "plastic sparse weights": (
        lambda: connected(weights=scipy.sparse.coo_array(WEIGHTS), plasticity=RULE),
        ("coo_array", "full"),
    ),
    "plastic kernels": (
        lambda: connected(weights=Convolution(np.ones((2, 1, 1, 3)), (2, 1)), plasticity=RULE),
        ("Convolution", "full"),
    ),
    "plastic weights that become sparse": (
        lambda: connected(plasticity=RULE).with_weights({"below->cells.basal": scipy.sparse.coo_array(WEIGHTS)}),
        ("coo_array", "full"),
    ),
    "unknown parameter of a plasticity card": (
        lambda: connected(plasticity=Plastic(RULE.card, {"rate": 1.0})),
        ("'rate'", CARD, "known: eta, tau_w"),
    ),
    "a postsynaptic variable of another cell": (
        lambda: connected(plasticity=rule(post="r - r_D")),
        ("'cells'", "'r_D'", CARD),
    ),
    "a presynaptic variable of a source": (lambda: connected("eye", plasticity=rule(pre="u")), ("'eye'", "'u'", CARD)),
    "weights that are not finite": (lambda: connected(weights=WEIGHTS * np.nan, plasticity=RULE), ("finite",)),
}


@pytest.mark.parametrize(("attempt", "values"), INVALID.values(), ids=INVALID)
def test_invalid_continuous_projections_are_refused(attempt: Callable[[], object], values: tuple[object, ...]) -> None:
    with raises_input_error("projection '", *values) as caught:
        attempt()
    assert "\n" not in str(caught.value)


def test_plastic_projections_must_have_distinct_names() -> None:
    twice = (Projection("below", "cells", "basal", WEIGHTS), Projection("below", "cells", "basal", WEIGHTS))
    assert len(Circuit(CELLS, twice, "0.1 ms").projections) == 2
    with raises_input_error("projection 'below->cells.basal'", 2):
        Circuit(CELLS, tuple(replace(one, plasticity=RULE) for one in twice), "0.1 ms")
