"""Spikes of event cameras equal their definition; a stabilised recording resembles its image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_recordings import Event, Recordings, spikes_by_definition
from tonic.datasets.nmnist import stabilize

from snnlab import datasets
from snnlab.data.samples import EVENT, Files, Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import Poisson, Sensor, SimulatedCamera
from snnlab.native import threads

SHAPE = (34, 34, 2)


def as_array(events: list[Event]) -> NDArray[Any]:
    return np.array([(x, y, p, t) for x, y, p, t in events], dtype=EVENT)


def pairs(spikes: SpikeTrains, sample: int = 0) -> set[tuple[int, int]]:
    _, step, neuron = spikes.sample(sample).events()
    return set(zip(step.tolist(), neuron.tolist(), strict=True))


# Definition ------------------------------------------------------------------------------------------------------

any_events = st.lists(
    st.tuples(st.integers(0, 33), st.integers(0, 33), st.integers(0, 1), st.integers(0, 400_000)), max_size=60
)


@settings(max_examples=examples(80))
@given(
    batch=st.lists(any_events, max_size=4),
    steps=st.sampled_from([1, 2, 100, 540, 600]),
    dt_us=st.sampled_from([1, 600, 777, 5000]),
    stabilise=st.booleans(),
    centre=st.booleans(),
    polarities=st.booleans(),
    pool=st.sampled_from([1, 2, 4, 5, 34]),
)
def test_spikes_equal_the_definition(
    batch: list[list[Event]], steps: int, dt_us: int, stabilise: bool, centre: bool, polarities: bool, pool: int
) -> None:
    """Compared with a slow reference; events may be in any order."""
    code = Sensor(steps, dt_us * 1e-6, stabilise, centre, polarities, pool)
    spikes = code.spikes([as_array(events) for events in batch], SHAPE)
    assert (spikes.samples, spikes.steps) == (len(batch), steps)
    assert spikes.size == (2 if polarities else 1) * (-(-34 // pool)) ** 2
    for k, events in enumerate(batch):
        expected = spikes_by_definition(
            events, steps=steps, dt_us=dt_us, stabilise=stabilise, centre=centre, polarities=polarities, pool=pool
        )
        assert pairs(spikes, k) == expected
        assert len(spikes.sample(k)) == len(expected)
    assert spikes == SpikeTrains.from_dense(spikes.dense(), code.dt), "spikes must be sorted within a step"


@pytest.mark.parametrize(
    ("t", "step"), [(0, 1), (1, 2), (600, 2), (601, 3), (322_200, 538), (322_800, 539), (322_801, None)]
)
def test_steps_equal_those_of_hm2bp(t: int, step: int | None) -> None:
    """Their converter assigns an event at t to bin ceil(t / 600), and their reader that bin to the next step."""
    spikes = Sensor(stabilise=False).spikes([as_array([(3, 5, 1, t)])], SHAPE)
    assert pairs(spikes) == (set() if step is None else {(step, (5 * 34 + 3) * 2 + 1)})
    assert (spikes.steps, spikes.dt, spikes.size) == (540, 600e-6, 2312)


def test_several_events_of_a_neuron_in_one_step_are_one_spike() -> None:
    same, different = [(3, 5, 1, 10), (3, 5, 1, 300)], [(3, 5, 1, 10), (3, 5, 0, 300)]
    code = Sensor(stabilise=False)
    assert [len(code.spikes([as_array(events)], SHAPE)) for events in (same, different)] == [1, 2]
    assert len(replace(code, polarities=False).spikes([as_array(different)], SHAPE)) == 1


def test_pooling_merges_squares_of_pixels() -> None:
    corners = as_array([(x, y, 1, 10) for x in (4, 7) for y in (8, 11)])
    spikes = Sensor(stabilise=False, pool=4).spikes([corners], SHAPE)
    assert pairs(spikes) == {(2, (2 * 9 + 1) * 2 + 1)}
    assert len(Sensor(stabilise=False, pool=2).spikes([corners], SHAPE)) == 4


# Recordings ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def nmnist(nmnist_folder: Path) -> Files:
    files = datasets.load("nmnist", "train", folder=nmnist_folder)
    assert isinstance(files, Files)
    return files.take(slice(0, None, 8))


def maps(spikes: SpikeTrains) -> NDArray[np.float64]:
    """The number of events of each pixel (samples, rows, columns)."""
    return spikes.counts().reshape(-1, 34, 34, 2).sum(axis=3).astype(float)


def correlations(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation over pixels of each sample."""
    pixels = [values.reshape(len(values), -1) - values.mean(axis=(1, 2))[:, None] for values in (one, other)]
    lengths = np.linalg.norm(pixels[0], axis=1) * np.linalg.norm(pixels[1], axis=1)
    return (pixels[0] * pixels[1]).sum(axis=1) / lengths


