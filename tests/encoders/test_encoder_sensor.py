"""Recordings become the spikes that the definition says; holding the picture still makes it look like the image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_recordings import Event, Recordings, spikes_by_definition
from tonic.datasets.nmnist import stabilize

from snnlab import datasets
from snnlab.data.samples import EVENT, Files, Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import Poisson, Sensor, SimulatedCamera
from snnlab.errors import InputError

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


@settings(max_examples=80)
@given(
    batch=st.lists(any_events, max_size=4),
    steps=st.sampled_from([1, 2, 100, 540, 600]),
    dt_us=st.sampled_from([1, 600, 777, 5000]),
    stabilise=st.booleans(),
    centre=st.booleans(),
    polarities=st.booleans(),
    pool=st.sampled_from([1, 2, 4, 5, 34]),
)
def test_spikes_are_what_the_definition_says(
    batch: list[list[Event]], steps: int, dt_us: int, stabilise: bool, centre: bool, polarities: bool, pool: int
) -> None:
    """Event by event in plain numbers; events may come in any order."""
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
    assert spikes == SpikeTrains.from_dense(spikes.dense(), code.dt), "in ascending order within a step"


@pytest.mark.parametrize(
    ("t", "step"), [(0, 1), (1, 2), (600, 2), (601, 3), (322_200, 538), (322_800, 539), (322_801, None)]
)
def test_steps_are_those_of_hm2bp(t: int, step: int | None) -> None:
    """Their converter puts an event at t into bin ceil(t / 600), and their reader that bin into the step after it."""
    spikes = Sensor(stabilise=False).spikes([as_array([(3, 5, 1, t)])], SHAPE)
    assert pairs(spikes) == (set() if step is None else {(step, (5 * 34 + 3) * 2 + 1)})
    assert (spikes.steps, spikes.dt, spikes.size) == (540, 600e-6, 2312)


def test_events_of_one_neuron_in_one_step_are_one_spike_and_those_of_two_are_two() -> None:
    alike, apart = [(3, 5, 1, 10), (3, 5, 1, 300)], [(3, 5, 1, 10), (3, 5, 0, 300)]
    code = Sensor(stabilise=False)
    assert [len(code.spikes([as_array(events)], SHAPE)) for events in (alike, apart)] == [1, 2]
    assert len(replace(code, polarities=False).spikes([as_array(apart)], SHAPE)) == 1


def test_a_square_of_pixels_is_one_neuron() -> None:
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
    """How many events each pixel has (samples, rows, columns)."""
    return spikes.counts().reshape(-1, 34, 34, 2).sum(axis=3).astype(float)


def likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation over pixels, for each sample."""
    pixels = [values.reshape(len(values), -1) - values.mean(axis=(1, 2))[:, None] for values in (one, other)]
    lengths = np.linalg.norm(pixels[0], axis=1) * np.linalg.norm(pixels[1], axis=1)
    return (pixels[0] * pixels[1]).sum(axis=1) / lengths


def fits(spikes: SpikeTrains, images: NDArray[np.uint8]) -> tuple[float, tuple[int, int]]:
    """How alike maps of events and images are on average, each at its best place, and the place best for all."""
    found = maps(spikes)
    places = [(right, down) for right in range(7) for down in range(7)]
    each = np.array(
        [
            likeness(found, np.pad(images.astype(float), ((0, 0), (down, 6 - down), (right, 6 - right))))
            for right, down in places
        ]
    )
    return float(each.max(axis=0).mean()), places[int(each.mean(axis=1).argmax())]


@pytest.fixture(scope="session")
def images(nmnist: Files, mnist_folder: Path) -> NDArray[np.uint8]:
    """The image that each recording was made of."""
    shown = datasets.load("mnist", "train", folder=mnist_folder)
    assert isinstance(shown, Images)
    return shown.values[nmnist.numbers].reshape(-1, 28, 28)


def test_a_picture_that_is_held_still_looks_more_like_its_image(nmnist: Files, images: NDArray[np.uint8]) -> None:
    """And moved along the way once more, instead of back, less. The other images are the control."""
    recordings = list(datasets.read_events(nmnist))
    moving, _ = fits(Sensor(stabilise=False).spikes(recordings, SHAPE), images)
    still, place = fits(Sensor().spikes(recordings, SHAPE), images)
    assert still > moving + 0.05
    assert place == (3, 3), "in the middle of the sensor, as the 28 pixels of an image stand within its 34"
    others, _ = fits(Sensor().spikes(recordings, SHAPE), np.roll(images, 1, axis=0))
    assert others < moving - 0.2
    backwards = Sensor()
    backwards.__dict__["_moves"] = backwards._moves * np.array([[1], [-1], [-1]])
    assert fits(backwards.spikes(recordings, SHAPE), images)[0] < moving


