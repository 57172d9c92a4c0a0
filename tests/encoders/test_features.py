"""Fixed kernels and a layer of cells: spikes equal those of Brian2, and maps respond to their strokes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from grey import check_encoder, grey

from snnlab.brian import simulate
from snnlab.encoders import Current, Features
from snnlab.encoders.features import kernels
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.spike_time.normad import NormAD
from snnlab.rules.spike_time.target_trains import RegularTrains
from snnlab.training.augmentation import Elastic
from snnlab.training.config import TrainingConfig

SHORT = Features(steps=300, cached=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # keeps compiled kernels


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_features_is_an_encoder(cached: bool) -> None:
    check_encoder(Features(steps=200, cached=cached))


def test_the_kernels_equal_those_of_the_paper() -> None:
    """Twelve kernels with three weights of 2.5 and six of -1.5; rotations give the same twelve."""
    distinct = {kernel.tobytes() for kernel in np.moveaxis(kernels(), -1, 0)}
    assert kernels().shape == (3, 3, 12) and len(distinct) == 12
    assert ((kernels() == 2.5).sum(axis=(0, 1)) == 3).all() and ((kernels() == -1.5).sum(axis=(0, 1)) == 6).all()
    for turns in (1, 2, 3):
        rotated = np.moveaxis(np.rot90(kernels(), turns), -1, 0)
        assert {np.ascontiguousarray(kernel).tobytes() for kernel in rotated} == distinct


@pytest.mark.slow
def test_spikes_equal_those_of_brian() -> None:
    """For random images of 5 x 6, in float64."""
    values = np.random.default_rng(1).integers(0, 256, (3, 5, 6))
    batch = grey(values * (np.random.default_rng(2).random(values.shape) < 0.6))
    spikes = SHORT.encode(SHORT.prepare(batch), seed=0)
    pixels = Current(300, 1e-4, "lif_normad", "soma", "2.7 nA", "28.506 nA").encode(batch, seed=0)
    for number in range(3):
        inputs = {"pixels": pixels.sample(number)}
        brian = simulate(SHORT.circuit((5, 6)), inputs, 300 * 1e-4).spikes["features"]
        assert spikes.sample(number) == brian
        assert len(brian) > 20


def test_without_inhibition_more_features_fire() -> None:
    """Negative control of the test above: the weights of -1.5 matter."""
    batch = grey(np.random.default_rng(1).integers(0, 256, (1, 5, 6)))
    circuit = SHORT.circuit((5, 6))
    pixels = Current(300, 1e-4, "lif_normad", "soma", "2.7 nA", "28.506 nA").encode(batch, seed=0)
    (projection,) = circuit.projections
    excitatory = circuit.with_weights({projection.name: np.maximum(kernels() * 5e-9, 0)[:, :, None]})
    brian = simulate(excitatory, {"pixels": pixels.sample(0)}, 300 * 1e-4).spikes["features"]
    assert len(brian) > len(SHORT.encode(batch, seed=0))


@pytest.mark.parametrize(("rotated", "fires", "silent"), [(False, 1, 0), (True, 0, 1)])
def test_the_map_of_a_stroke_responds_to_it(rotated: bool, fires: int, silent: int) -> None:
    """The map of horizontal strokes responds to a horizontal line, and the map of vertical strokes does not."""
    image = np.zeros((9, 9), dtype=np.uint8)
    image[4] = 255
    batch = grey([image.T if rotated else image])
    counts = SHORT.encode(SHORT.prepare(batch), seed=0).counts().reshape(7, 7, 12)
    assert counts[3, 3].argmax() == fires and counts[3, 3, fires] >= 5
    assert counts[3, 3, silent] == 0


def test_single_precision_changes_few_spikes() -> None:
    """The spike counts of nine in ten active features are the same."""
    batch = grey(np.random.default_rng(3).integers(0, 256, (4, 12, 12)))
    single = Features(steps=300, cached=False, precision="float32").encode(batch, seed=0).counts()
    double = SHORT.encode(batch, seed=0).counts()
    active = (single + double) > 0
    assert active.sum() > 200 and (single == double)[active].mean() > 0.9


def test_augmentation_distorts_the_images_and_not_their_features() -> None:
    batch = grey(np.random.default_rng(5).integers(0, 256, (2, 8, 9)))
    layers = FeedForward("lif_normad", (), (20e-3,), synapse="double_exponential_current")
    config = TrainingConfig(
        NormAD(RegularTrains()), layers.circuit((1,), 1, 1e-4), SHORT, SHORT.prepare(batch), SHORT.prepare(batch),
        1, 1, 0, augment=Elastic(scale=0.2, rotation=20.0),
    )  # fmt: skip
    distorted = config.augmented(config.train, 3)
    expected = Elastic(scale=0.2, rotation=20.0).distort(batch.values, (8, 9), batch.numbers, seed=0, epoch=3)
    assert np.array_equal(distorted.values, expected) and not np.array_equal(distorted.values, batch.values)
    assert SHORT.encode(distorted, seed=0).size == 6 * 7 * 12


def test_black_images_are_silent() -> None:
    assert not len(SHORT.encode(SHORT.prepare(grey(np.zeros((2, 5, 5)))), seed=0))


def test_cached_spikes_equal_those_encoded_directly() -> None:
    batch = grey(np.random.default_rng(4).integers(0, 256, (3, 6, 6)))
    cached = Features(steps=300)
    assert cached.encode(cached.prepare(batch), seed=0) == SHORT.encode(SHORT.prepare(batch), seed=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cell", "no_such"),
        ("synapse", "no_such"),
        ("compartment", "dendrite"),
        ("low", "2 mV"),
        ("weight", "5 mV"),
    ],
)
def test_unknown_names_and_wrong_units_raise_an_error(field: str, value: str) -> None:
    with raises_input_error(f"Features.{field}", value):
        Features(**{field: value}).prepare(grey([[[0, 1, 2]] * 3]))


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("dt", 0.0), ("weight", "much"), ("precision", "float16")])
def test_values_out_of_range_raise_an_error(field: str, value: Any) -> None:
    with raises_input_error(f"Features.{field}", value):
        Features(**{field: value})


@pytest.mark.parametrize("shape", [(2, 9), (9, 2), (9,), (9, 9, 3)])
def test_images_smaller_than_a_kernel_or_with_colours_raise_an_error(shape: tuple[int, ...]) -> None:
    with raises_input_error("encode: samples", "3 x 3"):
        SHORT.prepare(grey(np.zeros((1, *shape))))


def test_cached_spikes_of_other_options_raise_an_error() -> None:
    batch = grey(np.zeros((1, 5, 5)))
    with raises_input_error("encode: samples", "other options"):
        Features(steps=200, weight="6 nA").encode(Features(steps=200).prepare(batch), seed=0)
    with raises_input_error("encode: samples", "grey-features", "spikes"):
        SHORT.prepare(Features(steps=300).prepare(batch))
