"""Who fired when survives every change of form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains, stack
from snnlab.errors import InputError

DT = 1e-3

shapes = st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 5))
rasters = arrays.arrays(np.bool_, shapes)
some_samples = arrays.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5)))


def listed(raster: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Sample, step and neuron of every True, found one by one."""
    samples, steps, size = raster.shape
    return [(b, t, i) for b in range(samples) for t in range(steps) for i in range(size) if raster[b, t, i]]


@given(rasters)
def test_a_raster_survives_compression(raster: NDArray[np.bool_]) -> None:
    spikes = SpikeTrains.from_dense(raster, DT)
    assert np.array_equal(spikes.dense(), raster)
    assert (spikes.samples, spikes.steps, spikes.size) == raster.shape
    assert len(spikes) == len(listed(raster))


@given(rasters)
def test_ids_and_offsets_are_what_their_description_says(raster: NDArray[np.bool_]) -> None:
    spikes = SpikeTrains.from_dense(raster, DT)
    assert (spikes.ids.dtype, spikes.offsets.dtype) == (np.int32, np.int64)
    for sample in range(spikes.samples):
        for step in range(spikes.steps):
            first, last = spikes.offsets[sample, step : step + 2]
            assert spikes.ids[first:last].tolist() == np.flatnonzero(raster[sample, step]).tolist()
        after = spikes.offsets[sample + 1, 0] if sample + 1 < spikes.samples else len(spikes)
        assert spikes.offsets[sample, -1] == after


@given(rasters)
def test_events_are_every_spike_in_time_order(raster: NDArray[np.bool_]) -> None:
    sample, step, neuron = SpikeTrains.from_dense(raster, DT).events()
    assert list(zip(sample.tolist(), step.tolist(), neuron.tolist(), strict=True)) == listed(raster)


@given(rasters, st.randoms(use_true_random=False))
def test_columns_in_any_order_and_with_repeats_make_the_same_spikes(raster: NDArray[np.bool_], random: Any) -> None:
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
def test_a_train_holds_the_times_of_one_neuron(raster: NDArray[np.bool_], data: st.DataObject) -> None:
    sample = data.draw(st.integers(0, raster.shape[0] - 1))
    neuron = data.draw(st.integers(0, raster.shape[2] - 1))
    times = [t * DT for b, t, i in listed(raster) if (b, i) == (sample, neuron)]
    assert SpikeTrains.from_dense(raster, DT).train(neuron, sample).tolist() == times


@given(some_samples)
def test_samples_taken_apart_and_stacked_are_the_batch_again(raster: NDArray[np.bool_]) -> None:
    batch = SpikeTrains.from_dense(raster, DT)
    apart = [batch.sample(index) for index in range(batch.samples)]
    for index, one in enumerate(apart):
        assert np.array_equal(one.dense(), raster[index : index + 1])
    assert stack(apart) == batch


@given(some_samples, some_samples)
def test_batches_of_several_samples_stack(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> None:
    steps, size = max(one.shape[1], other.shape[1]), max(one.shape[2], other.shape[2])
    padded = [np.pad(part, ((0, 0), (0, steps - part.shape[1]), (0, size - part.shape[2]))) for part in (one, other)]
    stacked = stack([SpikeTrains.from_dense(part, DT) for part in padded])
    assert np.array_equal(stacked.dense(), np.concatenate(padded))


@given(some_samples, st.data())
def test_one_spike_more_or_less_is_not_equal(raster: NDArray[np.bool_], data: st.DataObject) -> None:
    spikes = SpikeTrains.from_dense(raster, DT)
    changed = raster.copy()
    place = tuple(data.draw(st.integers(0, side - 1)) for side in raster.shape)
    changed[place] ^= True
    assert spikes == SpikeTrains.from_dense(raster, DT)
    assert spikes != SpikeTrains.from_dense(changed, DT)


def test_the_same_ids_in_other_steps_or_another_population_are_not_equal() -> None:
    def one_spike(step: int, size: int) -> SpikeTrains:
        return SpikeTrains.from_events([0], [step], [1], samples=1, steps=5, size=size, dt=DT)

    assert one_spike(2, 3) == one_spike(2, 3)
    assert one_spike(2, 3) != one_spike(3, 3)
    assert one_spike(2, 3) != one_spike(2, 4)
    assert one_spike(2, 3) != "spikes"


def test_duration_is_steps_times_dt() -> None:
    assert SpikeTrains.from_dense(np.zeros((2, 400, 3)), 1e-3).duration == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (([2], [0], [0]), "sample 2..2; needs 0..1"),
        (([0], [3], [0]), "step 3..3; needs 0..2"),
        (([0, 0], [0, 0], [-1, 4]), "neuron -1..4; needs 0..3"),
        (([0], [0.5], [0]), "step 0.5; needs whole numbers"),
        (([0], [float("nan")], [0]), "step nan; needs whole numbers"),
        (([0], [float("inf")], [0]), "step inf..inf; needs 0..2"),
        (([0, 1], [0], [0, 1]), r"columns of 2, 1, 2 entries"),
    ],
)
def test_events_that_are_not_on_the_grid_are_refused(columns: Any, found: str) -> None:
    with pytest.raises(InputError, match=f"SpikeTrains.from_events: {found}"):
        SpikeTrains.from_events(*columns, samples=2, steps=3, size=4, dt=DT)


def test_a_raster_without_samples_is_refused() -> None:
    with pytest.raises(InputError, match=r"from_dense: 2 axes; expected \(samples, steps, neurons\)"):
        SpikeTrains.from_dense(np.zeros((3, 4)), DT)


@pytest.mark.parametrize("index", [-1, 2])
def test_a_sample_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(InputError, match=f"sample {index} of 2; needs 0..1"):
        SpikeTrains.from_dense(np.zeros((2, 3, 4)), DT).sample(index)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_neuron_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(InputError, match=f"neuron {index} of 4; needs 0..3"):
        SpikeTrains.from_dense(np.zeros((2, 3, 4)), DT).train(index)


@pytest.mark.parametrize("other", [(1, 3, 5, DT), (1, 4, 4, DT), (1, 3, 4, 2e-3)])
def test_samples_of_different_populations_do_not_stack(other: tuple[int, int, int, float]) -> None:
    one = SpikeTrains.from_dense(np.zeros((1, 3, 4)), DT)
    with pytest.raises(InputError, match="samples of 2 different"):
        stack([one, SpikeTrains.from_dense(np.zeros(other[:3]), other[3])])


def test_nothing_does_not_stack() -> None:
    with pytest.raises(InputError, match="no samples"):
        stack([])
