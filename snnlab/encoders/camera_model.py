"""A simulated event camera that records moving images, as a replacement for N-MNIST.

For N-MNIST, Orchard, Jayawant, Cohen, Thakor (Frontiers in Neuroscience 9:437, 2015) moved an event camera in three
saccades along a triangle in front of a screen with digits. scripts/camera_model.py compares the model with 800 of their
recordings.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from snnlab.data.fields import option
from snnlab.data.samples import EVENT, Images
from snnlab.encoders.encoder import WORD
from snnlab.errors import InputError
from snnlab.native import array, kernel, thread_count

PUBLISHED = ((0.0, 3.5, 7.0, 0.0), (0.0, 7.0, 0.0, 0.0))
"""Published position of the image after 0, 100, 200 and 300 ms: pixels to the right, and pixels down."""

_MEASURED = (
    (
        0, 0.16, 0.02, -0.43, 0.07, 0.65, 0.95, 1.54, 1.69, 1.79, 1.9, 2.11, 2.36, 2.82, 3.66, 4.02, 4.33, 4.78,
        5.09, 5.34, 5.54, 5.8, 5.88, 5.49, 4.52, 3.54, 2.34, 1.36, 0.69, 0.16, 0.03, 0.22,
    ),
    (
        0, 0.36, 0.64, 1.5, 2.43, 3.48, 4.76, 5.55, 5.9, 5.86, 5.64, 5.53, 5.66, 5.19, 4.54, 3.26, 1.98, 0.79,
        0.21, 0.05, 0.24, 0.09, 0.14, 0.16, 0.47, 0.3, 0.35, -0.09, 0, 0.32, 0.23, 0.19,
    ),
)  # fmt: skip
"""Position of the image every 10 ms, fitted so that the model's events of 800 images are where and when those of the
recordings are. Amplitudes are 6 pixels instead of 7, pan and tilt do not start together, and both nearly stop from 80
to 120 ms and from 185 to 225 ms."""

_MIN_THRESHOLD = 0.02  # in natural logarithms, below that of any sensor
_DELAY_INTERVAL = 0.1  # seconds between the times for which a delay is sampled
_RANGES = {
    "path_interval": (1e-4, 10.0), "scale": (0.1, 10.0), "blur": (0.05, 10.0), "peak_luminance": (1e-3, 1e3),
    "gamma": (0.1, 10.0), "on_threshold": (_MIN_THRESHOLD, 10.0), "off_threshold": (_MIN_THRESHOLD, 10.0),
    "threshold_mismatch": (0.0, 1.0), "threshold_jitter": (0.0, 1.0), "refractory": (0.0, 1.0),
    "time_constant": (0.0, 1.0), "noise_rate": (0.0, 1e4), "noise_on_fraction": (0.0, 1.0),
    "timing_jitter": (0.0, 0.02), "position_jitter": (0.0, 10.0), "dt": (1e-5, 0.01),
}  # fmt: skip


@dataclass(frozen=True)
class Camera:
    """A simulated event camera on a pan-tilt head in front of a screen that shows images.

    The screen has luminance ``1 + (peak_luminance - 1) * (value / peak)^gamma``, and 1 around the image. A pixel at
    (x, y) receives ``I(x - x_path(t), y - y_path(t))``, where I is the blurred screen at whole pixels, interpolated
    bilinearly. Its photoreceptor follows the logarithm, ``dV/dt = (ln I - V) / time_constant``. The pixel emits an ON
    event when V has risen by `on_threshold` above its value at the end of the last refractory period, and an OFF event
    when V has fallen by `off_threshold` below it. This is the pixel of Lichtsteiner, Posch, Delbruck (IEEE JSSC 43,
    2008) with its mismatch; the sensor of N-MNIST has change detectors of this kind (Posch, Matolin, Wohlgenannt, IEEE
    JSSC 46, 2011). Noise events are added as in the simulator v2e (Hu, Liu, Delbruck, CVPR Workshops 2021).

    The default values reproduce statistics of 800 recordings of N-MNIST, see docs/camera.md. In these recordings the
    leading edge of a digit makes OFF events and the trailing edge ON events, as for a dark digit on a bright
    background, and no refractory period above 0.1 ms is visible.

    Raises InputError for values out of range.
    """

    x_path: tuple[float, ...] = option(
        _MEASURED[0],
        "pixels to the right of the image at multiples of `path_interval`. Between them a monotone cubic (Fritsch, "
        "Carlson, SIAM J. Numer. Anal. 17, 1980); constant after the last. The default is the measured motor path; "
        "`PUBLISHED` at 0.1 s is the planned saccade path",
    )
    y_path: tuple[float, ...] = option(_MEASURED[1], "pixels down, likewise")
    path_interval: float = option(0.01, "seconds between positions")
    timing_jitter: float = option(
        2e-3,
        "standard deviation, in seconds, of the delay of a recording; a normal value is sampled for every 0.1 s and "
        "interpolated linearly",
    )
    position_jitter: float = option(
        0.05,
        "standard deviation, in pixels, of the position offset of a recording in each direction; 0.05 within the 800 "
        'recordings, but the first recordings of the split "test" lie 0.76 pixels higher',
    )
    shape: tuple[int, ...] = option((34, 34), "rows and columns of the sensor")
    origin: tuple[float, ...] = option(
        (0.34, 1.23),
        "position of the image's corner on the sensor at path position 0, 0, in pixels right and down",
    )
    scale: float = option(0.99, "sensor pixels per image pixel")
    blur: float = option(0.63, "standard deviation of the lens's Gaussian blur, in pixels")
    peak_luminance: float = option(0.26, "luminance of the largest value; below 1 for dark digits")
    gamma: float = option(1.05, "exponent from values to luminance")
    on_threshold: float = option(0.175, "change of the natural logarithm that causes an ON event")
    off_threshold: float = option(0.17, "change of the natural logarithm that causes an OFF event")
    threshold_mismatch: float = option(
        0.05,
        "relative standard deviation of thresholds between pixels, the same in all recordings with one `sensor_seed`",
    )
    threshold_jitter: float = option(0.05, "relative standard deviation of a threshold from event to event")
    refractory: float = option(
        50e-6,
        "seconds after an event during which a pixel emits none; 0 for no refractory period",
    )
    time_constant: float = option(1e-3, "time constant of the photoreceptor, in seconds; 0 for none")
    noise_rate: float = option(0.38, "noise events per second and pixel")
    noise_on_fraction: float = option(
        0.97,
        "fraction of noise events that are ON: nearly all in this kind of sensor, because charge leaks (Nozaki, "
        "Delbruck, IEEE TED 64, 2017)",
    )
    duration: float = option(0.308, "seconds of a recording")
    dt: float = option(0.5e-3, "seconds per step; voltages change linearly within a step")
    sensor_seed: int = option(0, "seed of the threshold mismatch")

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            _check(name, getattr(self, name), low, high)
        _check("duration", self.duration, self.dt, 10.0)
        if len(self.x_path) != len(self.y_path) or len(self.x_path) < 2:
            problem = f"{len(self.x_path)} positions, and {len(self.y_path)} in y_path"
            raise InputError("Camera.x_path", problem, "must have as many as y_path, at least 2")
        for name in ("x_path", "y_path", "origin"):
            for position in getattr(self, name):
                _check(name, position, -100.0, 100.0)
        if len(self.origin) != 2:
            raise InputError("Camera.origin", f"got {self.origin!r}", "must be pixels right and pixels down")
        if len(self.shape) != 2 or not all(type(side) is int and 1 <= side <= 1024 for side in self.shape):
            raise InputError("Camera.shape", f"got {self.shape!r}", "must be rows and columns, 1 to 1024")
        if type(self.sensor_seed) is not int or not 0 <= self.sensor_seed < WORD:
            raise InputError("Camera.sensor_seed", f"got {self.sensor_seed!r}", f"must be an integer, 0 to {WORD - 1}")

    def events(self, images: Images, *, seed: int = 0, stream: int = 0) -> list[NDArray[np.void]]:
        """The events of each image (events,), see `snnlab.data.samples.EVENT`, in order of time.

        Randomness depends on `seed`, `stream` and the number of the image, and not on the batch.

        Raises InputError for images without rows and columns, and for numbers that are not 0 to 2^32 - 1.
        """
        _check_images(images, seed, stream)
        states, paths = self._paths(images.numbers, seed, stream)
        margin = math.ceil(np.abs(paths).max(initial=0.0)) + 1
        scenes = self._scenes(images, margin)
        ends = np.zeros(len(images) + 1, dtype=np.int64)
        library = _compiled()
        batch = library.snnlab_record(
            scenes, np.ascontiguousarray(margin - paths), states, len(images), *self._thresholds,
            ctypes.byref(self._constants(scenes.shape[1])), ends[1:], thread_count(),
        )  # fmt: skip
        if not batch:
            raise MemoryError(f"events of {len(images)} images: use smaller batches")
        try:
            events = np.zeros(int(ends[-1]), dtype=EVENT)
            library.snnlab_events(batch, events.ctypes.data)
        finally:
            library.snnlab_forget(batch)
        return [events[first:last] for first, last in itertools.pairwise(ends.tolist())]

    def position(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Position of the image at times in seconds: pixels to the right and down (..., 2)."""
        from scipy.interpolate import PchipInterpolator  # takes half a second to import

        knots = self.path_interval * np.arange(len(self.x_path))
        path = PchipInterpolator(knots, np.stack([self.x_path, self.y_path], axis=-1))
        return np.asarray(path(np.clip(time, 0.0, knots[-1])))

    @property
    def steps(self) -> int:
        return math.ceil(self.duration / self.dt - 1e-9)

    def _paths(
        self, numbers: NDArray[np.int64], seed: int, stream: int
    ) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
        """The random state of each recording, and the position of its image in each step (samples, steps + 1, 2)."""
        time = self.dt * np.arange(self.steps + 1)
        knots = _DELAY_INTERVAL * (np.arange(math.ceil(self.duration / _DELAY_INTERVAL)) + 0.5)
        weights = np.stack([np.interp(time, knots, basis) for basis in np.eye(len(knots))])
        states = np.empty(len(numbers), dtype=np.uint64)
        delays, offsets = np.empty((len(numbers), len(knots))), np.empty((len(numbers), 1, 2))
        for k, number in enumerate(numbers.tolist()):
            rng = np.random.Generator(np.random.Philox(key=[seed, stream << 32 | number]))
            states[k] = rng.integers(1 << 64, dtype=np.uint64)
            delays[k] = rng.normal(0.0, self.timing_jitter, len(knots))
            offsets[k] = rng.normal(0.0, self.position_jitter, 2)
        return states, self.position(time - delays @ weights) + offsets

    def _scenes(self, images: Images, margin: int) -> NDArray[np.float32]:
        """The blurred screens at every pixel of the sensor and in a margin around it."""
        rows, columns = images.shape
        side = max(self.shape) + 2 * margin
        values = (images.values.reshape(-1, rows, columns) / np.float32(images.peak)) ** np.float32(self.gamma)
        across, down = (
            self._lens(n, start, side, margin) for n, start in zip((columns, rows), self.origin, strict=True)
        )
        return np.ascontiguousarray(
            1 + np.float32(self.peak_luminance - 1) * (down @ values @ across.T), dtype=np.float32
        )

    def _lens(self, pixels: int, start: float, side: int, margin: int) -> NDArray[np.float32]:
        """The share of each screen pixel in the light at each position along one axis (side, pixels)."""
        edges = start + self.scale * np.arange(pixels + 1)
        centres = np.arange(side) - margin + 0.5
        return np.diff(ndtr((edges - centres[:, None]) / self.blur), axis=1).astype(np.float32)

    @cached_property
    def _thresholds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """ON and OFF thresholds of every pixel."""
        rng = np.random.Generator(np.random.Philox(key=[self.sensor_seed, WORD]))
        factors = rng.normal(1.0, self.threshold_mismatch, (2, *self.shape))
        on, off = (
            np.maximum(level * factor, _MIN_THRESHOLD).astype(np.float32)
            for level, factor in zip((self.on_threshold, self.off_threshold), factors, strict=True)
        )
        return on, off

    def _constants(self, scene: int) -> _Sensor:
        rows, columns = self.shape
        follow = -math.expm1(-self.dt / self.time_constant) if self.time_constant else 1.0
        noise = self.noise_rate * self.dt * rows * columns
        return _Sensor(
            rows, columns, scene, self.steps, self.dt * 1e6, self.refractory / self.dt, follow, self.threshold_jitter,
            noise, self.noise_on_fraction,
        )  # fmt: skip


