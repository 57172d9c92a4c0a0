"""Teachers: target rates and classes, from the label or from another network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error

from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.networks.activations import Activation, activation_of
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.dendritic.teacher import LabelTeacher, NetworkTeacher
from snnlab.training.loop import train

TEACHER = NetworkTeacher(hidden=4, gains=(2.0, 10.0), tolerance=0.02)


def phi(name: str = "logistic") -> Activation:
    return activation_of(Microcircuit((2,), activation=name).circuit((2,), 2, 1e-4).population("output"))


# From the label -------------------------------------------------------------------------------------------------------


def test_the_label_has_the_high_target_rate_and_the_highest_rate_is_the_class() -> None:
    targets = LabelTeacher(0.2, 0.7).targets({}, np.zeros((2, 5)), np.array([2, 0]), 3, phi())
    np.testing.assert_array_equal(targets, [[0.2, 0.2, 0.7], [0.7, 0.2, 0.2]])
    rates = np.array([[0.1, 0.3, 0.2], [0.4, 0.3, 0.2], [0.1, 0.1, 0.9]])
    np.testing.assert_array_equal(LabelTeacher().classify({}, np.zeros((3, 5)), rates, phi()), [1, 0, 2])
    assert LabelTeacher().init(5, 3, np.random.default_rng(0)) == {}


# From another network -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["logistic", "soft_rectifier", "softplus"])
def test_the_target_rates_of_a_network_teacher_follow_its_formula(name: str) -> None:
    """phi(10 W2 phi(2 W1 r)), for each neuron and sample."""
    activation = {
        "logistic": lambda x: 1 / (1 + np.exp(-x)),
        "soft_rectifier": lambda x: 0.1 * np.log(1 + np.exp(x - 3)),
        "softplus": lambda x: np.log(1 + np.exp(x)),
    }[name]
    rng = np.random.default_rng(0)
    parameters, inputs = TEACHER.init(5, 3, rng), rng.uniform(-1, 1, (2, 5))
    targets = TEACHER.targets(parameters, inputs, np.zeros(2, dtype=np.int64), 3, phi(name))
    for sample in range(2):
        inner = [
            activation(2 * sum(inputs[sample, i] * parameters["weights1"][i, j] for i in range(5))) for j in range(4)
        ]
        outer = [activation(10 * sum(inner[j] * parameters["weights2"][j, k] for j in range(4))) for k in range(3)]
        np.testing.assert_allclose(targets[sample], outer, rtol=1e-12)


def test_the_parameters_of_a_network_teacher_are_uniform_and_depend_on_the_seed() -> None:
    first, again, different = (TEACHER.init(50, 30, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert {name: values.shape for name, values in first.items()} == {"weights1": (50, 4), "weights2": (4, 30)}
    for name, values in first.items():
        assert np.array_equal(values, again[name]) and not np.array_equal(values, different[name])
        assert 0.9 < values.max() <= 1 and -1 <= values.min() < -0.9


def test_outputs_within_the_tolerance_are_class_0_and_others_class_1() -> None:
    """For squared errors summed over the outputs of 0.0196 and 0.0225, and tolerances of 0.02 and 0.03."""
    rng = np.random.default_rng(0)
    parameters, inputs = TEACHER.init(5, 3, rng), rng.uniform(-1, 1, (2, 5))
    targets = TEACHER.targets(parameters, inputs, np.zeros(2, dtype=np.int64), 3, phi())
    rates = targets + np.array([[0.14, 0, 0], [0, -0.15, 0]])
    np.testing.assert_array_equal(TEACHER.classify(parameters, inputs, rates, phi()), [0, 1])
    wider = replace(TEACHER, tolerance=0.03)
    np.testing.assert_array_equal(wider.classify(parameters, inputs, rates, phi()), [0, 0])


def test_a_checkpoint_with_another_teacher_than_that_of_the_seed_raises_an_error(tmp_path: Path) -> None:
    short = EXPERIMENTS["dendritic-association"].with_options({"epochs": 2, "rule.learning_time": 0.01})
    study = Run.create(tmp_path / "run", short, seed=3, threads=1)
    for _ in train(study.config, study.directory):
        pass
    state, progress = study.restore()
    assert set(state.constants) == {"noise", "teacher weights1", "teacher weights2"}
    state.optimizer_state["hidden1->output.basal change"][0, 0] += 1e-3  # learned values may differ
    study.directory.save(state, progress)
    study.restore()
    state.constants["teacher weights2"][0, 0] += 1e-3
    study.directory.save(state, progress)
    with raises_input_error("teacher weights2"):
        Run.open(tmp_path / "run", threads=1).restore()


# Errors ---------------------------------------------------------------------------------------------------------------

INVALID: list[tuple[Callable[[], object], str, object]] = [
    (lambda: LabelTeacher(0.5, 0.5), "rule.teacher.high", 0.5),
    (lambda: LabelTeacher(0.5, 0.2), "rule.teacher.high", 0.2),
    (lambda: LabelTeacher(float("nan"), 0.5), "rule.teacher.high", "nan"),
    (lambda: LabelTeacher().check(4, 3, phi()), "network.outputs", 4),
    (lambda: LabelTeacher(0.0, 0.8).check(3, 3, phi()), "rule.teacher.low", 0.0),
    (lambda: LabelTeacher(0.1, 1.0).check(3, 3, phi()), "rule.teacher.high", 1.0),
    (lambda: LabelTeacher(-0.1, 1.0).check(3, 3, phi("softplus")), "rule.teacher.low", -0.1),
    (lambda: LabelTeacher(0.1, np.inf).check(3, 3, phi("softplus")), "rule.teacher.high", "inf"),
    (lambda: NetworkTeacher(hidden=0), "rule.teacher.hidden", 0),
    (lambda: NetworkTeacher(gains=(1.0,)), "rule.teacher", (1.0,)),
    (lambda: NetworkTeacher(gains=(1.0, 0.0)), "rule.teacher", (1.0, 0.0)),
    (lambda: NetworkTeacher(tolerance=0.0), "rule.teacher", 0.0),
    (lambda: NetworkTeacher(tolerance=float("nan")), "rule.teacher", "nan"),
    (lambda: NetworkTeacher(gains=(float("nan"), 1.0)), "rule.teacher", "nan"),
    (lambda: NetworkTeacher(gains=(1.0, float("nan"))), "rule.teacher", "nan"),
    (lambda: NetworkTeacher(gains=(1.0, float("inf"))), "rule.teacher", "inf"),
    (lambda: TEACHER.check(3, 3, phi()), "rule.teacher", 3),
]


@pytest.mark.parametrize(("attempt", "field", "value"), INVALID)
def test_an_invalid_teacher_raises_an_error(attempt: Callable[[], object], field: str, value: object) -> None:
    with raises_input_error(field, value):
        attempt()


def test_target_rates_above_1_are_valid_for_cells_that_reach_them() -> None:
    LabelTeacher(0.1, 3.0).check(3, 3, phi("softplus"))
    TEACHER.check(7, 2, phi())
