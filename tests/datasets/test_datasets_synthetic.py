"""Synthetic datasets: the yin-yang classes follow their definition, and samples their distribution.

The seeds are fixed, so a statistical test always passes or always fails; its false-alarm rate is that of a random seed.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, chisquare
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from snnlab import datasets
from snnlab.datasets.formats.synthetic import yin_yang_class

YIN, YANG, DOT, OUTSIDE = 0, 1, 2, -1
X, Y = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
RARE = 1e-6  # false-alarm rate of the statistical tests
AREAS = {DOT: 2 * math.pi * 0.1**2, OUTSIDE: 1 - math.pi / 4}
AREAS |= {YIN: (math.pi / 4 - AREAS[DOT]) / 2, YANG: (math.pi / 4 - AREAS[DOT]) / 2}
# yin: the outer half-circle, two half-circles of half its radius, and the dot that is cut out; dots: two circles
EDGES = {YIN: math.pi * (0.5 + 0.25 + 0.25 + 0.2), DOT: 2 * math.pi * 0.2, OUTSIDE: math.pi + 4}
EDGES |= {YANG: EDGES[YIN]}


def by_definition(x: NDArray[np.float64], y: NDArray[np.float64], small: float = 0.1) -> NDArray[np.int64]:
    """The criteria of Kriener, Göltz, Petrovici for points of the unit square, in their order; yin meets them."""
    big = 0.5
    to_right, to_left = np.hypot(x - 1.5 * big, y - big), np.hypot(x - 0.5 * big, y - big)
    in_right_dot = to_right <= small
    around_left_dot = (to_left > small) & (to_left <= 0.5 * big)
    above = (y > big) & (to_right > 0.5 * big)
    yin = in_right_dot | around_left_dot | above
    classes = np.where(yin, YIN, YANG)
    classes[(to_right < small) | (to_left < small)] = DOT
    classes[np.hypot(x - big, y - big) > big] = OUTSIDE
    return classes


def card(path: Path, rule: str, samples: int, seed: int, shape: list[int]) -> Path:
    """A card with one synthetic part."""
    classes = '["yin", "yang", "dot"]' if rule == "yin-yang" else '["one", "other"]'
    path.write_text(
        'kind = "dataset"\nname = "Mine"\nsummary = "s"\nreference = "r"\nlicence = "CC0"\nformat = "synthetic"\n'
        f'generator = "{rule}"\nclasses = {classes}\nshape = {shape}\n'
        f"[splits.train]\nsamples = {samples}\nseed = {seed}\n",
        encoding="utf-8",
    )
    return path


def parts() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All points of yin-yang, in both parts, and their labels."""
    both = [datasets.load("yin-yang", split) for split in ("train", "test")]
    return np.concatenate([samples.values for samples in both]), np.concatenate([samples.labels for samples in both])


# The figure --------------------------------------------------------------------------------------------------------


def test_every_grid_point_has_the_class_of_the_definition() -> None:
    assert np.array_equal(yin_yang_class(X, Y), by_definition(X / 255, Y / 255))


@pytest.mark.parametrize("other", [by_definition(1 - X / 255, Y / 255), by_definition(X / 255, Y / 255, small=0.11)])
def test_a_mirrored_figure_and_one_with_larger_dots_differ(other: NDArray[np.int64]) -> None:
    """Negative control."""
    assert np.mean(yin_yang_class(X, Y) != other) > 0.01


@pytest.mark.parametrize("kind", [YIN, YANG, DOT, OUTSIDE])
def test_each_class_has_its_area(kind: int) -> None:
    """Misclassified grid squares intersect the boundary, so they are within half a diagonal of it."""
    width = math.sqrt(2) / 255
    # with 256 points, the squares extend beyond the unit square by half a side
    area = np.mean(yin_yang_class(X, Y) == kind) * (256 / 255) ** 2
    assert abs(area - AREAS[kind]) < EDGES[kind] * width + math.pi * width**2


def test_a_rotation_by_180_degrees_exchanges_yin_and_yang_and_keeps_the_dots() -> None:
    classes, rotated = yin_yang_class(X, Y), yin_yang_class(255 - X, 255 - Y)
    for kind, other in ((YIN, YANG), (YANG, YIN), (DOT, DOT), (OUTSIDE, OUTSIDE)):
        assert np.array_equal(classes == kind, rotated == other)
    # negative control: a rotation by 90 degrees does not
    assert not np.array_equal(classes == YIN, yin_yang_class(255 - Y, X) == YANG)


