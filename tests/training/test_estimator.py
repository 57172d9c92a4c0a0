"""The scikit-learn classifier: it keeps scikit-learn's contract, and what learns inside it is the rule itself."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from numpy.typing import NDArray
from scipy.stats import binom, poisson
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from small_run import ENVIRONMENT

from snnlab import cards
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import TRAIN, Poisson
from snnlab.estimator import SpikingClassifier
from snnlab.networks.circuit import Population, Source
from snnlab.networks.feedforward import feedforward
from snnlab.rules.rule import Batch
from snnlab.rules.spike_count.hm2bp import HM2BP

QUICK: dict[str, Any] = {"hidden": (30,), "steps": 60, "target": 12, "non_target": 2, "margin": 1, "random_state": 3}
CHANCE = 0.1


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[Any], ...]:
    """Training images, test images, training labels, test labels: 800 and 300 of scikit-learn's digits."""
    X, y = load_digits(return_X_y=True)
    return tuple(train_test_split(X, y, train_size=800, test_size=300, random_state=0, stratify=y))


@pytest.fixture(scope="module")
def fitted(digits: tuple[NDArray[Any], ...]) -> SpikingClassifier:
    return SpikingClassifier(**QUICK, epochs=4).fit(digits[0], digits[2])


def weights(classifier: SpikingClassifier) -> bytes:
    return b"".join(values.tobytes() for _, values in sorted(classifier.state_.weights.items()))


# Of scikit-learn -----------------------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:Estimator's parameters changed after set_params")
@parametrize_with_checks([SpikingClassifier(hidden=(50,), steps=100)])
def test_the_estimator_checks_of_scikit_learn_pass(estimator: SpikingClassifier, check: Any) -> None:
    """All of them; checks of sparse data, several outputs and sample weights do not apply."""
    check(estimator)


@pytest.mark.slow
def test_it_works_in_a_pipeline_and_in_cross_validation(digits: tuple[NDArray[Any], ...]) -> None:
    pipeline = make_pipeline(MinMaxScaler(), SpikingClassifier(**QUICK, epochs=8))
    scores = cross_val_score(pipeline, digits[0][:300], digits[2][:300], cv=2)
    assert scores.min() > 3 * CHANCE


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fresh copy", "pickle"])
def test_a_copy_predicts_like_the_original(
    how: str, fitted: SpikingClassifier, digits: tuple[NDArray[Any], ...]
) -> None:
    if how == "pickle":
        other = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    else:
        other = clone(fitted)
        assert not hasattr(other, "classes_")
        other.fit(digits[0], digits[2])
    assert weights(other) == weights(fitted)
    assert np.array_equal(other.predict_proba(digits[1]), fitted.predict_proba(digits[1]))


@pytest.mark.slow
def test_a_pickled_classifier_continues_to_the_same_bits(digits: tuple[NDArray[Any], ...]) -> None:
    train, _, labels, _ = digits
    one = SpikingClassifier(**QUICK).partial_fit(train[:64], labels[:64], classes=range(10))
    other = pickle.loads(pickle.dumps(one))  # noqa: S301
    assert weights(one.partial_fit(train[64:128], labels[64:128])) == weights(
        other.partial_fit(train[64:128], labels[64:128])
    )


@pytest.mark.slow
def test_importing_snnlab_does_not_import_scikit_learn() -> None:
    program = (
        "import sys, snnlab; print('sklearn' in sys.modules); snnlab.SpikingClassifier; print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.split() == ["False", "True"]


# Learning ------------------------------------------------------------------------------------------------------------


def test_it_classifies_digits(fitted: SpikingClassifier, digits: tuple[NDArray[Any], ...]) -> None:
    """Chance is 0.10; 0.55 in 300 predictions has a probability below 1e-60 by chance."""
    assert binom.sf(0.55 * 300, 300, CHANCE) < 1e-60
    assert fitted.score(digits[1], digits[3]) > 0.55
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]
    assert (fitted.n_iter_, fitted.samples_seen_) == (4, 4 * 800)


@pytest.mark.slow
def test_shuffled_labels_give_chance_accuracy(digits: tuple[NDArray[Any], ...]) -> None:
    """Mean of four trainings; predictions of similar images are not independent.

    In the worst case all samples of a class get one random prediction, which is correct for about Poisson(1) of the ten
    classes; for four trainings Poisson(4). 11 or more, which would fail here, has a probability below 1/350.
    """
    assert poisson.sf(10, 4) < 1 / 350
    train, test, labels, truth = digits
    rng = np.random.default_rng(0)
    scores = [
        SpikingClassifier(**QUICK, epochs=2).fit(train, rng.permutation(labels)).score(test, truth) for _ in "four"
    ]
    assert np.mean(scores) < 0.275