class _Sensor(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("rows", "columns", "scene", "steps")] + [
        (name, ctypes.c_double) for name in ("step", "refractory", "follow", "jitter", "noise", "noise_on")
    ]


def _check(name: str, value: float, low: float, high: float) -> None:
    if not (isinstance(value, int | float) and low <= value <= high):
        raise InputError(f"Camera.{name}", f"got {value!r}", f"must be a number, {low:g} to {high:g}")


def _check_images(images: Images, seed: int, stream: int) -> None:
    if len(images.shape) != 2 or images.values.dtype != np.uint8 or not 1 <= images.peak <= 255:
        problem = f"got {images.values.dtype} images of shape {images.shape}, peak {images.peak}"
        raise InputError("Camera: images", problem, "must be uint8 images of rows and columns with a peak of 1 to 255")
    numbers = images.numbers.tolist()
    for name, number in (("seed", seed), ("stream", stream), *(("number", number) for number in numbers)):
        if not 0 <= number < WORD:
            raise InputError(f"Camera: {name}", f"got {number}", f"must be 0 to {WORD - 1}")


@cache
def _compiled() -> ctypes.CDLL:
    library = kernel("snnlab.encoders", "camera_model.cpp")
    i64, f32 = ctypes.c_int64, array(np.float32)
    library.snnlab_record.restype = ctypes.c_void_p
    library.snnlab_record.argtypes = [
        f32, array(np.float64), array(np.uint64), i64, f32, f32, ctypes.POINTER(_Sensor), array(np.int64), i64,
    ]  # fmt: skip
    library.snnlab_events.restype = None
    library.snnlab_events.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.snnlab_forget.restype = None
    library.snnlab_forget.argtypes = [ctypes.c_void_p]
    return library