def test_no_boundary_passes_through_a_grid_point() -> None:
    """In integers, in units of 1 / 1020: so the definition's choice of < or <= does not matter."""
    across, up = 4 * X - 510, 4 * Y - 510
    for centre, radii in ((-255, (102, 255)), (255, (102, 255)), (0, (510,))):
        for radius in radii:
            assert not np.any((across - centre) ** 2 + up**2 == radius**2)
    assert not np.any(up == 0)


# Samples of yin-yang-------------------------------------------------------------------------------------------------


def test_samples_are_points_of_the_disc_and_their_complements_with_the_label_of_the_definition() -> None:
    values, labels = parts()
    x, y = values[:, 0] / 255, values[:, 1] / 255
    assert np.array_equal(values[:, 2:].astype(int), 255 - values[:, :2].astype(int))
    assert np.all(np.hypot(x - 0.5, y - 0.5) < 0.5)
    assert np.array_equal(labels, by_definition(x, y))


@pytest.mark.parametrize("split", ["train", "test"])
def test_classes_are_equally_frequent(split: str) -> None:
    samples = datasets.load("yin-yang", split)
    counts = np.bincount(samples.labels, minlength=3)
    assert counts.max() - counts.min() <= 1 and counts.sum() == len(samples)
    assert (samples.classes, samples.peak, samples.values.dtype) == (("yin", "yang", "dot"), 255, np.uint8)


def test_both_dots_have_equally_many_points() -> None:
    """By the exact binomial test."""
    values, labels = parts()
    right = values[labels == DOT, 0] > 127
    assert binomtest(int(right.sum()), len(right), 0.5).pvalue > RARE


