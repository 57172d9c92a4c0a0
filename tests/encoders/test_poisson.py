"""Poisson spikes equal their definition for every batch and number of threads, and have its statistics.

Statistical tests compare exact p-values with `RARE`: with random seeds, each would fail by chance once in a million
runs; with these fixed seeds they never do.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from snnlab import datasets
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import TEST, TRAIN, Poisson, poisson
from snnlab.encoders.encoder import scaled_rates
from snnlab.native import threads

RARE = 1e-6

# A slow reference implementation in integers, from Salmon et al. 2011 and the docstring of Poisson --------------------


def philox(counter: tuple[Any, ...], key: tuple[int, int], rounds: int = 10) -> tuple[Any, ...]:
    """Philox4x32 on integers or on arrays of 64-bit integers."""
    low = 0xFFFFFFFF
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        a, b = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & low, (a >> 32) ^ c3 ^ k1, a & low
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return c0, c1, c2, c3


def grey(values: NDArray[Any], peak: int, numbers: NDArray[Any]) -> Images:
    """Images of these values, without a shape."""
    names = ("a",)
    labels = np.zeros(len(values), dtype=np.int64)
    return Images(
        values=values, peak=peak, numbers=numbers, labels=labels, shape=(), classes=names, dataset="grey", split=""
    )


def half_words(pixel: NDArray[np.uint64], step: int, sample: int, epoch: int, key: tuple[int, int], block: int) -> Any:
    each = [np.full_like(pixel, number) for number in (block, sample, epoch)]
    word = philox((each[0], pixel, each[1], each[2]), key)[step % 8 // 2]
    return word >> np.uint64(16) if step % 2 else word & np.uint64(0xFFFF)


def threshold(value: int, peak: int, max_rate: float) -> int:
    return round(Fraction(max_rate) * value / peak * 2**32)


def by_definition(
    code: Poisson, values: NDArray[np.uint8], peak: int, indices: NDArray[np.int64], seed: int, epoch: int, stream: int
) -> tuple[NDArray[np.bool_], int]:
    """Spikes, bool (samples, steps, pixels), and the number of draws that the lower half-word decides."""
    fires = np.zeros((len(values), code.steps, values.shape[1]), dtype=bool)
    pixel = np.arange(values.shape[1], dtype=np.uint64)
    limits = np.array([threshold(value, peak, code.max_rate) for value in range(peak + 1)], dtype=np.uint64)
    close = 0
    for row, sample in enumerate(indices.tolist()):
        limit = limits[values[row]]
        for step in range(1, code.steps):
            above = half_words(pixel, step, sample, epoch, (seed, stream), step // 8)
            below = half_words(pixel, step, sample, epoch, (seed, stream), step // 8 + 2**31)
            fires[row, step] = (above << np.uint64(16) | below) < limit
            close += int(((above == limit >> np.uint64(16)) & (limit > 0)).sum())
    return fires, close


# Random numbers ---------------------------------------------------------------------------------------------------

# known answers of Random123, the authors' library: counter, key, output
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def kernel_philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    words = np.array(counter, dtype=np.uint32)
    poisson._compiled().snnlab_philox(words, *key)
    return tuple(words.tolist())


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_returns_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    assert kernel_philox(counter, key) == answer
    assert philox(counter, key) == answer
    assert philox(counter, key, rounds=9) != answer


words = st.integers(0, 2**32 - 1)


@given(counter=st.tuples(words, words, words, words), key=st.tuples(words, words))
def test_philox_equals_the_reference(counter: tuple[int, ...], key: tuple[int, int]) -> None:
    assert kernel_philox(counter, key) == philox(counter, key)


# Spikes ------------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(60))
@given(data=st.data())
def test_spikes_equal_the_definition(data: st.DataObject) -> None:
    draw = data.draw
    samples, features, peak = draw(st.integers(0, 3)), draw(st.integers(0, 70)), draw(st.integers(1, 255))
    code = Poisson(steps=draw(st.integers(1, 19)), max_rate=draw(st.floats(0, 1)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.integers(0, peak + 1, (samples, features)).astype(np.uint8)
    values[rng.random(values.shape) < draw(st.floats(0, 1))] = 0
    indices = rng.integers(0, 2**32, samples, dtype=np.int64)
    seed, epoch, stream = draw(words), draw(words), draw(words)
    with threads(draw(st.integers(1, 3))):
        spikes = code.encode(grey(values, peak, indices), seed=seed, epoch=epoch, stream=stream)
    expected, _ = by_definition(code, values, peak, indices, seed, epoch, stream)
    assert spikes == SpikeTrains.from_dense(expected, code.dt)


def test_draws_that_the_lower_half_word_decides_equal_the_definition() -> None:
    code, indices = Poisson(), np.array([3, 70000], dtype=np.int64)
    values = np.random.default_rng(0).integers(0, 256, (2, 784)).astype(np.uint8)
    expected, close = by_definition(code, values, 255, indices, 1, 2, 0)
    assert close >= 5, "the rare branch must occur"
    assert code.encode(grey(values, 255, indices), seed=1, epoch=2) == SpikeTrains.from_dense(expected, code.dt)


@given(seed=words, sample=words, epoch=words, pixel=st.integers(0, 40), step=st.integers(1, 30))
def test_a_pixel_fires_exactly_below_its_threshold(seed: int, sample: int, epoch: int, pixel: int, step: int) -> None:
    """With the random number x, a pixel is silent at probability x / 2^32 and fires at (x + 1) / 2^32."""
    pixels = np.array([pixel], dtype=np.uint64)
    above, below = (half_words(pixels, step, sample, epoch, (seed, 0), step // 8 + shift)[0] for shift in (0, 2**31))
    number = int(above) << 16 | int(below)
    values = np.full((1, 41), 1, np.uint8)
    fires = [
        Poisson(steps=31, max_rate=chance / 2**32)
        .encode(grey(values, 1, np.array([sample])), seed=seed, epoch=epoch)
        .dense()
        for chance in (number, number + 1)
    ]
    assert [bool(raster[0, step, pixel]) for raster in fires] == [False, True]


def test_probabilities_equal_the_published_ones_to_32_bits() -> None:
    """p = pixel / (5.5 * 255), rounded to a multiple of 2^-32."""
    probabilities = scaled_rates(Poisson().max_rate, 255)
    assert probabilities.tolist() == [round(Fraction(2, 11) * value / 255 * 2**32) for value in range(256)]


def test_the_defaults_equal_the_published_values() -> None:
    """400 steps of 1 ms, of which the first is silent."""
    spikes = Poisson().encode(grey(np.full((3, 50), 255, np.uint8), 255, np.arange(3)), seed=0)
    assert (spikes.steps, spikes.dt, spikes.size) == (400, 1e-3, 50)
    assert not spikes.dense()[:, 0].any()
    assert spikes.dense()[:, 1].any()


def test_pixels_always_fire_at_probability_one_and_never_at_zero() -> None:
    values = np.array([[0, 255, 0, 255, 255]], dtype=np.uint8)
    always = Poisson(steps=50, max_rate=1.0).encode(grey(values, 255, np.array([9])), seed=4)
    assert np.array_equal(always.counts(), [[0, 49, 0, 49, 49]])
    never = Poisson(steps=50, max_rate=0.0).encode(grey(values, 255, np.array([9])), seed=4)
    assert len(never) == 0


def test_intensity_is_relative_to_the_peak() -> None:
    """The value 16 with peak 16 is encoded as 255 with peak 255."""
    code, indices = Poisson(), np.arange(4)
    dim = code.encode(grey(np.full((4, 64), 16, np.uint8), 16, indices), seed=0)
    assert dim == code.encode(grey(np.full((4, 64), 255, np.uint8), 255, indices), seed=0)


# What the spikes depend on -----------------------------------------------------------------------------------------

BATCH = np.random.default_rng(5).integers(0, 256, (24, 100)).astype(np.uint8)
NUMBERS = np.random.default_rng(6).permutation(60000)[:24]
SHORT = Poisson(steps=45)


def test_spikes_do_not_depend_on_the_number_of_threads() -> None:
    with threads(1):
        expected = SHORT.encode(grey(BATCH, 255, NUMBERS), seed=1)
    for count in (2, 3, 64):
        with threads(count):
            assert SHORT.encode(grey(BATCH, 255, NUMBERS), seed=1) == expected


@settings(max_examples=examples(40))
@given(order=st.lists(st.integers(0, 23), max_size=30))
def test_the_spikes_of_a_sample_do_not_depend_on_the_batch(order: list[int]) -> None:
    whole = SHORT.encode(grey(BATCH, 255, NUMBERS), seed=1)
    selected = SHORT.encode(grey(BATCH[order], 255, NUMBERS[order]), seed=1)
    for row, sample in enumerate(order):
        assert selected.sample(row) == whole.sample(sample)


def test_a_longer_sample_starts_with_the_spikes_of_a_shorter_one() -> None:
    short, long = (
        replace(SHORT, steps=steps).encode(grey(BATCH, 255, NUMBERS), seed=1).dense() for steps in (SHORT.steps, 101)
    )
    assert np.array_equal(long[:, : SHORT.steps], short)


@pytest.mark.parametrize("change", [{"seed": 2}, {"epoch": 1}, {"stream": TEST}])
def test_another_seed_epoch_or_stream_gives_other_spikes(change: dict[str, int]) -> None:
    usual = {"seed": 1, "epoch": 0, "stream": TRAIN}
    assert SHORT.encode(grey(BATCH, 255, NUMBERS), **usual) == SHORT.encode(grey(BATCH, 255, NUMBERS), **usual)
    assert SHORT.encode(grey(BATCH, 255, NUMBERS), **(usual | change)) != SHORT.encode(
        grey(BATCH, 255, NUMBERS), **usual
    )


def test_without_resampling_the_spikes_are_those_of_epoch_zero() -> None:
    first = SHORT.encode(grey(BATCH, 255, NUMBERS), seed=1, epoch=0)
    fixed = replace(SHORT, resample_each_epoch=False)
    assert all(fixed.encode(grey(BATCH, 255, NUMBERS), seed=1, epoch=epoch) == first for epoch in (0, 1, 17))


def test_values_may_be_a_strided_view() -> None:
    expected = SHORT.encode(grey(np.ascontiguousarray(BATCH[::2, ::3]), 255, NUMBERS[:12].copy()), seed=0)
    assert SHORT.encode(grey(BATCH[::2, ::3], 255, NUMBERS[:12]), seed=0) == expected


def test_the_number_of_spikes_of_mnist_is_expected_from_its_pixels(mnist_folder: Any) -> None:
    """The sum of probabilities over pixels and 399 steps, within five standard deviations."""
    samples = datasets.load("mnist", "test", folder=mnist_folder).take(slice(0, 200))
    spikes = Poisson().encode(samples, seed=0, stream=TEST)
    p = samples.values / (5.5 * 255)
    assert abs(len(spikes) - 399 * p.sum()) < 5 * np.sqrt(399 * (p * (1 - p)).sum())


# Statistics --------------------------------------------------------------------------------------------------------


def rate_p_value(counts: NDArray[np.int64], draws: int, p: NDArray[np.float64]) -> float:
    """Two-sided chi-squared test that independent binomial counts have these probabilities."""
    chi2 = float((((counts - draws * p) ** 2) / (draws * p * (1 - p))).sum())
    return 2 * min(stats.chi2.sf(chi2, len(counts)), stats.chi2.cdf(chi2, len(counts)))


def grey_counts(code: Poisson, seed: int) -> tuple[NDArray[np.int64], int]:
    """Spikes of each value 1..255 over 600 samples of 400 steps, and the number of draws."""
    values = np.tile(np.arange(1, 256, dtype=np.uint8), (600, 1))
    spikes = code.encode(grey(values, 255, np.arange(600)), seed=seed)
    return spikes.counts().sum(axis=0), 600 * (code.steps - 1)


PUBLISHED = np.arange(1, 256) / (5.5 * 255)


@pytest.mark.parametrize("seed", range(3))
def test_every_value_fires_with_its_probability(seed: int) -> None:
    counts, draws = grey_counts(Poisson(), seed)
    assert rate_p_value(counts, draws, PUBLISHED) > RARE


def test_the_rate_test_detects_a_probability_that_is_one_per_cent_too_large() -> None:
    counts, draws = grey_counts(Poisson(max_rate=1.01 / 5.5), 0)
    assert rate_p_value(counts, draws, PUBLISHED) < RARE


def test_spikes_per_sample_are_binomial() -> None:
    """For equal pixels; a test of the mean and the variance."""
    code, p = Poisson(steps=101, max_rate=0.15), 0.15
    counts = code.encode(grey(np.full((2000, 50), 255, np.uint8), 255, np.arange(2000)), seed=3).counts().sum(axis=1)
    assert rate_p_value(counts, 50 * 100, np.full(2000, p)) > RARE


P = 0.3


def bright(samples: int = 60, seed: int = 0, **where: int) -> NDArray[np.bool_]:
    """Spikes of 64 equal pixels in 401 steps without the silent first one: (samples, steps, pixels)."""
    code = Poisson(steps=401, max_rate=P, resample_each_epoch=True)
    values = np.full((samples, 64), 255, np.uint8)
    first = where.pop("first", 0)
    return code.encode(grey(values, 255, np.arange(first, first + samples)), seed=seed, **where).dense()[:, 1:]


def joint_p_value(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Exact test that two sets of draws fire together with probability p * p, as independent ones do."""
    return float(stats.binomtest(int((first & second).sum()), first.size, P * P).pvalue)


