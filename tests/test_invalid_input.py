"""Invalid input raises an InputError that names it, or is handled correctly; nothing crashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from numpy.typing import NDArray

from snnlab import cards, engine
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import Poisson
from snnlab.estimator import SpikingClassifier
from snnlab.networks.circuit import Circuit, Population, Projection, Source
from snnlab.networks.feedforward import feedforward
from snnlab.networks.weights import Convolution, Pooling
from snnlab.rules.rule import Batch, State
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.training.config import TrainingConfig
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import initial_state, train
from snnlab.training.run_directory import RunDirectory

CARD = cards.cell("lif_exp_euler")
STEPS, CLASSES = 30, 3


def refused(work: Callable[[], Any], field: str, *values: str) -> None:
    """Expect an error of this field, in one line that names these values."""
    with raises_input_error(field, *values) as caught:
        work()
    assert "\n" not in str(caught.value)


def chain(inputs: int = 4, classes: int = CLASSES) -> Circuit:
    layers = [Population(name, CARD, size, {"v_th": 1.0}) for name, size in (("hidden1", 5), ("output", classes))]
    return feedforward(Source("input", inputs), layers, "synapse", "1 ms")


def noise(samples: int, neurons: int = 4) -> SpikeTrains:
    return SpikeTrains.from_dense(np.random.default_rng(1).random((samples, STEPS, neurons)) < 0.3, 1e-3)


def silence(samples: int, neurons: int = 4) -> SpikeTrains:
    return SpikeTrains.from_dense(np.zeros((samples, STEPS, neurons), dtype=bool), 1e-3)


def initial(circuit: Circuit) -> State:
    return HM2BP().init(circuit, np.random.default_rng(0))


def step(inputs: SpikeTrains, labels: Any, circuit: Circuit | None = None) -> State:
    circuit = circuit or chain()
    state, _ = HM2BP().step(circuit, initial(circuit), Batch(inputs, np.asarray(labels)))
    return state


def encode(values: NDArray[Any], numbers: Any = (0, 1)) -> SpikeTrains:
    given = replace(samples(), values=values, numbers=np.asarray(numbers))
    return Poisson(steps=STEPS).encode(given, seed=0)


def samples(values: Any = None, labels: Any = (0, 1, 2, 0)) -> Images:
    """Four samples of four features, or others."""
    given = np.arange(16, dtype=np.uint8).reshape(4, 4) * 15 if values is None else values
    numbers = np.arange(len(given), dtype=np.int64)
    return Images(
        values=given,
        peak=255,
        labels=np.asarray(labels, dtype=np.int64),
        numbers=numbers,
        shape=(2, 2),
        classes=("a", "b", "c"),
        dataset="toy",
        split="",
    )


def config(train: Images | None = None, test: Images | None = None, **more: Any) -> TrainingConfig:
    rest = {"epochs": 1, "batch": 2, "seed": 0, "threads": 1} | more
    parts = (samples() if part is None else part for part in (train, test))
    return TrainingConfig(HM2BP(), chain(), Poisson(steps=STEPS), *parts, **rest)


def trained(given: TrainingConfig, folder: Path) -> dict[str, float | int]:
    reports = list(train(given, RunDirectory.create(folder / "run", {})))
    row = reports[-1].row
    assert row is not None
    return row


# Shapes that do not fit ----------------------------------------------------------------------------------------------


def test_spikes_of_another_size_raise_an_error() -> None:
    refused(lambda: engine.run(chain(), {"input": noise(2, 5)}), "inputs of 'input'", "5 neurons", "4")
    refused(lambda: step(noise(2, 3), [0, 1]), "inputs of 'input'", "3 neurons", "4")


def test_weights_of_another_shape_raise_an_error() -> None:
    turned = {"input->hidden1.synapse": np.zeros((5, 4))}
    refused(lambda: chain().with_weights(turned), "input->hidden1", "(5, 4)", "(4, 5)")
    refused(lambda: chain().with_weights({"input->nose": np.zeros((4, 5))}), "", "'input->nose'")


@pytest.mark.slow
@pytest.mark.parametrize("labels", [[0], [0, 1, 2], [[0, 1]], [[0], [1]]])
def test_a_number_of_labels_other_than_of_samples_raises_an_error(labels: list[Any]) -> None:
    refused(lambda: step(noise(2), labels), "HM2-BP: batch", str(np.shape(labels)), "int64 (2,)")


def test_a_number_of_sample_numbers_other_than_of_samples_raises_an_error() -> None:
    refused(lambda: encode(np.ones((2, 4), np.uint8), [0, 1, 2]), "encode: numbers", "(3,)", "(2,)")


def test_images_that_are_not_rows_raise_an_error() -> None:
    refused(lambda: encode(np.ones((2, 2, 2), np.uint8)), "encode: values", "(2, 2, 2)", "(samples, features)")


@pytest.mark.parametrize("X", [np.ones(4), np.ones((4, 2, 2)), np.ones((0, 4)), np.ones((4, 0)), np.ones((3, 4))])
def test_the_classifier_rejects_invalid_shapes(X: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match=r"array|inconsistent") as refusal:
        SpikingClassifier().fit(X, [0, 1, 0, 1])
    assert str(refusal.value)


def test_the_classifier_rejects_another_number_of_features() -> None:
    classifier = SpikingClassifier(epochs=1).fit(np.eye(4), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="5 features"):
        classifier.predict(np.eye(5))


# Kernels -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", [(5, 5), (5, 1), (1, 5), (28, 28)])
def test_kernels_larger_than_the_image_raise_an_error(kernels: tuple[int, int]) -> None:
    size = " x ".join(map(str, kernels))
    refused(lambda: Convolution(np.ones((*kernels, 1, 2)), (4, 4)), "convolution", size, "4 x 4")


def test_kernels_as_large_as_the_image_are_one_dense_connection() -> None:
    kernels = np.random.default_rng(0).normal(size=(4, 4, 2, 3))
    whole = Convolution(kernels, (4, 4))
    assert whole.shape == (32, 3)
    assert np.array_equal(whole.sparse().toarray(), kernels.reshape(32, 3))


@pytest.mark.parametrize("kernels", [np.ones((2, 2)), np.ones((2, 2, 1)), np.ones((0, 2, 1, 1)), np.ones((2, 2, 1, 0))])
def test_kernels_with_other_axes_raise_an_error(kernels: NDArray[np.float64]) -> None:
    refused(lambda: Convolution(kernels, (4, 4)), "convolution", str(kernels.shape), "channels")


@pytest.mark.parametrize("image", [4, (4,), (4, 4, 1), (4.0, 4), (-4, 4), (0, 4), "ab"])
def test_a_convolution_of_an_invalid_image_raises_an_error(image: Any) -> None:
    refused(lambda: Convolution(np.ones((1, 1, 1, 1)), image), "convolution", repr(image), "(rows, columns)")


@pytest.mark.parametrize("image", [4, (4, 4), (4, 4, 1.5), (4, 4, 0)])
def test_pooling_of_an_invalid_image_raises_an_error(image: Any) -> None:
    refused(lambda: Pooling(image, 2), "pooling", repr(image), "(rows, columns, channels)")


@pytest.mark.parametrize("side", [0, 5, -1, 1.5])
def test_pooling_windows_that_do_not_fit_raise_an_error(side: Any) -> None:
    refused(lambda: Pooling((4, 4, 1), side), "pooling", f"{side} x {side}", "4 x 4")


def test_a_convolution_between_populations_of_other_sizes_raises_an_error() -> None:
    shared = Projection("eye", "map", "synapse", Convolution(np.ones((2, 2, 1, 1)), (4, 4)))
    nodes = (Source("eye", 16), Population("map", CARD, 8))
    refused(lambda: Circuit(nodes, (shared,), "1 ms"), "eye->map", "(16, 9)", "(16, 8)")


# No samples ----------------------------------------------------------------------------------------------------------


def test_no_images_give_no_spikes() -> None:
    none = encode(np.zeros((0, 4), np.uint8), np.zeros(0, np.int64))
    assert (none.samples, none.steps, none.size, len(none)) == (0, STEPS, 4, 0)


def test_a_batch_without_samples_raises_an_error() -> None:
    refused(lambda: engine.run(chain(), {"input": noise(0)}), "inputs of 'input'", "no samples")
    refused(lambda: HM2BP().predict(chain(), initial(chain()), noise(0)), "inputs of 'input'", "no samples")
    refused(lambda: step(noise(0), np.zeros(0, np.int64)), "HM2-BP: batch", "no samples")


def test_a_training_without_samples_raises_an_error() -> None:
    none = samples().take(slice(0, 0))
    refused(lambda: config(train=none), "train", "at least one")
    refused(lambda: config(test=none), "test", "at least one")


@pytest.mark.parametrize("name", ["epochs", "batch"])
def test_a_training_without_epochs_or_batch_size_raises_an_error(name: str) -> None:
    refused(lambda: config(**{name: 0}), name, "0", "at least 1")


# Labels --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("label", [-1, CLASSES, 10**12])
def test_labels_out_of_range_raise_an_error(label: int) -> None:
    refused(lambda: step(noise(2), [0, label]), "HM2-BP: batch", str(label), "0 to 2")
    wrong = samples(labels=[0, 1, label, 2])
    refused(lambda: config(train=wrong), "train: labels", str(label), "0 to 2")
    refused(lambda: config(test=wrong), "test: labels", str(label), "0 to 2")


@pytest.mark.slow
@pytest.mark.parametrize("labels", [[0.0, 1.0], ["a", "b"], [True, False], [None, 1]])
def test_labels_that_are_not_integers_raise_an_error(labels: list[Any]) -> None:
    refused(lambda: step(noise(2), labels), "HM2-BP: batch", str(np.asarray(labels).dtype), "int64")


@pytest.mark.slow
def test_a_single_class_is_learned_and_always_predicted(tmp_path: Path) -> None:
    lone = chain(classes=1)
    state = step(noise(4), [0, 0, 0, 0], lone)
    assert all(np.isfinite(weights).all() for weights in state.weights.values())
    assert HM2BP().predict(lone, state, noise(3)).labels.tolist() == [0, 0, 0]
    X = np.random.default_rng(0).random((6, 4))
    classifier = SpikingClassifier(epochs=1).fit(X, ["only"] * 6)
    assert classifier.predict(X).tolist() == ["only"] * 6
    assert classifier.predict_proba(X).tolist() == [[1.0]] * 6
    assert trained(config(train=samples(labels=[1, 1, 1, 1])), tmp_path)["epoch"] == 1


# Images --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_black_images_are_silent_and_predicted_as_the_first_class(tmp_path: Path) -> None:
    black = encode(np.zeros((2, 4), np.uint8))
    assert len(black) == 0
    before = initial(chain())
    assert HM2BP().predict(chain(), before, black).labels.tolist() == [0, 0]
    # no input fired, so there is nothing that the weights from the input could have done otherwise
    after = step(silence(2), [0, 2])
    for name in before.weights:
        assert np.isfinite(after.weights[name]).all()
    first = "input->hidden1.synapse"
    assert np.array_equal(after.weights[first], before.weights[first])
    assert not np.array_equal(step(noise(2), [0, 2]).weights[first], before.weights[first])
    row = trained(config(train=samples(np.zeros((4, 4), np.uint8)), test=samples(np.zeros((4, 4), np.uint8))), tmp_path)
    assert row["test_accuracy"] == row["train_accuracy"] == 0.5  # two of the four are of the first class


@pytest.mark.slow
def test_the_classifier_gives_equal_probabilities_for_a_black_image() -> None:
    X = np.random.default_rng(0).random((30, 4))
    classifier = SpikingClassifier(epochs=1, on_off=False, feature_range=(0, 1), random_state=0)
    classifier.fit(X, np.repeat(["x", "y", "z"], 10))
    assert classifier.predict(np.zeros((2, 4))).tolist() == ["x", "x"]
    assert np.allclose(classifier.predict_proba(np.zeros((2, 4))), 1 / 3, rtol=0, atol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("on_off", [False, True])
def test_the_classifier_accepts_identical_images(on_off: bool) -> None:
    for value in (0.0, 7.0):
        X = np.full((6, 4), value)
        classifier = SpikingClassifier(epochs=1, on_off=on_off, random_state=0).fit(X, [0, 1] * 3)
        assert len(set(classifier.predict(X).tolist())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_raise_an_error(bad: float, tmp_path: Path) -> None:
    X = np.eye(4)
    X[1, 2] = bad
    refused(lambda: encode(X, range(4)), "encode: values", "float64", "uint8")
    refused(lambda: trained(config(train=samples(X)), tmp_path), "encode: values", "float64", "uint8")
    word = "NaN" if np.isnan(bad) else "infinity"
    for work in (SpikingClassifier().fit, SpikingClassifier(epochs=1).fit(np.eye(4), [0, 1, 0, 1]).score):
        with pytest.raises(ValueError, match=word):
            work(X, [0, 1, 0, 1])


def test_sixteen_bit_images_raise_an_error(tmp_path: Path) -> None:
    deep = samples().values.astype(np.uint16) * 257
    refused(lambda: encode(deep, range(4)), "encode: values", "uint16", "uint8")
    refused(lambda: trained(config(train=samples(deep)), tmp_path), "encode: values", "uint16", "uint8")
    refused(lambda: evaluate(config(test=samples(deep)), initial_state(config())), "encode: values", "uint16", "uint8")


@pytest.mark.thorough
def test_the_classifier_accepts_images_of_any_depth() -> None:
    """257 times an 8-bit value is the 16-bit value of the same share of full intensity."""
    X = np.random.default_rng(0).integers(0, 256, (12, 4), dtype=np.uint8)
    X[0, :2] = 0, 255
    depths = (X, X.astype(np.uint16) * 257, X / 255, X.astype(np.float32))
    found = [
        SpikingClassifier(epochs=1, random_state=0).fit(given, [0, 1] * 6).predict_proba(given) for given in depths
    ]
    assert all(np.array_equal(found[0], other) for other in found[1:])


def test_values_above_the_peak_raise_an_error() -> None:
    bright = replace(samples(), values=np.full((4, 4), 17, np.uint8), peak=16)
    work = lambda: Poisson(steps=STEPS).encode(bright, seed=0)  # noqa: E731
    refused(work, "encode: values", "17", "16")


@pytest.mark.slow
def test_valid_input_raises_no_error(tmp_path: Path) -> None:
    """The control of the tests above, which each change one thing."""
    assert engine.run(chain(), {"input": noise(2)})["output"].counts.shape == (2, CLASSES)
    assert step(noise(2), [0, 1]).steps == 1
    assert step(noise(2), np.array([0, 2], dtype=np.uint8)).steps == 1
    assert len(encode(np.full((2, 4), 255, np.uint8))) > 0
    assert trained(config(), tmp_path)["epoch"] == 1
    assert replace(config(), epochs=2).epochs == 2
    SpikingClassifier(epochs=1).fit(np.eye(4), [0, 1, 0, 1]).predict(np.eye(4))
