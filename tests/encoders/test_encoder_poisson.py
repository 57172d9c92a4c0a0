"""The encoder draws what its definition says, the same for every batch and thread, and with the right statistics.

Statistical tests hold exact p-values against `RARE`: with fresh seeds each would fail by chance once in a million runs;
with the seeds written here they never do.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from snnlab import datasets
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import TEST, TRAIN, Poisson, poisson
from snnlab.encoders.encoder import rates
from snnlab.errors import InputError

RARE = 1e-6

# The definition, a second time: from Salmon et al. 2011 and the docstring of Poisson, in plain integers and slowly ---


def philox(counter: tuple[Any, ...], key: tuple[int, int], rounds: int = 10) -> tuple[Any, ...]:
    """Philox4x32 on integers or on arrays of 64-bit integers: multiply, exchange the halves, bump the key."""
    low = 0xFFFFFFFF
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        a, b = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & low, (a >> 32) ^ c3 ^ k1, a & low
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return c0, c1, c2, c3


def grey(values: NDArray[Any], peak: int, numbers: NDArray[Any]) -> Images:
    """Images of these values, in which nothing else is of interest."""
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
    """Booleans (samples, steps, pixels), and how many of the draws were decided by the lower half."""
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


# The source of random numbers --------------------------------------------------------------------------------------

# from the file of known answers that comes with Random123, the authors' library: counter, key, output
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
def test_philox_gives_the_published_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    assert kernel_philox(counter, key) == answer
    assert philox(counter, key) == answer
    assert philox(counter, key, rounds=9) != answer


words = st.integers(0, 2**32 - 1)


@given(counter=st.tuples(words, words, words, words), key=st.tuples(words, words))
def test_philox_agrees_with_plain_integers(counter: tuple[int, ...], key: tuple[int, int]) -> None:
    assert kernel_philox(counter, key) == philox(counter, key)


# What is drawn -----------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(data=st.data())
def test_the_kernel_draws_what_the_definition_says(data: st.DataObject) -> None:
    draw = data.draw
    samples, features, peak = draw(st.integers(0, 3)), draw(st.integers(0, 70)), draw(st.integers(1, 255))
    code = Poisson(steps=draw(st.integers(1, 19)), max_rate=draw(st.floats(0, 1)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.integers(0, peak + 1, (samples, features)).astype(np.uint8)
    values[rng.random(values.shape) < draw(st.floats(0, 1))] = 0
    indices = rng.integers(0, 2**32, samples, dtype=np.int64)
    seed, epoch, stream = draw(words), draw(words), draw(words)
    spikes = code.encode(
        grey(values, peak, indices), seed=seed, epoch=epoch, stream=stream, threads=draw(st.integers(1, 3))
    )
    expected, _ = by_definition(code, values, peak, indices, seed, epoch, stream)
    assert spikes == SpikeTrains.from_dense(expected, code.dt)


def test_draws_that_the_lower_half_decides_are_right_as_well() -> None:
    code, indices = Poisson(), np.array([3, 70000], dtype=np.int64)
    values = np.random.default_rng(0).integers(0, 256, (2, 784)).astype(np.uint8)
    expected, close = by_definition(code, values, 255, indices, 1, 2, 0)
    assert close >= 5, "the test should see the rare branch"
    assert code.encode(grey(values, 255, indices), seed=1, epoch=2) == SpikeTrains.from_dense(expected, code.dt)


@given(seed=words, sample=words, epoch=words, pixel=st.integers(0, 40), step=st.integers(1, 30))
def test_a_pixel_fires_exactly_below_its_threshold(seed: int, sample: int, epoch: int, pixel: int, step: int) -> None:
    """A probability of x / 2^32, where x is the number drawn, is just too small, and the next one is large enough."""
    place = np.array([pixel], dtype=np.uint64)
    above, below = (half_words(place, step, sample, epoch, (seed, 0), step // 8 + shift)[0] for shift in (0, 2**31))
    number = int(above) << 16 | int(below)
    values = np.full((1, 41), 1, np.uint8)
    fires = [
        Poisson(steps=31, max_rate=chance / 2**32)
        .encode(grey(values, 1, np.array([sample])), seed=seed, epoch=epoch)
        .dense()
        for chance in (number, number + 1)
    ]
    assert [bool(one[0, step, pixel]) for one in fires] == [False, True]


def test_thresholds_are_the_published_probabilities_to_32_bits() -> None:
    """p = pixel / (5.5 * 255), rounded to a multiple of 2^-32."""
    ours = rates(Poisson().max_rate, 255)
    assert ours.tolist() == [round(Fraction(2, 11) * value / 255 * 2**32) for value in range(256)]


def test_the_defaults_are_the_published_ones() -> None:
    """400 steps of 1 ms; the authors begin to draw in step 1."""
    spikes = Poisson().encode(grey(np.full((3, 50), 255, np.uint8), 255, np.arange(3)), seed=0)
    assert (spikes.steps, spikes.dt, spikes.size) == (400, 1e-3, 50)
    assert not spikes.dense()[:, 0].any()
    assert spikes.dense()[:, 1].any()


def test_probability_one_always_fires_and_zero_never() -> None:
    values = np.array([[0, 255, 0, 255, 255]], dtype=np.uint8)
    always = Poisson(steps=50, max_rate=1.0).encode(grey(values, 255, np.array([9])), seed=4)
    assert np.array_equal(always.counts(), [[0, 49, 0, 49, 49]])
    never = Poisson(steps=50, max_rate=0.0).encode(grey(values, 255, np.array([9])), seed=4)
    assert len(never) == 0


def test_a_dim_dataset_has_its_own_peak() -> None:
    """The value 16 of the digits, whose peak is 16, is as bright as 255 where the peak is 255."""
    code, indices = Poisson(), np.arange(4)
    dim = code.encode(grey(np.full((4, 64), 16, np.uint8), 16, indices), seed=0)
    assert dim == code.encode(grey(np.full((4, 64), 255, np.uint8), 255, indices), seed=0)


# Of what the draw is, and is not, a function -----------------------------------------------------------------------

BATCH = np.random.default_rng(5).integers(0, 256, (24, 100)).astype(np.uint8)
PLACES = np.random.default_rng(6).permutation(60000)[:24]
SHORT = Poisson(steps=45)


def test_threads_do_not_change_the_spikes() -> None:
    once = SHORT.encode(grey(BATCH, 255, PLACES), seed=1, threads=1)
    for threads in (2, 3, 64):
        assert SHORT.encode(grey(BATCH, 255, PLACES), seed=1, threads=threads) == once


@settings(max_examples=40)
@given(order=st.lists(st.integers(0, 23), max_size=30))
def test_a_sample_is_drawn_the_same_in_any_batch(order: list[int]) -> None:
    whole = SHORT.encode(grey(BATCH, 255, PLACES), seed=1)
    some = SHORT.encode(grey(BATCH[order], 255, PLACES[order]), seed=1, threads=2)
    for row, sample in enumerate(order):
        assert some.sample(row) == whole.sample(sample)


def test_a_longer_sample_begins_like_a_shorter_one() -> None:
    short, long = (
        replace(SHORT, steps=steps).encode(grey(BATCH, 255, PLACES), seed=1).dense() for steps in (SHORT.steps, 101)
    )
    assert np.array_equal(long[:, : SHORT.steps], short)


@pytest.mark.parametrize("change", [{"seed": 2}, {"epoch": 1}, {"stream": TEST}])
def test_seed_epoch_and_stream_each_give_other_spikes(change: dict[str, int]) -> None:
    usual = {"seed": 1, "epoch": 0, "stream": TRAIN}
    assert SHORT.encode(grey(BATCH, 255, PLACES), **usual) == SHORT.encode(grey(BATCH, 255, PLACES), **usual)
    assert SHORT.encode(grey(BATCH, 255, PLACES), **(usual | change)) != SHORT.encode(grey(BATCH, 255, PLACES), **usual)


def test_spikes_that_are_drawn_once_are_those_of_epoch_zero_for_ever() -> None:
    first = SHORT.encode(grey(BATCH, 255, PLACES), seed=1, epoch=0)
    once = replace(SHORT, resample_each_epoch=False)
    assert all(once.encode(grey(BATCH, 255, PLACES), seed=1, epoch=epoch) == first for epoch in (0, 1, 17))


def test_values_may_be_any_view_of_memory() -> None:
    expected = SHORT.encode(grey(np.ascontiguousarray(BATCH[::2, ::3]), 255, PLACES[:12].copy()), seed=0)
    assert SHORT.encode(grey(BATCH[::2, ::3], 255, PLACES[:12]), seed=0) == expected


def test_mnist_has_as_many_spikes_as_its_pixels_promise(mnist_folder: Any) -> None:
    """Sum of p over pixels and the 399 steps that are drawn, within five standard deviations."""
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
    """How often a pixel of each value 1..255 fired, over 600 samples of 400 steps."""
    values = np.tile(np.arange(1, 256, dtype=np.uint8), (600, 1))
    spikes = code.encode(grey(values, 255, np.arange(600)), seed=seed)
    return spikes.counts().sum(axis=0), 600 * (code.steps - 1)


PUBLISHED = np.arange(1, 256) / (5.5 * 255)


@pytest.mark.parametrize("seed", range(3))
def test_every_grey_level_fires_with_its_probability(seed: int) -> None:
    counts, draws = grey_counts(Poisson(), seed)
    assert rate_p_value(counts, draws, PUBLISHED) > RARE


def test_the_rate_test_sees_a_probability_that_is_one_per_cent_off() -> None:
    counts, draws = grey_counts(Poisson(max_rate=1.01 / 5.5), 0)
    assert rate_p_value(counts, draws, PUBLISHED) < RARE


def test_spikes_per_sample_spread_as_a_binomial() -> None:
    """Equal pixels: the count of a sample is binomial over pixels and steps, tested in its mean and in its variance."""
    code, p = Poisson(steps=101, max_rate=0.15), 0.15
    counts = code.encode(grey(np.full((2000, 50), 255, np.uint8), 255, np.arange(2000)), seed=3).counts().sum(axis=1)
    assert rate_p_value(counts, 50 * 100, np.full(2000, p)) > RARE


P = 0.3


def bright(samples: int = 60, seed: int = 0, **where: int) -> NDArray[np.bool_]:
    """Draws of 64 equal pixels in 401 steps, the silent one left out: (samples, steps, pixels)."""
    code = Poisson(steps=401, max_rate=P, resample_each_epoch=True)
    values = np.full((samples, 64), 255, np.uint8)
    first = where.pop("first", 0)
    return code.encode(grey(values, 255, np.arange(first, first + samples)), seed=seed, **where).dense()[:, 1:]


def joint_p_value(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Exact test that two sets of draws fire together as often as independent ones: k of n, with probability p * p."""
    return float(stats.binomtest(int((one & other).sum()), one.size, P * P).pvalue)


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


