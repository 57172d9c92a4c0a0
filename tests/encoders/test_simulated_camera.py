"""The simulated camera: events by contrast, refractory periods, Poisson noise, and seeds."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.special import ndtr, ndtri
from scipy.stats import binom, poisson

from snnlab import datasets
from snnlab.data.samples import Images
from snnlab.encoders import Sensor
from snnlab.encoders.camera_model import PUBLISHED, Camera
from snnlab.encoders.simulated_camera import SimulatedCamera
from snnlab.native import threads

FALSE_ALARM = 1e-6
CLEAN = Camera(
    threshold_mismatch=0.0,
    threshold_jitter=0.0,
    refractory=0.0,
    time_constant=0.0,
    noise_rate=0.0,
    timing_jitter=0.0,
    position_jitter=0.0,
    gamma=1.0,
)
"""A camera without randomness, refractory periods and photoreceptor delay."""

BAR = replace(
    CLEAN, shape=(6, 12), x_path=(0.0, -18.0), y_path=(0.0, 0.0), path_interval=0.2, duration=0.2,
    origin=(16.0, -10.0), blur=0.3,
    scale=1.0, peak_luminance=0.2, on_threshold=0.25, off_threshold=0.25,
)  # fmt: skip
"""A bar that enters from the right at 90 pixels per second and finally covers the columns from 2 on."""


def images(values: NDArray[np.generic], first: int = 0, split: str = "train", peak: int = 255) -> Images:
    values = np.asarray(values, dtype=np.uint8)
    count = len(values)
    return Images(
        values=values.reshape(count, -1), peak=peak, labels=np.zeros(count, dtype=np.int64),
        numbers=np.arange(first, first + count, dtype=np.int64), shape=values.shape[1:], classes=("0", "1"),
        dataset="toy", split=split,
    )  # fmt: skip


def full(rows: int = 28, columns: int = 28, count: int = 1, value: int = 255) -> Images:
    return images(np.full((count, rows, columns), value))


def counts(events: NDArray[np.void], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The number of events of each polarity and pixel (2, rows, columns), OFF first."""
    number = np.zeros((2, *shape), dtype=np.int64)
    np.add.at(number, (events["p"].astype(int), events["y"].astype(int), events["x"].astype(int)), 1)
    return number


