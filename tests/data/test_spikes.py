"""SpikeTrains: every conversion keeps the spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains, neuron_numbers, stack

DT = 1e-3

shapes = st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 5))
rasters = arrays.arrays(np.bool_, shapes)
some_samples = arrays.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5)))


def listed(raster: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Sample, step and neuron of every True, by loops."""
    samples, steps, size = raster.shape
    return [(b, t, i) for b in range(samples) for t in range(steps) for i in range(size) if raster[b, t, i]]


@given(rasters)
def test_a_dense_raster_is_converted_there_and_back(raster: NDArray[np.bool_]) -> None:
    spikes = SpikeTrains.from_dense(raster, DT)
    assert np.array_equal(spikes.dense(), raster)
    assert (spikes.samples, spikes.steps, spikes.size) == raster.shape
    assert len(spikes) == len(listed(raster))


@given(rasters)
def test_ids_and_offsets_have_the_documented_layout(raster: NDArray[np.bool_]) -> None:
    spikes = SpikeTrains.from_dense(raster, DT)
    assert (spikes.ids.dtype, spikes.offsets.dtype) == (np.int32, np.int64)
    for sample in range(spikes.samples):
        for step in range(spikes.steps):
            first, last = spikes.offsets[sample, step : step + 2]
            assert spikes.ids[first:last].tolist() == np.flatnonzero(raster[sample, step]).tolist()
        after = spikes.offsets[sample + 1, 0] if sample + 1 < spikes.samples else len(spikes)
        assert spikes.offsets[sample, -1] == after


@given(rasters)
def test_events_list_all_spikes_in_time_order(raster: NDArray[np.bool_]) -> None:
    sample, step, neuron = SpikeTrains.from_dense(raster, DT).events()
    assert list(zip(sample.tolist(), step.tolist(), neuron.tolist(), strict=True)) == listed(raster)


@given(rasters, st.randoms(use_true_random=False))
def test_events_may_be_unordered_and_repeated(raster: NDArray[np.bool_], random: Any) -> None:
    events = listed(raster)
    shuffled = events + events[: len(events) // 2]
    random.shuffle(shuffled)
    columns = zip(*shuffled, strict=True) if shuffled else ([], [], [])
    samples, steps, size = raster.shape
    spikes = SpikeTrains.from_events(*columns, samples=samples, steps=steps, size=size, dt=DT)
    assert spikes == SpikeTrains.from_dense(raster, DT)


@given(rasters)
def test_counts_are_sums_over_time(raster: NDArray[np.bool_]) -> None:
    assert np.array_equal(SpikeTrains.from_dense(raster, DT).counts(), raster.sum(axis=1))


@given(some_samples, st.data())
def test_a_train_has_the_spike_times_of_one_neuron(raster: NDArray[np.bool_], data: st.DataObject) -> None:
    sample = data.draw(st.integers(0, raster.shape[0] - 1))
    neuron = data.draw(st.integers(0, raster.shape[2] - 1))
    times = [t * DT for b, t, i in listed(raster) if (b, i) == (sample, neuron)]
    assert SpikeTrains.from_dense(raster, DT).train(neuron, sample).tolist() == times


@given(some_samples)
def test_stacked_samples_equal_the_batch(raster: NDArray[np.bool_]) -> None:
    batch = SpikeTrains.from_dense(raster, DT)
    singles = [batch.sample(index) for index in range(batch.samples)]
    for index, single in enumerate(singles):
        assert np.array_equal(single.dense(), raster[index : index + 1])
    assert stack(singles) == batch


@given(some_samples, some_samples)
def test_batches_of_several_samples_stack(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> None:
    steps, size = max(first.shape[1], second.shape[1]), max(first.shape[2], second.shape[2])
    padded = [np.pad(part, ((0, 0), (0, steps - part.shape[1]), (0, size - part.shape[2]))) for part in (first, second)]
    stacked = stack([SpikeTrains.from_dense(part, DT) for part in padded])
    assert np.array_equal(stacked.dense(), np.concatenate(padded))


@given(some_samples, st.data())
def test_trains_that_differ_by_one_spike_are_not_equal(raster: NDArray[np.bool_], data: st.DataObject) -> None:
    spikes = SpikeTrains.from_dense(raster, DT)
    changed = raster.copy()
    place = tuple(data.draw(st.integers(0, side - 1)) for side in raster.shape)
    changed[place] ^= True
    assert spikes == SpikeTrains.from_dense(raster, DT)
    assert spikes != SpikeTrains.from_dense(changed, DT)


def test_trains_with_other_steps_or_sizes_are_not_equal() -> None:
    def one_spike(step: int, size: int) -> SpikeTrains:
        return SpikeTrains.from_events([0], [step], [1], samples=1, steps=5, size=size, dt=DT)

    assert one_spike(2, 3) == one_spike(2, 3)
    assert one_spike(2, 3) != one_spike(3, 3)
    assert one_spike(2, 3) != one_spike(2, 4)
    assert one_spike(2, 3) != "spikes"


def test_duration_is_steps_times_dt() -> None:
    assert SpikeTrains.from_dense(np.zeros((2, 400, 3)), 1e-3).duration == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        (([2], [0], [0]), ["sample 2..2", "0..1"]),
        (([0], [3], [0]), ["step 3..3", "0..2"]),
        (([0, 0], [0, 0], [-1, 4]), ["neuron -1..4", "0..3"]),
        (([0], [0.5], [0]), ["step 0.5", "integers"]),
        (([0], [float("nan")], [0]), ["step nan", "integers"]),
        (([0], [float("inf")], [0]), ["step inf..inf", "0..2"]),
        (([0, 1], [0], [0, 1]), ["2, 1, 2 entries"]),
    ],
)
def test_events_out_of_range_raise_an_error(columns: Any, values: list[str]) -> None:
    with raises_input_error("SpikeTrains.from_events", *values):
        SpikeTrains.from_events(*columns, samples=2, steps=3, size=4, dt=DT)


