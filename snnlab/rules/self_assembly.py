"""The self-assembling circuit, SAL-style (reconstruction), after Liao, Ziyin, Gan, Cheung, Harnett and Poggio (2024).

Self-assembly of a biologically plausible learning circuit, arXiv:2412.20018. What is known of it here is the abstract:
an ascending and a descending stream, local heterosynaptic updates of four families of synapses between them, and a
circuit that assembles itself from random wiring. The equations below are a reconstruction with these properties. Layers
l = 1 .. L of the ascending stream, on rows of samples; the descending stream has cells beside each hidden layer.

    phase 1   h_l = phi(h_l-1 W_l)            and the cells beside see h_l P_l
    phase 2   d_L = phi' (y - h_L)            and down, b_l = d_l+1 V_l, then d_l = phi' (b_l Q_l)

    W_l       rate ( <h_l-1^T d_l> - weight_decay W_l )
    V_l       rate ( <d_l+1^T (h_l P_l)> - weight_decay V_l )
    Q_l       mirror ( <(x P_l)^T x> - Q_l ),   x spontaneous activity, normal
    P_l       random, with the variance 1/(cells beside), and fixed

Both W_l+1 and V_l learn from the same pairs of activity, h_l and d_l+1. So, whatever the data,

    V_l - W_l+1^T P_l   is multiplied by 1 - rate weight_decay in every step (alignment),

the law of Kolen and Pollack (ICNN 1994), which is the case P = 1. Q goes to P^T, as a mirror of spontaneous activity
(Akrout and others, NeurIPS 2019). Then b_L-1 Q_L-1 = d_L W_L^T P P^T: of one sample, the error that comes to the rates
of the last hidden layer never points away from that of backpropagation, for P P^T has no negative eigenvalue. Slopes,
sums over samples and further layers can turn an update past 90 degrees; the more cells there are beside, the rarer, as
P P^T goes to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snnlab.circuit import Circuit
from snnlab.engine import one_blas_thread
from snnlab.engine.dense import Change, changed
from snnlab.errors import Refused
from snnlab.rules.descent import Asked, Descent
from snnlab.rules.forward import Forward, Link, way_up
from snnlab.rules.rule import State
from snnlab.rules.transfer import Values
from snnlab.two_streams import APICAL, LATERAL, TEACHING

_NOISE = "noise"  # what spontaneous activity is drawn from, beside the number of the step


@dataclass(frozen=True)
class SelfAssembly(Descent):
    """The rule (reconstruction), for two streams.

    mirror  rate of the synapses back to the ascending stream, 0 for random ones that stay
    draws   of spontaneous activity in every step
    """

    title: ClassVar[str] = "self-assembly"

    mirror: float = 0.005
    draws: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.mirror <= 1:
            raise Refused("SelfAssembly.mirror", f"found {self.mirror}", "needs a rate, 0 to 1")
        if self.draws < 1:
            raise Refused("SelfAssembly.draws", f"found {self.draws}", "needs at least 1")

    @property
    def fixed(self) -> tuple[str, ...]:
        return (_NOISE,)

    def init(self, circuit: Circuit, rng: np.random.Generator) -> State:
        way = self._way(circuit)
        state = super().init(circuit, rng)
        sizes = {node.name: node.size for node in circuit.nodes}
        for k, (own, above) in enumerate(zip(way.links, way.links[1:], strict=False), start=1):
            beside, here, over = sizes[f"down{k}"], sizes[own.name], sizes[above.name]
            for name, shape in (
                (_lateral(k), (here, beside)),
                (_teaching(k), (beside, here)),
                (_apical(k, above), (over, beside)),
            ):
                state.weights[name] = rng.normal(0, beside**-0.5, shape).astype(self.precision)
        state.memory[_NOISE] = rng.integers(1 << 31, size=1).astype(np.float64)
        return state

    def check(self, circuit: Circuit, classes: int) -> None:
        self._way(circuit)
        super().check(circuit, classes)

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
        if self.mirror:
            self._mirror(way, state)

    def _mirror(self, way: Forward, state: State) -> None:
        """One step of the synapses back, from spontaneous activity of the ascending stream."""
        for k in range(1, len(way.links)):
            lateral, teaching = state.weights[_lateral(k)], state.weights[_teaching(k)]
            rng = np.random.default_rng([int(state.memory[_NOISE][0]), state.steps, k])
            activity = rng.standard_normal((self.draws, len(lateral)), dtype=lateral.dtype.type)
            with one_blas_thread():
                arrived = activity @ lateral
            teaching *= np.asarray(1 - self.mirror, dtype=self.precision)
            changed([Change(teaching, arrived, activity, self.mirror / self.draws)], threads=self.threads)

    def _way(self, circuit: Circuit) -> Forward:
        """The ascending stream. Raises Refused for a circuit that has no other beside it."""
        way = way_up(circuit, self.title)
        known = {one.name for one in circuit.projections}
        between = [name for k, above in enumerate(way.links[1:], start=1)
                   for name in (_lateral(k), _teaching(k), _apical(k, above))]  # fmt: skip
        if not between or not set(between) <= known:
            found = f"of {', '.join(sorted(node.name for node in circuit.nodes))}"
            raise Refused(f"{self.title}: circuit", found, "needs two streams: TwoStreams makes them")
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