@pytest.mark.slow
def test_a_step_of_partial_fit_is_a_step_of_the_rule(digits: tuple[NDArray[Any], ...]) -> None:
    """The network, the code and the rule put together by hand from the same starting weights."""
    X, y = digits[0][:48].astype(np.uint8), digits[2][:48]
    one = SpikingClassifier(**QUICK, on_off=False, feature_range=(0, 16), v_th=(4.0, 6.0), max_rate=0.3, batch=48)
    one.partial_fit(X[:1], y[:1], classes=range(10))  # the weights that are learned from below
    before = pickle.loads(pickle.dumps(one.state_))  # noqa: S301
    one.partial_fit(X, y)

    sizes = {"hidden1": (30, 4.0), "output": (10, 6.0)}
    card = cards.cell("lif_exp_euler")
    layers = [Population(name, card, size, {"v_th": v_th}) for name, (size, v_th) in sizes.items()]
    circuit = feedforward(Source("input", 64), layers, "synapse", 1e-3)
    levels = np.rint(X / 16 * 255).astype(np.uint8)
    numbers = np.arange(1, 49)
    images = Images(
        values=levels, peak=255, numbers=numbers, labels=y, shape=(64,), classes=("0",), dataset="X", split=""
    )
    spikes = Poisson(60, 1e-3, 0.3).encode(images, seed=one.seed_, epoch=1, stream=TRAIN)
    rule = HM2BP(learning_rate=0.03, target=12, non_target=2, margin=1)
    state, _ = rule.step(circuit, before, Batch(spikes, y.astype(np.int64), 1))
    assert state.steps == one.state_.steps == 2
    for name, values in state.weights.items():
        assert np.array_equal(values, one.state_.weights[name])


@pytest.mark.slow
def test_two_calls_of_partial_fit_equal_one(digits: tuple[NDArray[Any], ...]) -> None:
    X, y = digits[0][:128], digits[2][:128]

    def fresh() -> SpikingClassifier:
        return SpikingClassifier(**QUICK, feature_range=(0, 16), batch=32)

    whole = fresh().partial_fit(X, y, classes=range(10))
    parts = fresh().partial_fit(X[:64], y[:64], classes=range(10)).partial_fit(X[64:], y[64:])
    forgot = fresh().partial_fit(X[64:], y[64:], classes=range(10))
    assert weights(whole) == weights(parts)
    assert weights(whole) != weights(forgot)


def test_partial_fit_continues_after_fit(fitted: SpikingClassifier, digits: tuple[NDArray[Any], ...]) -> None:
    train, _, labels, _ = digits
    more = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    more.partial_fit(train[:320], labels[:320])
    assert more.state_.steps == fitted.state_.steps + 10
    assert more.feature_range_ == fitted.feature_range_
    # what was learned is still there, which it would not be after a beginning anew
    assert more.score(train, labels) > 0.55


@pytest.mark.slow
def test_the_same_random_state_gives_the_same_network_on_any_number_of_threads(
    digits: tuple[NDArray[Any], ...],
) -> None:
    X, y = digits[0][:200], digits[2][:200]
    classifiers = [
        weights(SpikingClassifier(**{**QUICK, "random_state": seed}, n_jobs=jobs, epochs=1).fit(X, y))
        for seed, jobs in ((0, 1), (0, 2), (0, -1), (1, 1))
    ]
    assert classifiers[0] == classifiers[1] == classifiers[2] != classifiers[3]


# Answers -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_prediction_depends_only_on_its_sample(fitted: SpikingClassifier, digits: tuple[NDArray[Any], ...]) -> None:
    together = fitted.predict_proba(digits[1])
    order = np.random.default_rng(0).permutation(300)
    assert np.array_equal(fitted.predict_proba(digits[1][order]), together[order])
    assert np.array_equal(fitted.predict_proba(digits[1][7:8]), together[7:8])


