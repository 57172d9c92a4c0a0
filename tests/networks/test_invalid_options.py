"""Options of networks that are refused, by field and value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from errors_in_tests import raises_input_error

from snnlab.networks.corinfomax import CorInfoMaxNetwork
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.networks.two_stream import TwoStream

INVALID: list[tuple[Callable[..., object], dict[str, Any], str, tuple[object, ...]]] = [
    *((network, {"outputs": -1}, "outputs", (-1,)) for network in (MLP, Microcircuit, CorInfoMaxNetwork, TwoStream)),
    *((network, {"hidden": (3, 0)}, "hidden", ((3, 0),)) for network in (MLP, Microcircuit, CorInfoMaxNetwork)),
    *((network, {"hidden": ()}, "hidden", ("()",)) for network in (Microcircuit, CorInfoMaxNetwork, TwoStream)),
    *((network, {"activation": "rely"}, "activation", ("rely", "did you mean 'relu'")) for network in (MLP, TwoStream)),
    *((network, {"output_activation": ""}, "output_activation", ("''",)) for network in (MLP, TwoStream)),
    (Microcircuit, {"activation": "relu"}, "activation", ("relu", "logistic", "softplus")),
    (Microcircuit, {"hidden": (3,), "mixing": (0.1, 0.2, 0.3)}, "mixing", (3, "2: one for each layer")),
    (Microcircuit, {"hidden": (3,), "mixing": ()}, "mixing", (0,)),
    *((Microcircuit, {"mixing": (value,)}, "mixing", (value,)) for value in (0.0, 1.0, math.nan)),
    (Microcircuit, {"interneuron_mixing": 1.5}, "interneuron_mixing", (1.5,)),
    (Microcircuit, {"leak": -0.1}, "leak", (-0.1,)),
    (Microcircuit, {"noise": math.inf}, "noise", (math.inf,)),
    *((Microcircuit, {"spikes_per_ms": value}, "spikes_per_ms", (value,)) for value in (-1.0, math.nan)),
    (Microcircuit, {"spikes_per_ms": 3.0}, "latent", ("spikes_per_ms",)),
    *((CorInfoMaxNetwork, {"mu": value}, "mu", (value,)) for value in (0.0, math.nan)),
    *((CorInfoMaxNetwork, {"epsilon": value}, "epsilon", (value,)) for value in (-0.1, math.inf)),
    (CorInfoMaxNetwork, {"leak": -1.0}, "leak", (-1.0,)),
    (CorInfoMaxNetwork, {"slowing": -0.01}, "slowing", (-0.01,)),
    *((CorInfoMaxNetwork, {"forgetting": value}, "forgetting", (value,)) for value in (0.0, 1.0)),
    (
        CorInfoMaxNetwork,
        {"hidden": (5, 4), "sparse": True, "multiplier_rate": (0.1, 0.2)},
        "multiplier_rate",
        (2, "3: one for each layer"),
    ),
    (CorInfoMaxNetwork, {"multiplier_rate": (2.0,)}, "multiplier_rate", (2.0,)),
    (TwoStream, {"hidden": (3, 3), "descending": (3, 0)}, "descending", ((3, 0),)),
    (TwoStream, {"hidden": (5, 4, 3), "descending": (6, 7)}, "descending", (2, "3: one for each layer")),
    *((FeedForward, {"outputs": value}, "outputs", (value, 9_999_999)) for value in (-1, 10_000_000)),
    (FeedForward, {"hidden": ("15C5--P2",)}, "hidden", ("''", "15C5--P2")),
    (FeedForward, {"v_th": (10.0, 0.0)}, "v_th", (0.0,)),
    *((FeedForward, {"inhibition": value}, "inhibition", (value,)) for value in (-1.0, math.inf)),
]


@pytest.mark.parametrize(("network", "options", "option", "values"), INVALID)
def test_invalid_options_of_networks_are_refused(
    network: Callable[..., object], options: dict[str, Any], option: str, values: tuple[object, ...]
) -> None:
    with raises_input_error(f"network.{option}", *values):
        network(**options)
