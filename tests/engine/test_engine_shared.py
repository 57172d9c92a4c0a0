"""Convolution, pooling, sparse and recurrent projections in the engine against Brian2, spike for spike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from snnlab import cards, engine
from snnlab.brian import simulate_batch
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source
from snnlab.networks.weights import Convolution, Pooling, Weights, sparse

DT = 1e-3


def layer(name: str, size: int, v_th: float, card: str = "lif_exp_euler") -> Population:
    return Population(name, cards.cell(card), size, {"v_th": v_th})


def poisson(rng: np.random.Generator, samples: int, steps: int, size: int, rate: float = 0.15) -> SpikeTrains:
    return SpikeTrains.from_dense(rng.random((samples, steps, size)) < rate, dt=DT)


def draw(rng: np.random.Generator, shape: tuple[int, ...], drive: float) -> np.ndarray:
    return rng.uniform(-0.3, 1, shape) * drive


def vision(rng: np.random.Generator, card: str, image: tuple[int, int], channels: tuple[int, int, int]) -> Circuit:
    """Two convolutions with pooling between them, a recurrent first layer, and an output that inhibits itself."""
    first = Convolution(draw(rng, (3, 2, *channels[:2]), 3), image)
    pool = Pooling(first.out, 2, 1.5)
    second = Convolution(draw(rng, (2, 2, *channels[1:]), 3), pool.out[:2])
    among = scipy.sparse.random_array((first.shape[1],) * 2, density=0.1, rng=rng) - 0.0
    nodes = (
        Source("eye", first.shape[0]),
        layer("edges", first.shape[1], 5.0, card),
        layer("pooled", pool.shape[1], 1.0, card),
        layer("corners", second.shape[1], 4.0, card),
        layer("out", 4, 3.0, card),
    )
    projections = (
        Projection("eye", "edges", "synapse", first),
        Projection("edges", "edges", "synapse", among, delay="2 ms"),
        Projection("edges", "pooled", "synapse", pool),
        Projection("pooled", "corners", "synapse", second),
        Projection("corners", "out", "synapse", draw(rng, (second.shape[1], 4), 4)),
        Projection("out", "out", "synapse", np.eye(4) - 1),
    )
    return Circuit(nodes, projections, DT)


def in_brian(circuit: Circuit, spikes: SpikeTrains) -> list[dict[str, SpikeTrains]]:
    return [recording.spikes for recording in simulate_batch(circuit, {"eye": spikes}, spikes.duration)]


def differing(circuit: Circuit, spikes: SpikeTrains) -> dict[str, int]:
    """Population -> samples in which the float64 engine and Brian2 fire differently."""
    found = engine.run(circuit, {"eye": spikes}, precision="float64")
    witnesses = in_brian(circuit, spikes)
    return {
        name: sum(response.spikes.sample(k) != witness[name] for k, witness in enumerate(witnesses))
        for name, response in found.items()
    }


@pytest.mark.thorough
@settings(max_examples=examples(15), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 2**32 - 1),
    card=st.sampled_from(["lif_exp", "lif_exp_euler"]),
    image=st.tuples(st.integers(6, 9), st.integers(6, 9)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 18), st.integers(1, 5)),
)
@pytest.mark.slow
def test_convolutions_and_recurrent_weights_give_the_spikes_of_brian(
    seed: int, card: str, image: tuple[int, int], channels: tuple[int, int, int]
) -> None:
    rng = np.random.default_rng(seed)
    circuit = vision(rng, card, image, channels)
    assert set(differing(circuit, poisson(rng, 2, 50, image[0] * image[1] * channels[0])).values()) == {0}


def test_a_typical_circuit_fires_in_every_layer_and_a_longer_delay_is_detected() -> None:
    """The controls of the test above: there are spikes to compare, and a wrong delay changes them."""
    rng = np.random.default_rng(5)
    circuit = vision(rng, "lif_exp_euler", (8, 8), (2, 6, 4))
    spikes = poisson(rng, 3, 80, 128)
    found = engine.run(circuit, {"eye": spikes}, precision="float64")
    assert all(len(response.spikes) >= 20 for response in found.values())
    for k in range(len(circuit.projections)):
        projections = list(circuit.projections)
        projections[k] = replace(projections[k], delay=3e-3)
        late = engine.run(replace(circuit, projections=tuple(projections)), {"eye": spikes}, precision="float64")
        assert late[projections[k].post].spikes != found[projections[k].post].spikes


@pytest.mark.slow
def test_convolution_and_pooling_equal_their_sparse_synapses() -> None:
    rng = np.random.default_rng(2)
    for weights in (Convolution(draw(rng, (3, 3, 2, 20), 2), (6, 7)), Pooling((6, 7, 2), 3, 4.0)):
        spikes = poisson(rng, 4, 60, weights.shape[0])

        def answer(kind: Weights, precision: engine.Precision, given: SpikeTrains = spikes) -> SpikeTrains:
            nodes = (Source("eye", kind.shape[0]), layer("layer", kind.shape[1], 3.0))
            circuit = Circuit(nodes, (Projection("eye", "layer", "synapse", kind),), DT)
            return engine.run(circuit, {"eye": given}, precision=precision)["layer"].spikes

        shared = answer(weights, "float64")
        assert len(shared) > 20
        assert shared == answer(sparse(weights), "float64") == answer(sparse(weights).toarray(), "float64")
        single = answer(weights, "float32")
        assert abs(len(single) - len(shared)) < 0.02 * len(shared)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_samples_do_not_depend_on_their_batch_or_on_threads(threads: int) -> None:
    rng = np.random.default_rng(3)
    circuit = vision(rng, "lif_exp", (7, 7), (1, 5, 3))
    spikes = poisson(rng, 5, 40, 49)
    with engine.threads(threads):
        whole = engine.run(circuit, {"eye": spikes})
    for k in range(5):
        alone = engine.run(circuit, {"eye": spikes.sample(k)})
        for name, response in whole.items():
            assert alone[name].spikes == response.spikes.sample(k)
            np.testing.assert_array_equal(alone[name].counts[0], response.counts[k])
            np.testing.assert_array_equal(alone[name].potential[0], response.potential[k])


@pytest.mark.slow
def test_counts_and_raster_agree_with_the_spikes() -> None:
    rng = np.random.default_rng(4)
    circuit = vision(rng, "lif_exp", (7, 7), (1, 5, 3))
    for response in engine.run(circuit, {"eye": poisson(rng, 3, 40, 49)}).values():
        np.testing.assert_array_equal(response.counts, response.spikes.counts())
        np.testing.assert_array_equal(response.raster, engine.pack_raster(response.spikes))


def test_a_loop_through_two_populations_is_refused() -> None:
    nodes = (Source("eye", 2), layer("a", 3, 1.0), layer("b", 3, 1.0))
    ends = [("eye", "a", 2), ("a", "b", 3), ("b", "a", 3)]
    circuit = Circuit(nodes, tuple(Projection(a, b, "synapse", np.ones((n, 3))) for a, b, n in ends), DT)
    with raises_input_error("circuit", "a, b"):
        engine.run(circuit, {"eye": poisson(np.random.default_rng(0), 1, 5, 2)})


def test_more_synapses_than_the_engine_can_count_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    eye = (Source("eye", 3), layer("a", 3, 1.0))
    circuit = Circuit(eye, (Projection("eye", "a", "synapse", scipy.sparse.coo_array(np.eye(3))),), DT)
    spikes = {"eye": poisson(np.random.default_rng(0), 1, 5, 3)}
    monkeypatch.setattr("snnlab.engine.spiking.synapses._MAX_SYNAPSES", 3)
    engine.run(circuit, spikes)
    monkeypatch.setattr("snnlab.engine.spiking.synapses._MAX_SYNAPSES", 2)
    with raises_input_error("eye->a.synapse", "3", "2"):
        engine.run(circuit, spikes)


@pytest.mark.slow
def test_a_tile_that_is_not_at_rest_initially_is_integrated() -> None:
    """Neuron 70 starts above its threshold and fires at once, without input; at rest no neuron fires."""
    wired = Convolution(np.ones((2, 2, 1, 3)), (7, 7))
    rest = cards.cell("lif_normad").parameters["E_L"]
    assert rest == "-70 mV"
    high = np.full(wired.shape[1], -70e-3)
    high[70] = 30e-3
    silence = {"eye": SpikeTrains.from_dense(np.zeros((1, 30, 49)), DT)}

    def fired(**start: np.ndarray) -> tuple[SpikeTrains, SpikeTrains]:
        receptors = {"synapse": Receptor(cards.synapse("double_exponential_current"), "soma")}
        cells = Population("edges", cards.cell("lif_normad"), wired.shape[1], receptors=receptors, initial=start)
        circuit = Circuit((Source("eye", 49), cells), (Projection("eye", "edges", "synapse", wired),), DT)
        return engine.run(circuit, silence, precision="float64")["edges"].spikes, in_brian(circuit, silence["eye"])[0][
            "edges"
        ]

    ours, theirs = fired(v=high)
    assert ours == theirs and [array.tolist() for array in ours.events()] == [[0], [0], [70]]
    ours, theirs = fired()
    assert ours == theirs and not len(ours)


@pytest.mark.thorough
@pytest.mark.parametrize("size", [1, 15, 16, 17, 63, 64, 65, 80])
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_spikes_do_not_depend_on_the_size_of_the_population(
    size: int, together: bool, precision: engine.Precision
) -> None:
    """In populations run tile by tile and in recurrent ones, whose last tile may be narrow."""
    rng = np.random.default_rng(size)
    spikes, weights = poisson(rng, 3, 120, 20), draw(rng, (20, 100), 4)

    def fired(many: int) -> np.ndarray:
        nodes = (Source("eye", 20), layer("out", many, 5.0))
        into = [Projection("eye", "out", "synapse", np.ascontiguousarray(weights[:, :many]))]
        own = [Projection("out", "out", "synapse", -2.0 * np.eye(many))] if together else []
        circuit = Circuit(nodes, (*into, *own), DT)
        return engine.run(circuit, {"eye": spikes}, precision=precision)["out"].spikes.dense()

    few, many = fired(size), fired(100)
    assert np.array_equal(few, many[:, :, :size]) and few.any()