def test_a_raster_without_an_axis_of_samples_raises_an_error() -> None:
    with raises_input_error("SpikeTrains.from_dense", "2 axes", "(samples, steps, neurons)"):
        SpikeTrains.from_dense(np.zeros((3, 4)), DT)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_sample_out_of_range_raises_an_error(index: int) -> None:
    with raises_input_error("SpikeTrains.sample", index, "0..1"):
        SpikeTrains.from_dense(np.zeros((2, 3, 4)), DT).sample(index)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_neuron_out_of_range_raises_an_error(index: int) -> None:
    with raises_input_error("SpikeTrains.train", index, "0..3"):
        SpikeTrains.from_dense(np.zeros((2, 3, 4)), DT).train(index)


@pytest.mark.parametrize("numbers", [[0.5], [True, False], [4], [-1]])
def test_invalid_neuron_numbers_raise_an_error(numbers: list[Any]) -> None:
    with raises_input_error("neurons"):
        neuron_numbers(numbers, 4, "neurons")


@pytest.mark.parametrize("shape", [(1, 3, 5, DT), (1, 4, 4, DT), (1, 3, 4, 2e-3)])
def test_batches_of_different_sizes_do_not_stack(shape: tuple[int, int, int, float]) -> None:
    batch = SpikeTrains.from_dense(np.zeros((1, 3, 4)), DT)
    with raises_input_error("stack", 2):
        stack([batch, SpikeTrains.from_dense(np.zeros(shape[:3]), shape[3])])


def test_no_batches_do_not_stack() -> None:
    with raises_input_error("stack", "no batches"):
        stack([])


def test_spikes_and_recordings_have_a_short_repr() -> None:
    spikes = SpikeTrains.from_events([0, 1], [2, 3], [1, 1], samples=2, steps=400, size=784, dt=1e-3)
    assert repr(spikes) == "SpikeTrains(2 samples, 400 steps of 1 ms, 784 neurons, 2 spikes)"
    trace = Trace(np.zeros((400, 2)), np.arange(2), "V", 1e-3)
    assert repr(trace) == "Trace(400 steps of 1 ms, 2 neurons, unit V)"
    recording = Recording({"cells": spikes.sample(0)}, {"cells": {"v": trace}}, 0.4, 1e-3)
    assert repr(recording) == "Recording(400 ms in steps of 1 ms, cells: 1 spikes, traces cells.v)"