def digits(count: int = 4) -> Images:
    """Smooth images of the size of digits."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:28, :28]
    centres = rng.uniform(9, 19, (count, 3, 2))
    blobs = np.exp(-((x - centres[..., 0, None, None]) ** 2 + (y - centres[..., 1, None, None]) ** 2) / 8).max(axis=1)
    return images(np.round(255 * blobs))


# Events of an edge ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peak_luminance", [0.2, 0.6, 5.0])
@pytest.mark.parametrize("threshold", [0.15, 0.4])
def test_the_number_of_events_of_an_edge_is_its_contrast_in_thresholds(peak_luminance: float, threshold: float) -> None:
    camera = replace(BAR, peak_luminance=peak_luminance, on_threshold=threshold, off_threshold=threshold)
    observed = counts(camera.events(full())[0], camera.shape)[:, :, 3:]
    expected = math.floor(abs(math.log(peak_luminance)) / threshold)
    polarity, other = (0, 1) if peak_luminance < 1 else (1, 0)
    assert (observed[polarity] == expected).all()
    assert not observed[other].any()


def test_the_polarity_of_events_reverses_with_the_direction_of_the_edge() -> None:
    back = replace(BAR, x_path=(-18.0, 0.0))
    forward, backward = counts(BAR.events(full())[0], BAR.shape), counts(back.events(full())[0], BAR.shape)
    assert forward[0].sum() and not forward[1].sum()
    assert backward[1, :, 3:].sum() == forward[0, :, 3:].sum() and not backward[0].sum()


def test_an_edge_reaches_each_column_at_the_time_given_by_its_speed() -> None:
    """At x, the fraction Phi((x - edge) / blur) of the light is missing, so the first event is at a known distance."""
    camera = replace(BAR, blur=1.0, origin=(18.0, -10.0))
    events = camera.events(full())[0]
    dark = (1 - math.exp(-camera.off_threshold)) / (1 - camera.peak_luminance)
    for column in range(2, 12):
        first = events["t"][events["x"] == column].min() * 1e-6
        edge = column + 0.5 - ndtri(dark)  # where the edge is when the pixel fires
        assert first == pytest.approx((18.0 - edge) / 90, abs=2e-3)  # 0.2 pixels, because the screen has a grid of 1


def test_a_photoreceptor_delays_events_by_its_time_constant() -> None:
    slow = replace(BAR, blur=3.0, x_path=(0.0, -9.0), origin=(12.0, -10.0), on_threshold=0.05, off_threshold=0.05)
    prompt, late = (replace(slow, time_constant=lag).events(full())[0] for lag in (0.0, 4e-3))
    for column in (6, 8, 10):
        delay = late["t"][late["x"] == column].min() - prompt["t"][prompt["x"] == column].min()
        assert delay == pytest.approx(4000, rel=0.5)


def test_there_are_no_events_without_motion_and_noise() -> None:
    still = replace(Camera(), noise_rate=0.0, x_path=(1.3, 1.3), y_path=(0.4, 0.4))
    assert not any(map(len, still.events(digits())))
    assert all(map(len, replace(Camera(), noise_rate=0.0).events(digits())))


def test_a_moving_image_without_contrast_has_no_events() -> None:
    assert not any(map(len, replace(CLEAN, peak_luminance=1.0).events(digits())))
    assert not len(CLEAN.events(full(value=0))[0])


def test_events_equal_a_slow_reference() -> None:
    """The reference integrates each pixel with steps of 20 us."""
    camera = replace(
        CLEAN, shape=(10, 10), x_path=(0.0, 2.5, 0.5), y_path=(0.0, -1.0, 2.0), path_interval=0.05, duration=0.1,
        origin=(1.0, 2.0), scale=1.5, blur=1.4, peak_luminance=0.02,
        on_threshold=0.06, off_threshold=0.09, time_constant=3e-3, refractory=2e-3, dt=1e-4,
    )  # fmt: skip
    values = np.random.default_rng(3).integers(0, 256, (6, 6))
    events = camera.events(images(values[None]))[0]
    time = 2e-5 * np.arange(5001)
    path = camera.position(time)

    grid = np.arange(-10, 20)

    def light(start: float) -> NDArray[np.float64]:
        edges = start + 1.5 * np.arange(7)
        return np.diff(ndtr((edges - grid[:, None] - 0.5) / camera.blur), axis=1)

    screen = 1 + (camera.peak_luminance - 1) * light(2.0) @ (values / 255) @ light(1.0).T
    between = RegularGridInterpolator((grid, grid), screen, method="linear")

    def received(x: int, y: int) -> NDArray[np.float64]:
        return np.log(between(np.stack([y - path[:, 1], x - path[:, 0]], axis=-1)))

    expected = np.zeros((2, 10, 10), dtype=np.int64)
    moments = []
    for y, x in np.ndindex(10, 10):
        log, awake = received(x, y), 0.0
        voltage = reference = log[0]
        resting = False
        for now, level in zip(time[1:], log[1:], strict=True):
            voltage += (level - voltage) * 2e-5 / camera.time_constant
            if resting and now >= awake:
                resting, reference = False, voltage
            if not resting and (
                voltage >= reference + camera.on_threshold or voltage <= reference - camera.off_threshold
            ):
                expected[int(voltage > reference), y, x] += 1
                moments.append(now)
                resting, awake = True, now + camera.refractory
    assert expected.sum() > 200
    difference = counts(events, camera.shape) - expected
    assert np.abs(difference).max() <= 1 and np.abs(difference).sum() <= 0.01 * expected.sum()
    quantiles = np.linspace(0.05, 0.95, 19)
    np.testing.assert_allclose(np.quantile(events["t"] * 1e-6, quantiles), np.quantile(moments, quantiles), atol=2e-4)


# The path --------------------------------------------------------------------------------------------------------


def test_the_published_path_passes_the_corners_of_its_triangle() -> None:
    path = Camera(x_path=PUBLISHED[0], y_path=PUBLISHED[1], path_interval=0.1).position(
        np.array([0.0, 0.1, 0.2, 0.3, 0.5])
    )
    np.testing.assert_allclose(path, [[0, 0], [3.5, 7], [7, 0], [0, 0], [0, 0]], atol=1e-12)


def test_the_position_jitter_is_the_standard_deviation_of_positions() -> None:
    """The standard error of the estimate from 100 recordings is 7 %."""
    blob = digits(1).take([0] * 100)
    blob = replace(blob, numbers=np.arange(100, dtype=np.int64))

    def middles(position_jitter: float) -> NDArray[np.float64]:
        simulated = replace(CLEAN, position_jitter=position_jitter).events(blob, seed=2)
        return np.array([[events["x"].mean(), events["y"].mean()] for events in simulated])

    assert middles(0.6).std(axis=0) == pytest.approx([0.6, 0.6], rel=0.3)
    assert middles(0.0).std(axis=0) == pytest.approx([0.0, 0.0], abs=1e-9)


def test_the_path_does_not_overshoot_between_positions() -> None:
    camera = Camera()
    path = camera.position(np.arange(0, 1e-6 + camera.path_interval * (len(camera.x_path) - 1), 1e-4))
    for axis, positions in enumerate((camera.x_path, camera.y_path)):
        assert min(positions) - 1e-9 <= path[:, axis].min() and path[:, axis].max() <= max(positions) + 1e-9


# Refractory periods and noise ------------------------------------------------------------------------------------


def intervals(recordings: list[NDArray[np.void]]) -> NDArray[np.int64]:
    gaps = []
    for events in recordings:
        pixel = events["y"].astype(int) * 1024 + events["x"]
        order = np.lexsort((events["t"], pixel))
        gaps.append(np.diff(events["t"][order])[np.diff(pixel[order]) == 0])
    return np.concatenate(gaps)


@pytest.mark.parametrize("refractory", [2e-3, 5.3e-3])
def test_no_pixel_fires_in_its_refractory_period(refractory: float) -> None:
    camera = replace(Camera(), refractory=refractory, noise_rate=20.0)
    assert intervals(camera.events(digits(12))).min() >= 1e6 * refractory - 1  # times are truncated to microseconds
    assert intervals(replace(camera, refractory=0.0).events(digits(12))).min() < 1e6 * refractory - 1


def test_noise_events_are_poisson_with_the_fraction_of_on_events() -> None:
    """Counts are within the Poisson and binomial intervals with a false-alarm rate of one in a million."""
    camera = replace(Camera(), noise_rate=3.0, noise_on_fraction=0.9, refractory=0.0, duration=0.3)
    simulated = camera.events(full(count=200, value=0), seed=5)
    total, mean = sum(map(len, simulated)), 3.0 * 0.3 * 34 * 34 * 200
    low, high = poisson.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], mean)
    assert low <= total <= high
    on = sum(int(events["p"].sum()) for events in simulated)
    assert binom.ppf(FALSE_ALARM / 2, total, 0.9) <= on <= binom.isf(FALSE_ALARM / 2, total, 0.9)
    dispersion = np.var([len(events) for events in simulated]) / np.mean([len(events) for events in simulated])
    assert 0.5 < dispersion < 1.7  # chi-squared with 199 degrees of freedom, beyond one in a million on both sides
    pixels = np.concatenate(simulated)
    for name in ("x", "y"):
        per_line = np.bincount(pixels[name], minlength=34)
        low_line, high_line = poisson.ppf([FALSE_ALARM / 68, 1 - FALSE_ALARM / 68], total / 34)
        assert low_line <= per_line.min() and per_line.max() <= high_line
    # negative control: a rate that is 3 % too large
    assert not low <= poisson.ppf(0.5, 1.03 * mean) <= high


def test_the_threshold_mismatch_is_fixed_by_the_sensor_seed() -> None:
    camera = replace(BAR, threshold_mismatch=0.2, off_threshold=0.1)
    first, again = (counts(events, camera.shape)[0, :, 3:] for events in camera.events(full(count=2)))
    other = counts(replace(camera, sensor_seed=1).events(full())[0], camera.shape)[0, :, 3:]
    assert (first == again).all()
    assert (first != other).any()
    # the number of events is the contrast in thresholds, whose relative standard deviation is 20 %
    assert np.std(math.log(5) / (first + 0.5)) / 0.1 == pytest.approx(0.2, rel=0.4)
    assert not np.std(counts(replace(camera, threshold_mismatch=0.0).events(full())[0], camera.shape)[0, :, 3:])


# Randomness -----------------------------------------------------------------------------------------------------


def same(a: list[NDArray[np.void]], b: list[NDArray[np.void]]) -> bool:
    return len(a) == len(b) and all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


def test_a_recording_depends_on_its_number_and_not_on_the_batch_or_threads() -> None:
    camera, batch = Camera(), digits(9)
    simulated = camera.events(batch, seed=3)
    with threads(4):
        assert same(simulated, camera.events(batch, seed=3))
    assert same([simulated[k] for k in (6, 1, 4)], camera.events(batch.take([6, 1, 4]), seed=3))
    assert same(simulated[:0], camera.events(batch.take(slice(0)), seed=3))


def test_another_seed_stream_or_number_gives_another_recording() -> None:
    camera, batch = Camera(), digits(1)
    simulated = camera.events(batch, seed=3)
    assert not same(simulated, camera.events(batch, seed=4))
    assert not same(simulated, camera.events(batch, seed=3, stream=1))
    assert not same(simulated, camera.events(replace(batch, numbers=batch.numbers + 1), seed=3))


@settings(max_examples=examples(30))
@given(
    st.integers(1, 40), st.integers(1, 40), st.floats(-20, 20), st.floats(-20, 20), st.floats(0.02, 1),
    st.floats(0, 0.05), st.floats(0, 100), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_events_are_sorted_and_inside_the_sensor(
    rows: int, columns: int, right: float, down: float, threshold: float, refractory: float, noise: float, seed: int
) -> None:
    camera = replace(
        Camera(), shape=(rows, columns), x_path=(0.0, right), y_path=(down, 0.0), path_interval=0.05, duration=0.06,
        on_threshold=threshold,
        off_threshold=threshold, refractory=refractory, noise_rate=noise,
    )  # fmt: skip
    for events in camera.events(digits(2), seed=seed):
        assert (np.diff(events["t"]) >= 0).all()
        assert ((events["t"] >= 0) & (events["t"] < 60_000)).all()
        assert ((events["x"] >= 0) & (events["x"] < columns) & (events["y"] >= 0) & (events["y"] < rows)).all()


# Spikes ---------------------------------------------------------------------------------------------------------


def test_simulated_recordings_are_encoded_by_the_sensor(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path))
    batch, code = digits(5), SimulatedCamera(seed=2)
    with threads(2):
        cached = code.prepare(batch)
    expected = Sensor().spikes(code.camera.events(batch, seed=2), (34, 34, 2))
    assert cached.spikes() == expected
    assert cached.shape == (34, 34, 2) and cached.dataset != batch.dataset
    assert code.encode(cached.take([3, 0]), seed=9, epoch=4).sample(0) == expected.sample(3)


def test_test_images_have_their_own_random_stream_and_each_seed_its_own_cache(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path))
    batch = digits(2)
    spikes = [
        SimulatedCamera(seed=seed).prepare(replace(batch, split=split)).spikes()
        for seed, split in ((0, "train"), (0, "test"), (1, "train"))
    ]
    assert spikes[0] != spikes[1] and spikes[0] != spikes[2]


# Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field, value",
    [
        ("on_threshold", 0.0), ("off_threshold", 1e-9), ("peak_luminance", 0.0), ("blur", math.nan),
        ("refractory", -1e-3), ("noise_on_fraction", 1.1), ("dt", 0.0), ("duration", 1e9), ("x_path", (0.0,)),
        ("x_path", (0.0, math.inf)), ("origin", (1.0,)), ("shape", (34,)), ("shape", (34, 0)), ("sensor_seed", -1),
        ("threshold_jitter", "much"), ("timing_jitter", 1.0),
    ],
)  # fmt: skip
def test_values_out_of_range_raise_an_error(field: str, value: object) -> None:
    with raises_input_error(f"Camera.{field}"):
        replace(Camera(), **{field: value})


def test_invalid_images_and_numbers_raise_an_error() -> None:
    camera, batch = Camera(), digits(2)
    with raises_input_error("Camera: images", "(784,)"):
        camera.events(replace(batch, shape=(784,)))
    with raises_input_error("Camera: seed", -1):
        camera.events(batch, seed=-1)
    with raises_input_error("Camera: number", -1):
        camera.events(replace(batch, numbers=batch.numbers - 1))
    with raises_input_error("Camera.x_path", 2, 32):
        Camera(x_path=(0.0, 1.0))
    with raises_input_error("SimulatedCamera.seed", 1 << 32):
        SimulatedCamera(seed=1 << 32)


# Comparison with N-MNIST ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(nmnist_folder: Path, mnist_folder: Path) -> tuple[list[NDArray[np.void]], list[NDArray[np.void]]]:
    """The existing recordings of N-MNIST's test part, and simulated recordings of the same images."""
    real, mnist = (datasets.load(*part, folder=mnist_folder) for part in (("nmnist", "test"), ("mnist", "test")))
    return list(datasets.read_events(real)), Camera().events(mnist.take(real.numbers), seed=1, stream=1)


