"""Backpropagation (Rumelhart, Hinton and Williams, Nature 323:533, 1986): the control for all other rules of credit.

Plain stochastic gradient descent on E = 1/2 sum_i (r_i - y_i)^2 of the output's rates, in layers of rate cells or in
the basal weights of a microcircuit and nothing else. There the forward pass is the sweep up of the two-sweep rule, with
hidden cells held back by apical dendrites at rest: of the same weights both make the same rates, and a difference in
what is learned is one in the learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from snnlab.networks.activations import Values
from snnlab.rules.rate.descent import LayerByLayer, back
from snnlab.rules.rate.forward import Forward, Link
from snnlab.rules.rule import State


@dataclass(frozen=True)
class Backprop(LayerByLayer):
    """The rule: an error comes down by the weights that its layer hears with."""

    title: ClassVar[str] = "backpropagation"

    def sent_down(self, way: Forward, state: State, link: Link, delta: Values) -> Values:
        return back(state, link, delta)
