"""What is heard in every step, and learns, can only be wired where it makes sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from snnlab import cards
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Plastic, Population, Projection, Source
from snnlab.networks.weights import Convolution

PYRAMID, LIF = cards.cell("pyramidal_hidden"), cards.cell("lif_exp")
RULE = Plastic(cards.plasticity("plastic_bottom_up"))
CELLS = (Source("eye", 2), Population("below", PYRAMID, 2), Population("cells", PYRAMID, 3), Population("lif", LIF, 3))
WEIGHTS = np.ones((2, 3))


def wired(pre: str = "below", post: str = "cells", receptor: str = "basal", weights: Any = WEIGHTS,
          **more: Any) -> Circuit:  # fmt: skip
    return Circuit(CELLS, (Projection(pre, post, receptor, weights, **more),), "0.1 ms")


def test_what_is_heard_is_the_rate_unless_a_variable_is_named() -> None:
    for circuit, heard in ((wired(), "r"), (wired(variable="u"), "u"), (wired("eye"), "r")):
        (projection,) = circuit.projections
        assert (circuit.is_continuous(projection), circuit.transmitted_variable(projection)) == (True, heard)
    circuit = wired("eye", "lif", "synapse")
    assert not circuit.is_continuous(circuit.projections[0])


def test_only_a_population_has_cells() -> None:
    assert wired().population("cells") is CELLS[2]
    with pytest.raises(InputError, match="^circuit: 'eye' is a source; needs a population of cells"):
        wired().population("eye")


def rule(**changed: str) -> Plastic:
    return Plastic(replace(RULE.card, **changed))  # type: ignore[arg-type]


CASES: dict[str, tuple[Callable[[], object], str]] = {
    "no rate": (lambda: wired("lif", weights=np.ones((3, 3))), r"'lif' has no rate; name the variable .*`reads`"),
    "no variable": (lambda: wired(variable="v"), r"'below' has no variable 'v'; .*known: r, r_B"),
    "no variable of a source": (lambda: wired("eye", variable="u"), r"'eye' has no variable 'u'; known: r"),
    "an input heard": (
        lambda: wired(variable="v_TD"),
        r"'v_TD' of 'below' follows its input 'v_TD' within the step; only",
    ),
    "what rests on an input": (
        lambda: wired(variable="r_B"),
        r"'r_B' of 'below' follows its input 'v_B' within the step",
    ),
    "what rests on two": (lambda: wired(variable="v_A"), r"'v_A' of 'below' follows its input 'v_TD' within the step"),
    "a delay": (lambda: wired(delay="1 ms"), r"a delay of '1 ms'; what is heard in every step has none"),
    "a spiking receptor that reads": (
        lambda: wired("eye", "lif", "synapse", variable="r"),
        r"receptor 'synapse' is raised by spikes; only inputs hear a variable and learn; this cell has none",
    ),
    "a spiking receptor that learns": (
        lambda: wired("eye", "lif", "synapse", plasticity=RULE),
        r"receptor 'synapse' is raised by spikes; only inputs",
    ),
    "sparse ones that learn": (
        lambda: wired(weights=scipy.sparse.coo_array(WEIGHTS), plasticity=RULE),
        r"weights of coo_array; full ones can learn",
    ),
    "kernels that learn": (
        lambda: wired(weights=Convolution(np.ones((2, 1, 1, 3)), (2, 1)), plasticity=RULE),
        r"weights of Convolution; full ones can learn",
    ),
    "no parameter": (
        lambda: wired(plasticity=Plastic(RULE.card, {"rate": 1.0})),
        r"no parameter 'rate' on models/plastic_bottom_up.toml; .*known: eta, tau_w",
    ),
    "post of another cell": (
        lambda: wired(plasticity=rule(post="r - r_D")),
        r"'cells' has no variable 'r_D'; .* reads",
    ),
    "pre of a source": (lambda: wired("eye", plasticity=rule(pre="u")), r"'eye' has no variable 'u'; .* reads it"),
    "weights of NaN": (lambda: wired(weights=WEIGHTS * np.nan, plasticity=RULE), r"weights that are not finite"),
}


@pytest.mark.parametrize(("attempt", "said"), CASES.values(), ids=CASES)
def test_what_cannot_be_heard_or_learn_is_refused(attempt: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        attempt()
    assert str(refusal.value).startswith("projection '") and "\n" not in str(refusal.value)


def test_two_plastic_projections_of_one_name_are_refused_and_fixed_ones_are_not() -> None:
    twice = (Projection("below", "cells", "basal", WEIGHTS), Projection("below", "cells", "basal", WEIGHTS))
    assert len(Circuit(CELLS, twice, "0.1 ms").projections) == 2
    with pytest.raises(InputError, match="^projection 'below->cells.basal': two plastic ones have this name"):
        Circuit(CELLS, tuple(replace(one, plasticity=RULE) for one in twice), "0.1 ms")


def test_the_same_wiring_without_the_mistakes_is_a_circuit() -> None:
    wired(delay="0 ms", variable="u", plasticity=RULE)
    wired("eye", weights=scipy.sparse.coo_array(WEIGHTS))
    wired("eye", plasticity=Plastic(RULE.card, {"eta": "1 kHz"}))
