"""Distorted images: what is done to them, by definition and by statistics, and what it depends on."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from scipy import stats
from scipy.ndimage import convolve, shift

from snnlab.training import augmentation
from snnlab.training.augmentation import Elastic

SHAPE = (28, 28)
PUBLISHED = Elastic(scale=0.12, rotation=12.0, displacement=3.4)


def images(count: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, shape[0] * shape[1]), dtype=np.uint8)


def numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64)


def distorted(elastic: Elastic, values: np.ndarray, *, seed: int = 1, epoch: int = 1) -> np.ndarray:
    return elastic.distort(values, SHAPE, numbers(len(values)), seed=seed, epoch=epoch)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Values in place of random numbers for rows, columns and angle; displacements are 0."""
    values = {"rows": 0.0, "columns": 0.0, "angle": 0.0}

    def draw(indices: np.ndarray, count: int, seed: int, epoch: int) -> np.ndarray:
        return np.tile(np.float32([*values.values(), *[0.0] * (count - 3)]), (len(indices), 1))

    monkeypatch.setattr(augmentation, "random_numbers", draw)
    return values


# Distortions ------------------------------------------------------------------------------------------------------


def test_strengths_of_0_do_not_change_images(drawn: dict[str, float]) -> None:
    values = images(3)
    assert Elastic().idle and distorted(Elastic(), values) is values
    assert np.array_equal(distorted(PUBLISHED, values), values)  # all random numbers are 0
    assert not PUBLISHED.idle


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rotation_by_90_degrees_swaps_rows_and_columns(sign: float, drawn: dict[str, float]) -> None:
    values = images(2)
    drawn["angle"] = sign
    found = distorted(Elastic(rotation=90.0), values).reshape(2, 28, 28)
    assert np.array_equal(found, np.rot90(values.reshape(2, 28, 28), sign, axes=(1, 2)))


def test_rows_and_columns_are_scaled_independently(drawn: dict[str, float]) -> None:
    """A bar of 8 rows and 4 columns; its edges are at half of the brightness."""
    image = np.zeros(SHAPE, dtype=np.uint8)
    image[10:18, 12:16] = 255
    drawn |= {"rows": 1.0, "columns": -1.0}
    found = distorted(Elastic(scale=0.5), image.reshape(1, -1)).reshape(SHAPE) / 255
    assert found[:, 13:15].sum() / 2 == pytest.approx(12, abs=0.3)
    assert found[13:15].sum() / 2 == pytest.approx(2, abs=0.3)
    assert np.allclose(found, found[::-1, ::-1], atol=0.01)


def test_displacements_are_uniform_numbers_smoothed_by_a_gaussian_of_21_by_21() -> None:
    """Against the double sum that the authors' code writes out, on the same random numbers."""
    random = augmentation.random_numbers(numbers(2), 3 + 2 * 784, 1, 1)
    still = random.copy()
    still[:, :3] = 0
    rows, columns = PUBLISHED._sources(SHAPE, still)
    y, x = np.mgrid[-10:11, -10:11]
    kernel = np.exp(-(y**2 + x**2) / 32) / (2 * np.pi * 4)
    for sample, (down, right) in enumerate(random[:, 3:].reshape(2, 2, 28, 28)):
        for found, uniform, at_rest in ((rows, down, np.mgrid[:28, :28][0]), (columns, right, np.mgrid[:28, :28][1])):
            moved = 3.4 * convolve(uniform, kernel, mode="constant")
            assert np.allclose(found[sample], at_rest + moved, atol=1e-4)


def test_displacements_have_the_documented_standard_deviation() -> None:
    random = augmentation.random_numbers(numbers(400), 3 + 2 * 784, 7, 1)
    random[:, :3] = 0
    rows, columns = PUBLISHED._sources(SHAPE, random)
    middle = (np.stack([rows, columns]) - np.mgrid[:28, :28][:, None])[:, :, 12:16, 12:16]
    assert middle.std() == pytest.approx(3.4 / np.sqrt(12 * np.pi), rel=0.05)
    assert abs(middle.mean()) < 0.05
    assert abs(np.corrcoef(middle[0].ravel(), middle[1].ravel())[0, 1]) < 0.1


