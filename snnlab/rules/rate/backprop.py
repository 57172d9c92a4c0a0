"""Backpropagation (Rumelhart, Hinton and Williams, Nature 323:533, 1986): the control of the other rules.

Plain stochastic gradient descent on E = 1/2 sum_i (r_i - y_i)^2 of the output's rates, for rate layers or for the basal
weights of a microcircuit. The forward pass of a microcircuit is that of the two-pass rule, with the apical dendrites of
hidden cells at rest, so that both rules predict the same from the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.rate.backward_pass import BackwardPassRule, backpropagated
from snnlab.rules.rate.forward_pass import Layer
from snnlab.rules.rule import State


@dataclass(frozen=True)
class Backprop(BackwardPassRule):
    """Backpropagation: errors propagate through the transposed forward weights."""

    title: ClassVar[str] = "backpropagation"

    def error_below(self, circuit: Circuit, state: State, layer: Layer, delta: Values) -> Values:
        return backpropagated(state, layer, delta)
