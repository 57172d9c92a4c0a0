"""The self-assembling circuit, SAL-style (reconstruction), after Liao, Ziyin, Gan, Cheung, Harnett and Poggio (2024).

Self-assembly of a biologically plausible learning circuit, arXiv:2412.20018. What is known of it here is the abstract:
an ascending and a descending stream, local heterosynaptic updates of four families of synapses between them, and a
circuit that assembles itself from random wiring. The equations below are a reconstruction with these properties. Layers
l = 1 .. L of the ascending stream, on rows of samples; the descending stream has cells beside each hidden layer.

    phase 1   h_l = phi(h_l-1 W_l)            and the cells beside see h_l P_l
    phase 2   d_L = phi' (y - h_L)            and down, b_l = d_l+1 V_l, then d_l = phi' (b_l Q_l)

    W_l       rate ( <h_l-1^T d_l> - weight_decay W_l )
    V_l       rate ( <d_l+1^T (h_l P_l)> - weight_decay V_l )
    Q_l       mirror ( <(x P_l)^T x> - Q_l ),   x spontaneous activity of the ascending stream, normal
    P_l       lateral ( <(z Q_l)^T z> - P_l ),  z that of the descending one; far slower than Q

All begin at random, P, Q and V with the variance 1/(cells beside). Both W_l+1 and V_l learn from the same pairs of
activity, h_l and d_l+1. So, whatever the data, a batch changes

    V_l - W_l+1^T P_l   by the factor 1 - rate weight_decay (alignment)

and P, if it moves after that, by -W_l+1^T (change of P_l) more. Where P stays this is the law of Kolen and Pollack
(ICNN 1994), who have P = 1. Q goes to P^T, as a mirror of spontaneous activity (Akrout and others, NeurIPS 2019), and P
a little to Q^T: were it as fast, both would end as the mean of two random matrices, with half of the variance. Then
b_L-1 Q_L-1 = d_L W_L^T P P^T: of one sample, the error that comes to the rates of the last hidden layer never points
away from that of backpropagation, for P P^T has no negative eigenvalue. Slopes, sums over samples and further layers
can turn an update past 90 degrees; the more cells there are beside, the rarer, as P P^T goes to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snnlab.engine import one_blas_thread
from snnlab.engine.rate.dense import WeightUpdate, apply_updates
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.networks.two_stream import APICAL, LATERAL, TEACHING
from snnlab.rules.common import seeding
from snnlab.rules.common.validation import check_share
from snnlab.rules.rate.descent import Asked, LayerByLayer
from snnlab.rules.rate.forward import Forward, Link, way_up
from snnlab.rules.rule import State

_NOISE = "noise"  # what spontaneous activity is drawn from, beside the number of the step


@dataclass(frozen=True)
class SelfAssembly(LayerByLayer):
    """The rule (reconstruction), for two streams.

    mirror   rate of the synapses Q back to the ascending stream, 0 for random ones that stay
    lateral  and of the synapses P to the descending one
    draws    of spontaneous activity in every step
    """

    title: ClassVar[str] = "self-assembly"

    mirror: float = 0.005
    lateral: float = 1e-4
    draws: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self, "mirror", "lateral")
        if self.draws < 1:
            raise InputError("SelfAssembly.draws", f"found {self.draws}", "needs at least 1")

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        way = self._way(circuit)
        state = super().init(circuit, rng, classes)
        sizes = {node.name: node.size for node in circuit.nodes}
        for k, (own, above) in enumerate(zip(way.links, way.links[1:], strict=False), start=1):
            beside, here, over = sizes[f"down{k}"], sizes[own.name], sizes[above.name]
            for name, shape in (
                (_lateral(k), (here, beside)),
                (_teaching(k), (beside, here)),
                (_apical(k, above), (over, beside)),
            ):
                state.weights[name] = rng.normal(0, beside**-0.5, shape).astype(self.precision)
        state.constants[_NOISE] = seeding.new_seed(rng)
        return state

    def sent_down(self, way: Forward, state: State, link: Link, delta: Values) -> Values:
        k = way.links.index(link)
        return (delta @ state.weights[_apical(k, link)]) @ state.weights[_teaching(k)]

    def asked(self, way: Forward, state: State, rates: list[Values], error: Values) -> list[Asked]:
        found = super().asked(way, state, rates, error)
        of_w = {one.name: one for one in found}
        for k, above in enumerate(way.links[1:], start=1):
            _, own, delta = of_w[above.basal]
            with one_blas_thread():
                found.append(Asked(_apical(k, above), delta, own @ state.weights[_lateral(k)]))
        return found

    def learn(self, way: Forward, state: State, asked: list[Asked], eta: float) -> None:
        for k, above in enumerate(way.links[1:], start=1):
            state.weights[_apical(k, above)] *= np.asarray(1 - eta * self.weight_decay, dtype=self.precision)
        super().learn(way, state, asked, eta)
        # last, as what V and W learn of a batch is aligned by the P that they learned it with
        for k in range(1, len(way.links)):
            there, back = state.weights[_lateral(k)], state.weights[_teaching(k)]
            rng = seeding.generator(state, _NOISE, k)
            self._mirror(back, there, self.mirror, rng)
            self._mirror(there, back, self.lateral, rng)

    def _mirror(self, weights: Values, there: Values, rate: float, rng: np.random.Generator) -> None:
        """weights (m, n) += rate (<(x there)^T x> - weights), with normal x (draws, n) and `there` (n, m)."""
        if rate == 0:
            return
        x = rng.standard_normal((self.draws, len(there)), dtype=there.dtype.type)
        with one_blas_thread():
            arrived = x @ there
        weights *= np.asarray(1 - rate, dtype=self.precision)
        apply_updates([WeightUpdate(weights, arrived, x, rate / self.draws)])

    def _way(self, circuit: Circuit) -> Forward:
        """The ascending stream. Raises InputError for a circuit that has no other beside it."""
        way = way_up(circuit, self.title)
        known = {one.name for one in circuit.projections}
        between = [name for k, above in enumerate(way.links[1:], start=1)
                   for name in (_lateral(k), _teaching(k), _apical(k, above))]  # fmt: skip
        if not between or not set(between) <= known:
            found = f"of {', '.join(sorted(node.name for node in circuit.nodes))}"
            raise InputError(f"{self.title}: circuit", found, "needs two streams: TwoStream makes them")
        return way


def _lateral(k: int) -> str:
    """P beside the hidden layer of this number, counted from 1."""
    return f"hidden{k}->down{k}.{LATERAL}"


def _teaching(k: int) -> str:
    """Q."""
    return f"down{k}->hidden{k}.{TEACHING}"


def _apical(k: int, above: Link) -> str:
    """V."""
    return f"{above.name}->down{k}.{APICAL}"