def test_random_numbers_are_uniform_and_independent_between_samples() -> None:
    random = augmentation.random_numbers(numbers(2000), 6, 3, 1)
    for column in random.T:
        assert stats.kstest(column, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(random.T) - np.eye(6)).max() < 0.1
    assert abs(np.corrcoef(random[1:, 0], random[:-1, 1])[0, 1]) < 0.1


def test_the_image_is_displaced_in_the_right_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading every pixel 1.5 columns to the right shifts the image to the left, as SciPy's shift does."""
    monkeypatch.setattr(
        Elastic,
        "_sources",
        lambda self, shape, drawn: tuple(np.float32(np.mgrid[:28, :28][:, None] + [[[[0]]], [[[1.5]]]])),
    )
    values = images(1)
    expected = shift(values.reshape(SHAPE).astype(float), (0, -1.5), order=1, mode="grid-constant")
    assert np.allclose(distorted(PUBLISHED, values).reshape(SHAPE), expected, atol=0.5 + 1e-3)


# Random numbers --------------------------------------------------------------------------------------------------


def test_a_distortion_does_not_depend_on_the_batch() -> None:
    values, which = images(9), np.array([8, 2, 5])
    whole = distorted(PUBLISHED, values)
    some = PUBLISHED.distort(values[which], SHAPE, which, seed=1, epoch=1)
    assert np.array_equal(some, whole[which])
    assert not np.array_equal(whole, values)


def test_every_sample_epoch_and_seed_has_its_own_distortion() -> None:
    values = np.repeat(images(1), 3, axis=0)
    found = [
        *distorted(PUBLISHED, values),
        *distorted(PUBLISHED, values, epoch=2),
        *distorted(PUBLISHED, values, seed=2),
    ]
    assert len({one.tobytes() for one in found}) == 9
    assert np.array_equal(distorted(PUBLISHED, values), found[:3])


def test_images_need_not_be_square() -> None:
    values = images(2, (12, 20))
    found = PUBLISHED.distort(values, (12, 20), numbers(2), seed=1, epoch=1)
    assert found.shape == values.shape and found.dtype == np.uint8 and not np.array_equal(found, values)


def test_an_empty_batch_stays_empty() -> None:
    assert distorted(PUBLISHED, images(0)).shape == (0, 784)


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", 1.0), ("scale", -0.1), ("rotation", 181.0), ("displacement", float("nan")), ("displacement", 1e38),
        ("sigma", 0.0), ("sigma", 1e-200), ("sigma", 1e200),
    ],
)  # fmt: skip
def test_invalid_options_are_refused_by_field(name: str, value: float) -> None:
    with raises_input_error(f"Elastic.{name}", value):
        Elastic(**{name: value})


@pytest.mark.parametrize(
    ("values", "shape", "field", "value"),
    [
        (images(2), (784,), "augment", "(784,)"),
        (images(2), (28, 28, 1), "augment", "(28, 28, 1)"),
        (images(2), (28, 27), "augment: values", "(2, 756)"),
        (images(2).astype(float), SHAPE, "augment: values", "float64"),
        (images(3), SHAPE, "augment: values", "(3, 784)"),
    ],
)
def test_values_that_are_no_images_are_refused(
    values: np.ndarray, shape: tuple[int, ...], field: str, value: str
) -> None:
    with raises_input_error(field, value):
        PUBLISHED.distort(values, shape, numbers(2), seed=1, epoch=1)
    Elastic().check(shape)


@pytest.mark.parametrize("sigma", [1e-4, 1e4])
@pytest.mark.parametrize("displacement", [1e-4, 1e4])
def test_the_strongest_allowed_distortions_give_images(sigma: float, displacement: float) -> None:
    found = distorted(Elastic(displacement=displacement, sigma=sigma), images(2))
    assert found.shape == images(2).shape


def test_seeds_and_epochs_out_of_range_are_refused() -> None:
    with raises_input_error("augment: seed", -1):
        distorted(PUBLISHED, images(1), seed=-1)
    with raises_input_error("augment: epoch", 1 << 32):
        distorted(PUBLISHED, images(1), epoch=1 << 32)
