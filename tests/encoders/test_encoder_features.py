"""Fixed kernels before a layer of cells: what fires is what Brian2 says, and the maps that look for a stroke."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grey import check_encoder, grey

from snnlab.brian import simulate
from snnlab.encoders import Current, Features
from snnlab.encoders.features import kernels
from snnlab.errors import InputError
from snnlab.networks.feedforward import FeedForward
from snnlab.rules.spike_time.normad import NormAD
from snnlab.rules.spike_time.target_trains import RegularTrains
from snnlab.training.augmentation import Elastic
from snnlab.training.loop import TrainingConfig

SHORT = Features(steps=300, cached=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # kernels stay compiled


@pytest.mark.parametrize("cached", [True, False])
def test_features_is_an_encoder(cached: bool) -> None:
    check_encoder(Features(steps=200, cached=cached))


def test_the_kernels_are_those_of_the_paper() -> None:
    """Twelve, of three excitatory taps of 2.5 and six inhibitory ones of -1.5, and the same twelve when turned."""
    found = {one.tobytes() for one in np.moveaxis(kernels(), -1, 0)}
    assert kernels().shape == (3, 3, 12) and len(found) == 12
    assert ((kernels() == 2.5).sum(axis=(0, 1)) == 3).all() and ((kernels() == -1.5).sum(axis=(0, 1)) == 6).all()
    for turns in (1, 2, 3):
        turned = np.moveaxis(np.rot90(kernels(), turns), -1, 0)
        assert {np.ascontiguousarray(one).tobytes() for one in turned} == found


def test_features_fire_as_in_brian() -> None:
    """Pixels and features of random images of 5 x 6, by Brian2: the same spikes in float64, not one step off."""
    values = np.random.default_rng(1).integers(0, 256, (3, 5, 6))
    batch = grey(values * (np.random.default_rng(2).random(values.shape) < 0.6))
    found = SHORT.encode(SHORT.prepare(batch), seed=0)
    pixels = Current(300, 1e-4, "lif_normad", "soma", "2.7 nA", "28.506 nA").encode(batch, seed=0)
    for number in range(3):
        given = pixels.sample(number)
        brian = simulate(SHORT.circuit((5, 6)), {"pixels": given}, 300 * 1e-4).spikes["features"]
        assert found.sample(number) == brian
        assert len(brian) > 20


def test_without_inhibition_other_features_fire() -> None:
    """A negative control of the test above: the taps of -1.5 matter."""
    batch = grey(np.random.default_rng(1).integers(0, 256, (1, 5, 6)))
    circuit = SHORT.circuit((5, 6))
    pixels = Current(300, 1e-4, "lif_normad", "soma", "2.7 nA", "28.506 nA").encode(batch, seed=0)
    (projection,) = circuit.projections
    excited = circuit.with_weights({projection.name: np.maximum(kernels() * 5e-9, 0)[:, :, None]})
    brian = simulate(excited, {"pixels": pixels.sample(0)}, 300 * 1e-4).spikes["features"]
    assert len(brian) > len(SHORT.encode(batch, seed=0))


@pytest.mark.parametrize(("turned", "fires", "silent"), [(False, 1, 0), (True, 0, 1)])
def test_the_map_of_a_stroke_fires_along_it(turned: bool, fires: int, silent: int) -> None:
    """A horizontal line one pixel wide is heard in the middle by the map of horizontal strokes, not the vertical."""
    image = np.zeros((9, 9), dtype=np.uint8)
    image[4] = 255
    batch = grey([image.T if turned else image])
    counts = SHORT.encode(SHORT.prepare(batch), seed=0).counts().reshape(7, 7, 12)
    assert counts[3, 3].argmax() == fires and counts[3, 3, fires] >= 5
    assert counts[3, 3, silent] == 0


def test_single_precision_moves_few_spikes() -> None:
    """By a step, rarely; counts of nine in ten features that fire at all are the same."""
    batch = grey(np.random.default_rng(3).integers(0, 256, (4, 12, 12)))
    single = Features(steps=300, cached=False, precision="float32").encode(batch, seed=0).counts()
    double = SHORT.encode(batch, seed=0).counts()
    active = (single + double) > 0
    assert active.sum() > 200 and (single == double)[active].mean() > 0.9


def test_images_distorted_anew_are_distorted_as_images() -> None:
    """And not as the features that will stand for them."""
    batch = grey(np.random.default_rng(5).integers(0, 256, (2, 8, 9)))
    layers = FeedForward("lif_normad", (), (20e-3,), synapse="double_exponential_current")
    trial = TrainingConfig(
        NormAD(RegularTrains()), layers.circuit((1,), 1, 1e-4), SHORT, SHORT.prepare(batch), SHORT.prepare(batch),
        1, 1, 0,
        augment=Elastic(scale=0.2, rotation=20.0),
    )  # fmt: skip
    seen = trial.augmented(trial.train, 3)
    expected = Elastic(scale=0.2, rotation=20.0).distort(batch.values, (8, 9), batch.numbers, seed=0, epoch=3)
    assert np.array_equal(seen.values, expected) and not np.array_equal(seen.values, batch.values)
    assert SHORT.encode(seen, seed=0).size == 6 * 7 * 12


def test_black_images_are_silent() -> None:
    assert not len(SHORT.encode(SHORT.prepare(grey(np.zeros((2, 5, 5)))), seed=0))


def test_spikes_that_are_kept_are_those_that_are_not() -> None:
    batch = grey(np.random.default_rng(4).integers(0, 256, (3, 6, 6)))
    kept = Features(steps=300)
    assert kept.encode(kept.prepare(batch), seed=0) == SHORT.encode(SHORT.prepare(batch), seed=0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cell": "no_such"}, "^Features.cell: models: no card 'no_such'; known: "),
        ({"synapse": "no_such"}, "^Features.synapse: models: no card 'no_such'"),
        ({"compartment": "dendrite"}, "^Features.compartment: no compartment 'dendrite' on models/lif_normad.toml"),
        ({"low": "2 mV"}, "^Features.low: found '2 mV'; needs a value in amp"),
        ({"weight": "5 mV"}, "^Features.weight: found '5 mV'; needs a value in amp"),
    ],
)
def test_what_is_not_on_the_cards_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Features(**options).prepare(grey([[[0, 1, 2]] * 3]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "^Features.steps: found 0"),
        ({"dt": 0.0}, "^Features.dt: found 0.0"),
        ({"weight": "much"}, "^Features.weight: 'much' is not a number"),
        ({"precision": "float16"}, "^Features.precision: found 'float16'"),
    ],
)
def test_values_that_make_no_code_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Features(**options)


@pytest.mark.parametrize("shape", [(2, 9), (9, 2), (9,), (9, 9, 3)])
def test_images_without_room_for_a_kernel_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"needs images of 3 x 3 pixels or more"):
        SHORT.prepare(grey(np.zeros((1, *shape))))


def test_spikes_of_other_options_are_refused() -> None:
    batch = grey(np.zeros((1, 5, 5)))
    with pytest.raises(InputError, match="of another encoder, or with other options"):
        Features(steps=200, weight="6 nA").encode(Features(steps=200).prepare(batch), seed=0)
    with pytest.raises(InputError, match="grey-features has spikes"):
        SHORT.prepare(Features(steps=300).prepare(batch))