def test_the_test_of_independence_sees_one_draw_in_fifty_that_is_shared() -> None:
    one, other = bright(epoch=0), bright(epoch=1)
    other[:, ::50] = one[:, ::50]
    assert joint_p_value(one, other) < RARE


def test_times_between_spikes_are_geometric() -> None:
    """Memoryless: a gap of k steps has probability p (1 - p)^(k - 1); chi-squared over gaps up to 20."""
    raster = bright(200).transpose(0, 2, 1).reshape(-1, 400)
    row, step = np.nonzero(raster)
    # a gap counts where it begins so early that any gap of up to 20 would still be seen
    gaps = np.diff(step)[(np.diff(row) == 0) & (step[:-1] < 380)]
    starts = int((step < 380).sum())
    seen = np.bincount(gaps[gaps <= 20], minlength=21)[1:]
    chance = P * (1 - P) ** np.arange(20)
    observed = np.append(seen, starts - seen.sum())
    assert stats.chisquare(observed, starts * np.append(chance, 1 - chance.sum())).pvalue > RARE


# Bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"steps": 0}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"steps": True}, "steps"),
        ({"dt": 0.0}, "dt"),
        ({"dt": float("nan")}, "dt"),
        ({"max_rate": 1.0001}, "max_rate"),
        ({"max_rate": -0.1}, "max_rate"),
        ({"max_rate": float("nan")}, "max_rate"),
    ],
)
def test_a_code_that_cannot_be_is_refused(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=rf"^Poisson\.{field}: found "):
        Poisson(**values)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"values": BATCH.astype(np.float32)}, r"encode: values: float32 \(24, 100\); needs uint8"),
        ({"values": BATCH.reshape(24, 10, 10)}, r"encode: values: uint8 \(24, 10, 10\)"),
        ({"peak": 0}, "encode: peak: found 0"),
        ({"peak": 256}, "encode: peak: found 256"),
        ({"peak": 16}, "encode: values: found 255; needs values up to the peak, 16"),
        ({"numbers": PLACES.astype(np.int32)}, r"encode: numbers: int32 \(24,\); needs int64"),
        ({"numbers": PLACES[:3]}, r"encode: numbers: int64 \(3,\); needs int64 \(24,\)"),
        ({"numbers": PLACES - 60000}, "encode: numbers: found -"),
        ({"seed": -1}, "encode: seed: found -1; needs 0 to 4294967295"),
        ({"seed": 2**32}, "encode: seed: found 4294967296"),
        ({"epoch": -1}, "encode: epoch"),
        ({"stream": 2**32}, "encode: stream"),
        ({"threads": 0}, "encode: threads: found 0; needs at least 1"),
    ],
)
def test_a_batch_that_cannot_be_is_refused(change: dict[str, Any], line: str) -> None:
    usual: dict[str, Any] = {"values": BATCH, "peak": 255, "numbers": PLACES, "seed": 0}
    given = usual | change
    samples = grey(given.pop("values"), given.pop("peak"), given.pop("numbers"))
    with pytest.raises(InputError, match=line):
        SHORT.encode(samples, **given)
