"""The self-assembling circuit, SAL-style (reconstruction), after Liao, Ziyin, Gan, Cheung, Harnett and Poggio (2024).

Self-assembly of a biologically plausible learning circuit, arXiv:2412.20018. Only the abstract was available: an
ascending and a descending stream, local heterosynaptic updates of four families of synapses between them, and a circuit
that assembles itself from random connections. The equations below are a reconstruction with these properties. The
ascending stream has layers l = 1 .. L; each hidden layer has a paired population of the descending stream. For rows of
samples:

    phase 1   h_l = phi(h_l-1 W_l)            and the paired population receives h_l P_l
    phase 2   d_L = phi' (y - h_L)            then downward b_l = d_l+1 V_l and d_l = phi' (b_l Q_l)

    W_l       learning_rate ( <h_l-1^T d_l> - weight_decay W_l )
    V_l       learning_rate ( <d_l+1^T (h_l P_l)> - weight_decay V_l )
    Q_l       mirror_rate ( <(x P_l)^T x> - Q_l ),    x normal spontaneous activity of the ascending stream
    P_l       lateral_rate ( <(z Q_l)^T z> - P_l ),   z that of the descending stream; far slower than Q

All weights are initially random, P, Q and V with the variance 1/(paired cells). W_l+1 and V_l learn from the same pairs
of activity, h_l and d_l+1. Hence, whatever the data, a batch changes

    V_l - W_l+1^T P_l   by the factor 1 - learning_rate weight_decay (alignment)

and a later change of P changes it by -W_l+1^T (change of P_l). For constant P this is the law of Kolen and Pollack
(ICNN 1994), who have P = 1. Q converges to P^T, as a mirror of spontaneous activity (Akrout and others, NeurIPS 2019),
and P slowly to Q^T; at equal rates both would converge to the mean of two random matrices, with half the variance. Then
b_L-1 Q_L-1 = d_L W_L^T P P^T: for a single sample, the error of the rates of the last hidden layer never points away
from that of backpropagation, since P P^T has no negative eigenvalue. Activation derivatives, sums over samples and
further layers can turn an update past 90 degrees; this is the rarer the more paired cells there are, as P P^T
approaches 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np

from snnlab.data.fields import option
from snnlab.engine import one_blas_thread
from snnlab.engine.rate.dense import WeightUpdate, apply_updates
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common import seeding
from snnlab.rules.common.validation import check_share
from snnlab.rules.rate.backward_pass import BackwardPassRule
from snnlab.rules.rate.forward_pass import Layer, forward_path
from snnlab.rules.rule import State

_NOISE = "noise"  # seed of the spontaneous activity


class Pair(NamedTuple):
    """A hidden layer, the layer above, and the projections of its paired population.

    lateral   P, from the hidden layer to the paired population
    teaching  Q, back to the hidden layer
    apical    V, from the layer above to the paired population
    """

    above: Layer
    lateral: str
    teaching: str
    apical: str


@dataclass(frozen=True)
class SelfAssembly(BackwardPassRule):
    """The self-assembling circuit (reconstruction), for two streams."""

    title: ClassVar[str] = "self-assembly"

    mirror_rate: float = option(
        0.005, "learning rate of the synapses Q to the ascending stream; 0 for fixed random weights"
    )
    lateral_rate: float = option(1e-4, "learning rate of the synapses P to the descending stream")
    noise_samples: int = option(32, "samples of spontaneous activity per step")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self, "mirror_rate", "lateral_rate")
        if self.noise_samples < 1:
            raise InputError("SelfAssembly.noise_samples", f"got {self.noise_samples}", "must be at least 1")

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        state = super().init(circuit, rng, classes)
        shapes = {projection.name: projection.weights.shape for projection in circuit.projections}
        for pair in pairs(circuit, self.title):
            paired_cells = shapes[pair.lateral][1]
            for name in (pair.lateral, pair.teaching, pair.apical):
                state.weights[name] = rng.normal(0, paired_cells**-0.5, shapes[name]).astype(self.precision)
        state.constants[_NOISE] = seeding.new_seed(rng)
        return state

    def error_below(self, circuit: Circuit, state: State, layer: Layer, delta: Values) -> Values:
        pair = next(pair for pair in pairs(circuit, self.title) if pair.above.name == layer.name)
        return (delta @ state.weights[pair.apical]) @ state.weights[pair.teaching]

    def weight_updates(
        self, circuit: Circuit, state: State, rates: list[Values], error: Values, learning_rate: float
    ) -> dict[str, WeightUpdate]:
        updates = super().weight_updates(circuit, state, rates, error, learning_rate)
        for pair in pairs(circuit, self.title):
            _, hidden_rates, delta, scale = updates[pair.above.weights]
            with one_blas_thread():
                received = hidden_rates @ state.weights[pair.lateral]
            updates[pair.apical] = WeightUpdate(state.weights[pair.apical], delta, received, scale)
        return updates

    def decaying(self, circuit: Circuit) -> tuple[str, ...]:
        return (*super().decaying(circuit), *(pair.apical for pair in pairs(circuit, self.title)))

    def learn(self, circuit: Circuit, state: State, rates: list[Values], error: Values, learning_rate: float) -> None:
        super().learn(circuit, state, rates, error, learning_rate)
        # last, so that P is the same for the updates of V and W, which keeps them aligned
        for k, pair in enumerate(pairs(circuit, self.title), start=1):
            lateral, teaching = state.weights[pair.lateral], state.weights[pair.teaching]
            rng = seeding.generator(state, _NOISE, k)
            self._mirror(teaching, lateral, self.mirror_rate, rng)
            self._mirror(lateral, teaching, self.lateral_rate, rng)

    def _mirror(self, weights: Values, opposite: Values, rate: float, rng: np.random.Generator) -> None:
        """weights (m, n) += rate (<(x opposite)^T x> - weights), with normal x (noise_samples, n)."""
        if rate == 0:
            return
        x = rng.standard_normal((self.noise_samples, len(opposite)), dtype=opposite.dtype.type)
        with one_blas_thread():
            received = x @ opposite
        weights *= np.asarray(1 - rate, dtype=self.precision)
        apply_updates([WeightUpdate(weights, received, x, rate / self.noise_samples)])


@lru_cache(maxsize=8)
def pairs(circuit: Circuit, rule: str) -> tuple[Pair, ...]:
    """The pairs of the hidden layers, in order. Raises InputError naming `rule` unless there is one for each."""
    layers, descending = forward_path(circuit, rule).layers, circuit.populations_of("descending")
    if len(layers) < 2 or len(descending) != len(layers) - 1:
        names = ", ".join(sorted(node.name for node in circuit.nodes))
        raise InputError(f"{rule}: circuit", f"got populations {names}", "must be the circuit of a TwoStream network")
    found = []
    for own, above, paired in zip(layers, layers[1:], descending, strict=False):
        ends = ((own.name, paired.name), (paired.name, own.name), (above.name, paired.name))
        lateral, teaching, apical = (circuit.between(pre, post)[0].name for pre, post in ends)
        found.append(Pair(above, lateral, teaching, apical))
    return tuple(found)