def best_fit(spikes: SpikeTrains, images: NDArray[np.uint8]) -> tuple[float, tuple[int, int]]:
    """The mean over samples of the best correlation of map and image over shifts, and the best common shift."""
    event_maps = maps(spikes)
    shifts = [(right, down) for right in range(7) for down in range(7)]
    each = np.array(
        [
            correlations(event_maps, np.pad(images.astype(float), ((0, 0), (down, 6 - down), (right, 6 - right))))
            for right, down in shifts
        ]
    )
    return float(each.max(axis=0).mean()), shifts[int(each.mean(axis=1).argmax())]


@pytest.fixture(scope="session")
def images(nmnist: Files, mnist_folder: Path) -> NDArray[np.uint8]:
    """The image of each recording."""
    mnist = datasets.load("mnist", "train", folder=mnist_folder)
    assert isinstance(mnist, Images)
    return mnist.values[nmnist.numbers].reshape(-1, 28, 28)


def test_a_stabilised_recording_resembles_its_image_more(nmnist: Files, images: NDArray[np.uint8]) -> None:
    """Negative controls: other images, and stabilisation in the wrong direction."""
    recordings = list(datasets.read_events(nmnist))
    moving, _ = best_fit(Sensor(stabilise=False).spikes(recordings, SHAPE), images)
    stabilised, shift = best_fit(Sensor().spikes(recordings, SHAPE), images)
    assert stabilised > moving + 0.05
    assert shift == (3, 3), "the 28 pixels of an image must be centred in the 34 of the sensor"
    others, _ = best_fit(Sensor().spikes(recordings, SHAPE), np.roll(images, 1, axis=0))
    assert others < moving - 0.2
    reversed_ = Sensor()
    reversed_.__dict__["_shifts"] = reversed_._shifts * np.array([[1], [-1], [-1]])
    assert best_fit(reversed_.spikes(recordings, SHAPE), images)[0] < moving