def test_events_are_moved_where_tonic_moves_them(nmnist: Files) -> None:
    """Its code is another rendering of the dataset authors'; it drops what is less than a pixel off the sensor, too."""
    for events in list(datasets.read_events(nmnist))[::10]:
        moved = stabilize(events.astype([(name, np.int64) for name in ("x", "y", "p", "t")]))
        # a step for every microsecond would be many; each event alone is as good
        expected = {(t // 600, x, y) for x, y, t in zip(moved["x"], moved["y"], moved["t"], strict=True)}
        shifted = Sensor(steps=600).spikes([events], SHAPE)
        ours = {(step, neuron // 2 % 34, neuron // 68) for step, neuron in pairs(shifted)}
        near = {(step + late, x, y) for step, x, y in expected for late in (1, 2)}
        inside = {(step, x, y) for step, x, y in ours if 0 < x < 33 and 0 < y < 33}
        assert len(inside - near) <= 0.005 * len(inside), "halves are rounded up here, and to even numbers there"
        assert len(expected) <= len(ours) <= 1.02 * len(events)


def test_a_centred_recording_is_where_it_would_be_had_the_camera_been_moved(nmnist: Files) -> None:
    """By whole pixels, as long as nothing leaves the sensor; without centring the two differ."""
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


def test_packed_recordings_are_the_recordings(recordings: Recordings) -> None:
    """Over several chunks and threads, in any order, and after the cache is opened a second time."""
    written = recordings.some(150)
    code, files = Sensor(pool=2), recordings.load()
    for packed in (code.prepare(files, threads=3), code.prepare(files, threads=1)):
        assert (len(packed), packed.shape, packed.dt) == (150, (17, 17, 2), 600e-6)
        order = np.random.default_rng(0).permutation(150)[:80]
        some = packed.take(order)
        spikes = code.encode(some, seed=7, epoch=3, stream=1)
        assert spikes == code.spikes([as_array(written[k]) for k in order.tolist()], SHAPE)
        assert np.array_equal(some.labels, order % 10)
        assert code.prepare(packed) is packed


def test_another_code_is_packed_apart(recordings: Recordings) -> None:
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
    with pytest.raises(InputError, match=r"encode: samples: 540 steps of 0\.0006 s.*this encoder has 99"):
        codes[-1].encode(codes[0].prepare(files), seed=0)


def test_spikes_of_another_code_on_the_same_steps_are_refused(recordings: Recordings) -> None:
    """Of other pools and polarities, and of the same shape but not centred; films of the same sensor are taken."""
    recordings.some(3)
    packed = Sensor().prepare(recordings.load())
    for other in (
        Sensor(pool=2),
        Sensor(polarities=False),
        Sensor(centre=True),
        SimulatedCamera(sensor=Sensor(pool=2)),
    ):
        for work in (lambda code=other: code.encode(packed, seed=0), lambda code=other: code.prepare(packed)):
            with pytest.raises(
                InputError, match=r"encode: samples: spikes of shape \(34, 34, 2\) of another encoder, or"
            ):
                work()
    assert SimulatedCamera().prepare(packed) is packed
    assert SimulatedCamera().encode(packed, seed=0) == Sensor().encode(packed, seed=0)


def test_samples_of_another_kind_are_refused(recordings: Recordings) -> None:
    recordings.some(2)
    files, digits = recordings.load(), datasets.load("digits", "test")
    with pytest.raises(
        InputError,
        match=r"^encode: samples: digits has images of shape \(8, 8\); this one needs recordings .*: current, ",
    ):
        Sensor().prepare(digits)
    with pytest.raises(InputError, match=r"encode: samples: Files of nmnist; needs what the encoder's `prepare` gives"):
        Sensor().encode(files, seed=0)
    for work in (lambda: Poisson().prepare(files), lambda: Poisson().encode(files, seed=0)):
        with pytest.raises(
            InputError,
            match=r"^encode: samples: nmnist has recordings of an event camera .*; this one needs images; .*: sensor$",
        ):
            work()
    said = "Sensor.stabilise: nmnist has not the saccades of N-MNIST; set it to false"
    with pytest.raises(InputError, match=f"^{said}$"):
        Sensor().prepare(replace(files, reader="tonic"))


def test_squares_larger_than_the_sensor_are_refused(recordings: Recordings) -> None:
    recordings.some(2)
    assert Sensor(pool=34).prepare(recordings.load()).shape == (1, 1, 2)
    said = "found 35, and the sensor has 34 rows and 34 columns; needs 1 to 34"
    with pytest.raises(InputError, match=f"^Sensor.pool: {said}$"):
        Sensor(pool=35).prepare(recordings.load())
    for samples in (recordings.load(), datasets.load("digits", "test")):
        with pytest.raises(InputError, match=f"^Sensor.pool: {said}$"):
            SimulatedCamera(sensor=Sensor(pool=35)).prepare(samples)


def test_events_before_the_beginning_are_refused() -> None:
    with pytest.raises(InputError, match="one at -1 us; needs times from 0 on"):
        Sensor().spikes([as_array([(0, 0, 0, -1)])], SHAPE)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 2.0}, "steps"),
        ({"pool": 0}, "pool"),
        ({"pool": True}, "pool"),
        ({"dt": 0.0}, "dt"),
        ({"dt": 2.0}, "dt"),
        ({"dt": 1.5e-6}, "dt"),
        ({"dt": float("nan")}, "dt"),
    ],
)
def test_a_code_that_cannot_be_is_refused(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=rf"^Sensor\.{field}: found "):
        Sensor(**values)