PAIRS = {
    "steps of one block": lambda: (bright()[:, 0::2], bright()[:, 1::2]),
    "steps of neighbouring blocks": lambda: (
        bright().reshape(60, 50, 8, 64)[:, 0::2],
        bright().reshape(60, 50, 8, 64)[:, 1::2],
    ),
    "steps half a sample apart": lambda: (bright()[:, :200], bright()[:, 200:]),
    "pixels": lambda: (bright()[..., 0::2], bright()[..., 1::2]),
    "samples": lambda: (bright()[0::2], bright()[1::2]),
    "epochs": lambda: (bright(epoch=0), bright(epoch=1)),
    "seeds": lambda: (bright(seed=0), bright(seed=1)),
    "streams": lambda: (bright(stream=TRAIN), bright(stream=TEST)),
    "seed and stream exchanged": lambda: (bright(seed=0, stream=1), bright(seed=1, stream=0)),
    "epoch and sample exchanged": lambda: (bright(1, first=5, epoch=7), bright(1, first=7, epoch=5)),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_draws_are_independent_across(pair: str) -> None:
    assert joint_p_value(*PAIRS[pair]()) > RARE


def test_the_test_of_independence_detects_two_per_cent_of_shared_draws() -> None:
    first, second = bright(epoch=0), bright(epoch=1)
    second[:, ::50] = first[:, ::50]
    assert joint_p_value(first, second) < RARE


def test_intervals_between_spikes_are_geometric() -> None:
    """An interval of k steps has probability p (1 - p)^(k - 1); chi-squared test of intervals up to 20."""
    raster = bright(200).transpose(0, 2, 1).reshape(-1, 400)
    row, step = np.nonzero(raster)
    # only intervals that start at least 20 steps before the end
    gaps = np.diff(step)[(np.diff(row) == 0) & (step[:-1] < 380)]
    starts = int((step < 380).sum())
    seen = np.bincount(gaps[gaps <= 20], minlength=21)[1:]
    chance = P * (1 - P) ** np.arange(20)
    observed = np.append(seen, starts - seen.sum())
    assert stats.chisquare(observed, starts * np.append(chance, 1 - chance.sum())).pvalue > RARE


# Errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", 1.5), ("steps", True), ("dt", 0.0), ("dt", float("nan")), ("max_rate", 1.0001),
        ("max_rate", -0.1), ("max_rate", float("nan")),
    ],
)  # fmt: skip
def test_values_out_of_range_raise_an_error(field: str, value: Any) -> None:
    with raises_input_error(f"Poisson.{field}", f"got {value}"):
        Poisson(**{field: value})


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"values": BATCH.astype(np.float32)}, "values", "float32 (24, 100)"),
        ({"values": BATCH.reshape(24, 10, 10)}, "values", "uint8 (24, 10, 10)"),
        ({"peak": 0}, "peak", 0),
        ({"peak": 256}, "peak", 256),
        ({"peak": 16}, "values", 255),
        ({"numbers": NUMBERS.astype(np.int32)}, "numbers", "int32 (24,)"),
        ({"numbers": NUMBERS[:3]}, "numbers", "int64 (3,)"),
        ({"numbers": NUMBERS - 60000}, "numbers", "got -"),
        ({"seed": -1}, "seed", -1),
        ({"seed": 2**32}, "seed", 4294967296),
        ({"epoch": -1}, "epoch", -1),
        ({"stream": 2**32}, "stream", 4294967296),
    ],
)
def test_an_invalid_batch_raises_an_error(change: dict[str, Any], field: str, value: object) -> None:
    defaults: dict[str, Any] = {"values": BATCH, "peak": 255, "numbers": NUMBERS, "seed": 0}
    arguments = defaults | change
    samples = grey(arguments.pop("values"), arguments.pop("peak"), arguments.pop("numbers"))
    with raises_input_error(f"encode: {field}", value):
        SHORT.encode(samples, **arguments)