def uniformity(x: NDArray[np.uint8], y: NDArray[np.uint8], kind: int) -> float:
    """The p-value of Pearson's test that points are uniform over all grid points of a class.

    Cells are squares of 16 x 16; cells with fewer than five expected points are merged.
    """
    cells = yin_yang_class(X, Y) == kind
    expected = np.bincount((X // 16 * 16 + Y // 16)[cells], minlength=256) / cells.sum() * len(x)
    observed = np.bincount(x // 16 * 16 + y // 16, minlength=256)
    small = expected < 5
    return float(
        chisquare([*observed[~small], observed[small].sum()], [*expected[~small], expected[small].sum()]).pvalue
    )


@pytest.mark.parametrize("kind", [YIN, YANG, DOT])
def test_points_are_uniform_within_a_class(kind: int) -> None:
    values, labels = parts()
    x, y = values[labels == kind, :2].T
    assert uniformity(x, y, kind) > RARE


def test_points_sampled_by_angle_and_radius_are_not_uniform() -> None:
    """Negative control: their density is highest at the centres of the dots."""
    rng = np.random.default_rng(5)
    radius, angle = rng.uniform(0, 0.1, 2000), rng.uniform(0, 2 * math.pi, 2000)
    x = 255 * (rng.choice([0.25, 0.75], 2000) + radius * np.cos(angle))
    x, y = np.rint(x).astype(np.uint8), np.rint(255 * (0.5 + radius * np.sin(angle))).astype(np.uint8)
    inside = yin_yang_class(x, y) == DOT
    assert uniformity(x[inside], y[inside], DOT) < RARE


def test_a_linear_classifier_reaches_the_published_accuracy_and_nearest_neighbours_exceed_it() -> None:
    """The authors report 64.3 % for a shallow network; 1,000 test points have a standard error of 1.5 %."""
    train, test = datasets.load("yin-yang", "train"), datasets.load("yin-yang", "test")
    shallow = LogisticRegression(C=1e4, max_iter=2000).fit(train.values / 255, train.labels)
    assert shallow.score(test.values / 255, test.labels) == pytest.approx(0.643, abs=0.06)
    assert KNeighborsClassifier(5).fit(train.values, train.labels).score(test.values, test.labels) > 0.95


# Noise -------------------------------------------------------------------------------------------------------------


def test_noise_has_the_moments_of_the_uniform_distribution() -> None:
    """The mean of n numbers has variance m2 / n, the variance (m4 - m2^2) / n; five standard errors, 6e-7."""
    values = np.concatenate([datasets.load("noise", split).values for split in ("train", "test")]).astype(float)
    m2, m4 = (256**2 - 1) / 12, (256**2 - 1) * (3 * 256**2 - 7) / 240
    centred = values - 127.5
    assert abs(centred.mean()) < 5 * math.sqrt(m2 / centred.size)
    assert abs((centred**2).mean() - m2) < 5 * math.sqrt((m4 - m2**2) / centred.size)
    assert chisquare(np.bincount(values.astype(int).ravel(), minlength=256)).pvalue > RARE


def test_the_numbers_of_a_pattern_are_independent() -> None:
    """A correlation of n pairs has standard error 1 / sqrt(n); none of 435 pairs of columns exceeds six."""
    values = datasets.load("noise", "train").values.astype(float)
    between = np.corrcoef(values.T)[np.triu_indices(30, 1)]
    assert np.abs(between).max() < 6 / math.sqrt(len(values))


def test_all_samples_of_noise_are_of_the_first_class() -> None:
    for split, count in (("train", 10_000), ("test", 1_000)):
        samples = datasets.load("noise", split)
        assert samples.values.shape == (count, 30) and samples.peak == 255
        assert set(samples.labels.tolist()) == {0} and samples.classes == ("met", "missed")


def test_numbers_are_the_words_of_pcg64_in_little_endian_order(tmp_path: Path) -> None:
    """O'Neill 2014: a linear congruential step of 128 bits, whose halves are xored and rotated by the top six bits."""
    path = card(tmp_path / "mine.toml", "uniform", 7, 3, [8])
    state, step = (np.random.PCG64(3).state["state"][key] for key in ("state", "inc"))
    for row in datasets.load(path, "train").values:
        state = (state * 0x2360ED051FC65DA44385DF649FCCF645 + step) % 2**128
        word, turn = (state >> 64) ^ (state % 2**64), state >> 122
        word = (word >> turn | word << (64 - turn)) % 2**64
        assert bytes(row.tolist()) == word.to_bytes(8, "little")


# Seeds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["yin-yang", "noise"])
def test_a_part_is_reproducible_and_differs_from_the_other_part(name: str) -> None:
    first, again, test = (datasets.load(name, split) for split in ("train", "train", "test"))
    assert first.fingerprint() == again.fingerprint() and np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.values[: len(test)], test.values)


@settings(max_examples=examples(40))
@given(
    rule=st.sampled_from(["yin-yang", "uniform"]),
    few=st.integers(0, 300),
    more=st.integers(0, 3000),
    seed=st.integers(0, 2**70),
)
def test_a_smaller_part_is_the_start_of_a_larger_one(
    tmp_path_factory: pytest.TempPathFactory, rule: str, few: int, more: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("synthetic")
    cards = [card(folder / f"{count}.toml", rule, count, seed, [4]) for count in (few, few + more)]
    short, long = (datasets.load(path, "train") for path in cards)
    assert (len(short), len(long), short.values.shape) == (few, few + more, (few, 4))
    assert np.array_equal(short.values, long.values[:few]) and np.array_equal(short.labels, long.labels[:few])
    if rule == "yin-yang":
        assert np.array_equal(long.labels, by_definition(*(long.values[:, :2] / 255).T))


def test_another_seed_gives_other_samples(tmp_path: Path) -> None:
    """Negative control."""
    for rule in ("yin-yang", "uniform"):
        first, second = (card(tmp_path / f"{seed}.toml", rule, 9, seed, [4]) for seed in (1, 2))
        assert datasets.load(first, "train").fingerprint() != datasets.load(second, "train").fingerprint()


def test_noise_has_the_shape_on_the_card(tmp_path: Path) -> None:
    samples = datasets.load(card(tmp_path / "mine.toml", "uniform", 5, 1, [3, 2]), "train")
    assert samples.shape == (3, 2) and samples.values.shape == (5, 6) and samples.numbers.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="read-only"):
        samples.values[0, 0] = 1


# Cards -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["yin-yang", "noise"])
def test_synthetic_datasets_have_no_files(name: str, tmp_path: Path) -> None:
    assert datasets.locate(name) == datasets.verify(name) == datasets.fetch(name, folder=tmp_path / "data") == ()
    assert not (tmp_path / "data").exists()


def test_invalid_parts_and_sizes_raise_an_error(tmp_path: Path) -> None:
    with raises_input_error("yin-yang.toml: splits", "tset", "test"):
        datasets.load("yin-yang", "tset")
    too_large = card(tmp_path / "mine.toml", "uniform", 1 << 40, 1, [4])
    with raises_input_error("mine.toml: splits.train: samples", 1099511627776, "67,108,864"):
        datasets.load(too_large, "train")