def test_the_number_of_events_is_similar_to_that_of_the_recordings(both) -> None:
    real, simulated = (np.array([len(events) for events in part]) for part in both)
    assert simulated.mean() == pytest.approx(real.mean(), rel=0.1)
    assert np.corrcoef(real, simulated)[0, 1] > 0.85
    on = [np.concatenate(part)["p"].mean() for part in both]
    assert on[1] == pytest.approx(on[0], abs=0.03)


def test_events_are_where_and_when_those_of_the_recordings_are(both) -> None:
    def maps(events: NDArray[np.void]) -> NDArray[np.float64]:
        third = np.digitize(events["t"], [105_000, 220_000])
        return np.stack([counts(events[third == k], (34, 34)) for k in range(3)]).astype(float)

    real, simulated = (np.stack([maps(events) for events in part]) for part in both)
    same_image = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(real, simulated, strict=True)]
    another = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(real, np.roll(simulated, 1, axis=0), strict=True)
    ]
    swapped = [np.corrcoef(a.ravel(), b[:, ::-1].ravel())[0, 1] for a, b in zip(real, simulated, strict=True)]
    assert np.median(same_image) > 0.88
    assert np.median(another) < 0.6 and np.median(swapped) < 0.6


@pytest.mark.slow
def test_the_script_prints_and_plots_the_comparison(both, tmp_path: Path) -> None:
    script, figure = Path(__file__).resolve().parents[2] / "scripts" / "camera_model.py", tmp_path / "camera.png"
    command = [sys.executable, str(script), "--part", "test", "--plot", str(figure)]
    environment = os.environ | {"PYTHONPATH": str(script.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    mean = sum(len(events) for events in both[0]) / len(both[0])
    assert f"| events, mean | {mean:.0f} |" in done.stdout
    assert figure.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
