"""The cell of HM2-BP compared with its impulse response and with its authors' discrete steps.

Jin, Zhang, Li, NeurIPS 2018, arXiv:1805.07866. tau_m = 64, tau_s = 8, in steps of 1 ms.
"""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import cards
from snnlab.brian import simulate
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Source

TAU_M, TAU_S = 64, 8


def predict(name, weights, dense, **parameters):
    """Output spikes (steps, neurons) and potentials after each step, for input spikes `dense` (steps, inputs)."""
    inputs, outputs = weights.shape
    layer = Population("layer", cards.cell(name), outputs, parameters=parameters)
    circuit = Circuit((Source("input", inputs), layer), (Projection("input", "layer", "synapse", weights),), "1 ms")
    # one more step, because a trace is read at the start of a step
    given_spikes = SpikeTrains.from_dense(np.concatenate([dense, dense[-1:] * 0])[None], 1e-3)
    run = simulate(
        circuit,
        {"input": given_spikes},
        given_spikes.duration,
        record={"layer": ["v"]},
        neurons={"layer": range(outputs)},
        target="numpy",
    )
    return run.spikes["layer"].dense()[0][:-1], run.trace("layer", "v").values[1:]


def kernel(t):
    """K(t) = (exp(-t/tau_m) - exp(-t/tau_s)) / (1 - tau_s/tau_m), the response to one spike of weight 1."""
    return (np.exp(-t / TAU_M) - np.exp(-t / TAU_S)) / (1 - TAU_S / TAU_M)


def impulse(name, steps=1000):
    dense = np.zeros((steps, 1), dtype=bool)
    dense[0] = True
    return predict(name, np.ones((1, 1)), dense)[1][:, 0]


def test_impulse_response_is_the_difference_of_two_exponentials():
    np.testing.assert_allclose(impulse("lif_exp"), kernel(np.arange(1000)), atol=1e-13)


def test_impulse_response_peaks_after_19_steps_at_0_743():
    # t* = ln(tau_m/tau_s) tau_m tau_s / (tau_m - tau_s) = 19.01; K(t*) = 0.743
    response = impulse("lif_exp")
    assert response.argmax() == 19
    assert response.max() == pytest.approx(0.743, abs=5e-4)
    assert np.log(TAU_M / TAU_S) * TAU_M * TAU_S / (TAU_M - TAU_S) == pytest.approx(19.0, abs=0.02)


def test_impulse_response_has_the_area_of_the_membrane_time_constant():
    assert impulse("lif_exp", 3000).sum() == pytest.approx(TAU_M, rel=1e-3)
    # Euler's sum is exact: the gains 1/(1 - (1 - 1/tau)) of its two filters are tau_m and tau_s
    assert impulse("lif_exp_euler", 3000).sum() == pytest.approx(TAU_M, rel=1e-12)


def published_steps(weights, dense, v_th, t_ref):
    """The authors' program, one step of 1 ms at a time, as a plain loop."""
    steps, outputs = len(dense), weights.shape[1]
    v, q, held = np.zeros(outputs), np.zeros(outputs), np.zeros(outputs, dtype=int)
    fired, potential = np.zeros((steps, outputs), dtype=bool), np.zeros((steps, outputs))
    for t in range(1, steps):
        v *= 1 - 1 / TAU_M
        q *= 1 - 1 / TAU_S
        q += dense[t - 1] @ weights
        v += q / TAU_S
        v[held > 0] = 0
        held[held > 0] -= 1
        fired[t] = v > v_th - 1e-6
        v[fired[t]] = 0
        held[fired[t]] = t_ref
        potential[t] = v
    return fired, potential


def draw(seed, steps=400, inputs=30, outputs=12):
    rng = np.random.default_rng(seed)
    return rng.normal(0.8, 2.0, (inputs, outputs)), rng.random((steps, inputs)) < 0.1


@settings(max_examples=examples(15))
@given(seed=st.integers(0, 2**32 - 1), v_th=st.sampled_from([5.0, 8.0, 20.0]), t_ref=st.integers(0, 4))
def test_euler_card_follows_the_published_steps(seed, v_th, t_ref):
    weights, dense = draw(seed)
    fired, potential = published_steps(weights, dense, v_th, t_ref)
    # Brian2 counts the step of the spike too
    simulated, traced = predict("lif_exp_euler", weights, dense, v_th=str(v_th), t_ref=f"{t_ref + 1} ms")
    assert np.array_equal(simulated, fired)
    np.testing.assert_allclose(traced, potential, atol=1e-10)


def test_euler_card_has_the_published_threshold_and_refractory_period():
    weights, dense = draw(1)
    fired, _ = published_steps(weights, dense, v_th=20.0, t_ref=2)
    assert fired.sum() > 50
    assert np.array_equal(predict("lif_exp_euler", weights, dense)[0], fired)


@pytest.mark.parametrize("name, t_ref", [("lif_exp", "3 ms"), ("lif_exp_euler", "2 ms"), ("lif_exp_euler", "4 ms")])
def test_another_method_or_refractory_period_gives_other_spikes(name, t_ref):
    weights, dense = draw(1)
    fired, _ = published_steps(weights, dense, v_th=20.0, t_ref=2)
    assert not np.array_equal(predict(name, weights, dense, t_ref=t_ref)[0], fired)
