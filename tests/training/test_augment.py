"""Distorted images: what is done to them, by definition and by statistics, and what it depends on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import convolve, shift

from snnlab.errors import InputError
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
    """Numbers to be drawn instead of random ones: for rows, columns and angle; displacements are left out."""
    wanted = {"rows": 0.0, "columns": 0.0, "angle": 0.0}

    def draw(indices: np.ndarray, count: int, seed: int, epoch: int) -> np.ndarray:
        return np.tile(np.float32([*wanted.values(), *[0.0] * (count - 3)]), (len(indices), 1))

    monkeypatch.setattr(augmentation, "_drawn", draw)
    return wanted


# What is done -----------------------------------------------------------------------------------------------------


def test_without_strength_images_stay_what_they_are(drawn: dict[str, float]) -> None:
    values = images(3)
    assert Elastic().idle and distorted(Elastic(), values) is values
    assert np.array_equal(distorted(PUBLISHED, values), values)  # nothing drawn: the whole machinery moves nothing
    assert not PUBLISHED.idle


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_by_90_degrees_rows_become_columns(sign: float, drawn: dict[str, float]) -> None:
    values = images(2)
    drawn["angle"] = sign
    found = distorted(Elastic(rotation=90.0), values).reshape(2, 28, 28)
    assert np.array_equal(found, np.rot90(values.reshape(2, 28, 28), sign, axes=(1, 2)))


def test_rows_and_columns_are_enlarged_each_by_its_own_factor(drawn: dict[str, float]) -> None:
    """A bar of 8 rows and 4 columns, its edges found where half of the brightness is reached."""
    image = np.zeros(SHAPE, dtype=np.uint8)
    image[10:18, 12:16] = 255
    drawn |= {"rows": 1.0, "columns": -1.0}
    found = distorted(Elastic(scale=0.5), image.reshape(1, -1)).reshape(SHAPE) / 255
    assert found[:, 13:15].sum() / 2 == pytest.approx(12, abs=0.3)
    assert found[13:15].sum() / 2 == pytest.approx(2, abs=0.3)
    assert np.allclose(found, found[::-1, ::-1], atol=0.01)


def test_displacements_are_uniform_numbers_under_a_gaussian_of_21_by_21() -> None:
    """Against the double sum that the authors' code writes out, on the same random numbers."""
    random = augmentation._drawn(numbers(2), 3 + 2 * 784, 1, 1)
    still = random.copy()
    still[:, :3] = 0
    rows, columns = PUBLISHED._sources(SHAPE, still)
    y, x = np.mgrid[-10:11, -10:11]
    kernel = np.exp(-(y**2 + x**2) / 32) / (2 * np.pi * 4)
    for sample, (down, right) in enumerate(random[:, 3:].reshape(2, 2, 28, 28)):
        for found, uniform, at_rest in ((rows, down, np.mgrid[:28, :28][0]), (columns, right, np.mgrid[:28, :28][1])):
            moved = 3.4 * convolve(uniform, kernel, mode="constant")
            assert np.allclose(found[sample], at_rest + moved, atol=1e-4)


def test_displacements_have_the_standard_deviation_that_is_stated() -> None:
    random = augmentation._drawn(numbers(400), 3 + 2 * 784, 7, 1)
    random[:, :3] = 0
    rows, columns = PUBLISHED._sources(SHAPE, random)
    middle = (np.stack([rows, columns]) - np.mgrid[:28, :28][:, None])[:, :, 12:16, 12:16]
    assert middle.std() == pytest.approx(3.4 / np.sqrt(12 * np.pi), rel=0.05)
    assert abs(middle.mean()) < 0.05
    assert abs(np.corrcoef(middle[0].ravel(), middle[1].ravel())[0, 1]) < 0.1


def test_what_is_drawn_is_uniform_and_independent_from_sample_to_sample() -> None:
    random = augmentation._drawn(numbers(2000), 6, 3, 1)
    for column in random.T:
        assert stats.kstest(column, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(random.T) - np.eye(6)).max() < 0.1
    assert abs(np.corrcoef(random[1:, 0], random[:-1, 1])[0, 1]) < 0.1


def test_a_picture_is_moved_the_way_its_pixels_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading every pixel 1.5 columns to the right moves the picture to the left, by SciPy's own shift."""
    monkeypatch.setattr(
        Elastic,
        "_sources",
        lambda self, shape, drawn: tuple(np.float32(np.mgrid[:28, :28][:, None] + [[[[0]]], [[[1.5]]]])),
    )
    values = images(1)
    expected = shift(values.reshape(SHAPE).astype(float), (0, -1.5), order=1, mode="grid-constant")
    assert np.allclose(distorted(PUBLISHED, values).reshape(SHAPE), expected, atol=0.5 + 1e-3)


# What it depends on -----------------------------------------------------------------------------------------------


def test_an_image_is_distorted_alike_in_every_batch() -> None:
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


def test_no_images_at_all_are_no_images() -> None:
    assert distorted(PUBLISHED, images(0)).shape == (0, 784)


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": 1.0}, "Elastic.scale: found 1.0; needs 0 to below 1"),
        ({"scale": -0.1}, "Elastic.scale"),
        ({"rotation": 181.0}, "Elastic.rotation: found 181.0; needs degrees, 0 to 180"),
        ({"displacement": float("nan")}, "Elastic.displacement: found nan"),
        ({"displacement": 1e38}, "Elastic.displacement: found 1e\\+38; needs 0 to 10000"),
        ({"sigma": 0.0}, "Elastic.sigma: found 0.0; needs pixels, 0.0001 to 10000"),
        ({"sigma": 1e-200}, "Elastic.sigma: found 1e-200"),
        ({"sigma": 1e200}, "Elastic.sigma: found 1e\\+200"),
    ],
)
def test_impossible_distortions_are_refused_by_name(options: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Elastic(**options)


@pytest.mark.parametrize(
    ("values", "shape", "says"),
    [
        (images(2), (784,), r"augment: samples of shape \(784,\); needs images of rows and columns"),
        (images(2), (28, 28, 1), r"augment: samples of shape \(28, 28, 1\)"),
        (images(2), (28, 27), r"augment: values: uint8 \(2, 784\); needs uint8 \(2, 756\)"),
        (images(2).astype(float), SHAPE, "augment: values: float64"),
        (images(3), SHAPE, r"augment: values: uint8 \(3, 784\); needs uint8 \(2, 784\)"),
    ],
)
def test_what_is_no_image_is_refused(values: np.ndarray, shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        PUBLISHED.distort(values, shape, numbers(2), seed=1, epoch=1)
    Elastic().check(shape)


@pytest.mark.parametrize("sigma", [1e-4, 1e4])
@pytest.mark.parametrize("displacement", [1e-4, 1e4])
def test_the_wildest_distortions_allowed_are_images_still(sigma: float, displacement: float) -> None:
    found = distorted(Elastic(displacement=displacement, sigma=sigma), images(2))
    assert found.shape == images(2).shape


def test_seeds_and_epochs_that_cannot_be_counted_are_refused() -> None:
    with pytest.raises(InputError, match="augment: seed: found -1"):
        distorted(PUBLISHED, images(1), seed=-1)
    with pytest.raises(InputError, match="augment: epoch: found 4294967296"):
        distorted(PUBLISHED, images(1), epoch=1 << 32)