def test_probabilities_follow_the_counts(fitted: SpikingClassifier, digits: tuple[NDArray[Any], ...]) -> None:
    odds = fitted.predict_proba(digits[1])
    assert np.allclose(odds.sum(axis=1), 1)
    assert np.array_equal(fitted.classes_[odds.argmax(axis=1)], fitted.predict(digits[1]))
    # counts are whole, so every ratio of two probabilities is a whole power of e
    powers = np.log(odds) - np.log(odds.max(axis=1, keepdims=True))
    assert np.allclose(powers, np.rint(powers), atol=1e-6)


@pytest.mark.slow
def test_labels_of_any_type_are_returned(digits: tuple[NDArray[Any], ...]) -> None:
    X, y = digits[0][:200], digits[2][:200]
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    named = SpikingClassifier(**QUICK, epochs=1).fit(X, names[y])
    assert list(named.classes_) == sorted(names)
    assert set(named.predict(X)) <= set(names)


def test_values_outside_the_range_are_clipped(fitted: SpikingClassifier, digits: tuple[NDArray[Any], ...]) -> None:
    image = digits[1][:5]
    assert fitted.feature_range_ == (0, 16)
    beyond = np.where(image == 16, 1e9, np.where(image == 0, -1e9, image))
    assert np.array_equal(fitted.predict_proba(beyond), fitted.predict_proba(image))


def test_values_are_mapped_to_levels_of_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values -1 .. 1 of a range from 0 to 0.5: what reaches the code is 255 times their share of it, and the rest."""
    seen: list[NDArray[np.uint8]] = []
    encode = Poisson.encode

    def watch(self: Poisson, samples: Images, **more: Any) -> SpikeTrains:
        seen.append(samples.values)
        return encode(self, samples, **more)

    monkeypatch.setattr(Poisson, "encode", watch)
    values = np.array([[-1.0, 0.0, 0.1, 0.25, 0.5, 1.0]])
    SpikingClassifier(**QUICK, feature_range=(0, 0.5)).partial_fit(values, [0], classes=[0, 1])
    on = [0, 0, 51, 128, 255, 255]
    assert seen[0].tolist() == [[*on, *(255 - level for level in on)]]


# Invalid input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"hidden": (0,)}, "hidden"),
        ({"hidden": (2.5,)}, "hidden"),
        ({"v_th": (1.0, 2.0, 3.0)}, "v_th"),
        ({"v_th": -1.0}, "v_th"),
        ({"v_th": float("nan")}, "v_th"),
        ({"cell": "izhikevic"}, "izhikevich"),
        ({"cell": "lif"}, "cell"),
        ({"steps": 0}, "steps"),
        ({"dt": "1 mV"}, "dt"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": 1.5}, "epochs"),
        ({"batch": 0}, "batch"),
        ({"batch": True}, "batch"),
        ({"target": -1}, "target"),
        ({"max_rate": 2}, "max_rate"),
        ({"feature_range": (1, 0)}, "feature_range"),
        ({"feature_range": (0, float("inf"))}, "feature_range"),
        ({"feature_range": 3}, "feature_range"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"random_state": "seven"}, "seed"),
    ],
)
def test_invalid_parameters_are_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named) as error:
        SpikingClassifier(**{**QUICK, **options}).fit(np.eye(4), [0, 1, 0, 1])
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_dt_accepts_text_with_a_unit(digits: tuple[NDArray[Any], ...]) -> None:
    X, y = digits[0][:64], digits[2][:64]
    fitted = [SpikingClassifier(**QUICK, dt=dt, epochs=1).fit(X, y) for dt in (1e-3, "1 ms", "2 ms")]
    assert weights(fitted[0]) == weights(fitted[1]) != weights(fitted[2])


def test_partial_fit_requires_the_classes_in_the_first_call_and_the_same_later() -> None:
    classifier = SpikingClassifier(**QUICK)
    with raises_input_error("partial_fit: classes", "None"):
        classifier.partial_fit(np.eye(2), [0, 1])
    classifier.partial_fit(np.eye(2), [0, 1], classes=[0, 1])
    with raises_input_error("y", "2", "[0, 1]"):
        classifier.partial_fit(np.eye(2), [0, 2])
    with raises_input_error("partial_fit: classes", "[0, 1, 2]", "[0, 1]"):
        classifier.partial_fit(np.eye(2), [0, 1], classes=[0, 1, 2])


def test_diverging_weights_are_refused() -> None:
    classifier = SpikingClassifier(**{**QUICK, "learning_rate": 1e38, "epochs": 3})
    with raises_input_error("SpikingClassifier", "not finite", "learning_rate"):
        classifier.fit(np.eye(4), [0, 1, 0, 1])
