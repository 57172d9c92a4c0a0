"""Z-IL: predictive coding that equals backpropagation (Song, Lukasiewicz, Xu and Bogacz, NeurIPS 2020), in layers.

Predictive coding predicts the rates of a layer from those of the layer below, and moves all rates but the clamped
input and output down the energy 1/2 sum |r - prediction|^2 in steps of gamma. Z-IL starts from the forward pass and
updates a layer at the step at which the output's error first reaches it, one layer per step. That error is

    eps_N = target - r_N        eps_k = gamma (phi'_k+1 eps_k+1) W_k+1^T

because the rates below are still those of the forward pass, and no later update reads what inference does above. So the
rule computes these errors alone. With gamma = 1 it is backpropagation; another gamma scales the update of a layer by
gamma for each layer above. A test compares the rule with the inference of all nodes (tests/reference_implementations).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from snnlab.data.fields import option
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.rate.backward_pass import BackwardPassRule, backpropagated
from snnlab.rules.rate.forward_pass import Layer
from snnlab.rules.rule import State


@dataclass(frozen=True)
class ZIL(BackwardPassRule):
    """Z-IL for rate layers, or for the basal weights of a microcircuit.

    Raises InputError if gamma is not in (0, 1].
    """

    title: ClassVar[str] = "Z-IL"

    gamma: float = option(1.0, "step size of inference; 1 for updates equal to those of backpropagation")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.gamma <= 1:
            raise InputError("ZIL.gamma", f"got {self.gamma}", "must be above 0 and at most 1")

    def error_below(self, circuit: Circuit, state: State, layer: Layer, delta: Values) -> Values:
        error = backpropagated(state, layer, delta)
        return error if self.gamma == 1 else self.gamma * error