def test_events_are_moved_as_by_tonic(nmnist: Files) -> None:
    """tonic translated the code of the dataset's authors; it also drops events less than a pixel outside the sensor."""
    for events in list(datasets.read_events(nmnist))[::10]:
        moved = stabilize(events.astype([(name, np.int64) for name in ("x", "y", "p", "t")]))
        expected = {(t // 600, x, y) for x, y, t in zip(moved["x"], moved["y"], moved["t"], strict=True)}
        shifted = Sensor(steps=600).spikes([events], SHAPE)
        ours = {(step, neuron // 2 % 34, neuron // 68) for step, neuron in pairs(shifted)}
        near = {(step + delay, x, y) for step, x, y in expected for delay in (1, 2)}
        inside = {(step, x, y) for step, x, y in ours if 0 < x < 33 and 0 < y < 33}
        assert len(inside - near) <= 0.005 * len(inside), "only halves are rounded differently"
        assert len(expected) <= len(ours) <= 1.02 * len(events)


def test_centring_removes_a_shift_of_the_recording(nmnist: Files) -> None:
    """For whole pixels, if no event leaves the sensor. Negative control: without centring."""
    events = next(iter(datasets.read_events(nmnist)))
    events = events[(np.abs(events["x"] - 16) < 10) & (np.abs(events["y"] - 16) < 10)]
    moved = events.copy()
    moved["x"] += 2
    moved["y"] -= 1
    for code, same in ((Sensor(centre=True), True), (Sensor(), False)):
        assert (code.spikes([events], SHAPE) == code.spikes([moved], SHAPE)) is same


# Cached spikes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recordings:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    return Recordings(tmp_path / "data")


def test_cached_spikes_equal_those_encoded_directly(recordings: Recordings) -> None:
    """For several chunks and threads, in any order, and from an existing cache."""
    written = recordings.some(150)
    code, files = Sensor(pool=2), recordings.load()
    for count in (3, 1):
        with threads(count):
            cached = code.prepare(files)
        assert (len(cached), cached.shape, cached.dt) == (150, (17, 17, 2), 600e-6)
        order = np.random.default_rng(0).permutation(150)[:80]
        selected = cached.take(order)
        spikes = code.encode(selected, seed=7, epoch=3, stream=1)
        assert spikes == code.spikes([as_array(written[k]) for k in order.tolist()], SHAPE)
        assert np.array_equal(selected.labels, order % 10)
        assert code.prepare(cached) is cached


def test_each_set_of_options_has_its_own_cache_file(recordings: Recordings) -> None:
    recordings.some(3)
    files = recordings.load()
    codes = [
        Sensor(),
        Sensor(pool=2),
        Sensor(stabilise=False),
        Sensor(polarities=False),
        Sensor(centre=True),
        Sensor(dt=500e-6),
        Sensor(99),
    ]
    for code in codes:
        assert code.encode(code.prepare(files), seed=0) == code.spikes(datasets.read_events(files), SHAPE)
    assert len(list((recordings.data.parent / "cache" / "spikes").iterdir())) == len(codes)
    with raises_input_error("encode: samples", 540, 0.0006, 99):
        codes[-1].encode(codes[0].prepare(files), seed=0)


def test_cached_spikes_of_other_options_raise_an_error(recordings: Recordings) -> None:
    """Even with the same steps and shape; those of the same sensor in a SimulatedCamera are accepted."""
    recordings.some(3)
    cached = Sensor().prepare(recordings.load())
    for other in (
        Sensor(pool=2),
        Sensor(polarities=False),
        Sensor(centre=True),
        SimulatedCamera(sensor=Sensor(pool=2)),
    ):
        for work in (lambda code=other: code.encode(cached, seed=0), lambda code=other: code.prepare(cached)):
            with raises_input_error("encode: samples", "(34, 34, 2)", "other options"):
                work()
    assert SimulatedCamera().prepare(cached) is cached
    assert SimulatedCamera().encode(cached, seed=0) == Sensor().encode(cached, seed=0)


def test_samples_of_another_kind_raise_an_error_that_names_the_encoder_for_them(recordings: Recordings) -> None:
    recordings.some(2)
    files, digits = recordings.load(), datasets.load("digits", "test")
    with raises_input_error("encode: samples", "digits has images", "(8, 8)", "current, "):
        Sensor().prepare(digits)
    with raises_input_error("encode: samples", "Files of nmnist", "prepare"):
        Sensor().encode(files, seed=0)
    for work in (lambda: Poisson().prepare(files), lambda: Poisson().encode(files, seed=0)):
        with raises_input_error("encode: samples", "nmnist", "event camera", "images", "sensor"):
            work()
    with raises_input_error("Sensor.stabilise", "nmnist", "false"):
        Sensor().prepare(replace(files, reader="tonic"))


def test_a_pool_larger_than_the_sensor_raises_an_error(recordings: Recordings) -> None:
    recordings.some(2)
    assert Sensor(pool=34).prepare(recordings.load()).shape == (1, 1, 2)
    with raises_input_error("Sensor.pool", 35, 34):
        Sensor(pool=35).prepare(recordings.load())
    for samples in (recordings.load(), datasets.load("digits", "test")):
        with raises_input_error("Sensor.pool", 35, 34):
            SimulatedCamera(sensor=Sensor(pool=35)).prepare(samples)


def test_negative_times_raise_an_error() -> None:
    with raises_input_error("Sensor: events", "-1 us"):
        Sensor().spikes([as_array([(0, 0, 0, -1)])], SHAPE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", 2.0), ("pool", 0), ("pool", True), ("dt", 0.0), ("dt", 2.0), ("dt", 1.5e-6),
        ("dt", float("nan")),
    ],
)  # fmt: skip
def test_values_out_of_range_raise_an_error(field: str, value: Any) -> None:
    with raises_input_error(f"Sensor.{field}", f"got {value}"):
        Sensor(**{field: value})
