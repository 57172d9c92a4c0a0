"""Who says what the output is to say: by the class of a sample, or by another network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.networks.activations import Activation, activation_of
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.dendritic.teacher import Labelled, Network
from snnlab.training.loop import train

OTHER = Network(hidden=4, gains=(2.0, 10.0), enough=0.02)


def phi(name: str = "logistic") -> Activation:
    return activation_of(Microcircuit((2,), activation=name).circuit((2,), 2, 1e-4).population("output"))


# By the class ---------------------------------------------------------------------------------------------------------


def test_the_neuron_of_the_class_is_to_say_more_and_the_one_that_says_most_is_the_answer() -> None:
    asked = Labelled(0.2, 0.7).rates({}, np.zeros((2, 5)), np.array([2, 0]), 3, phi())
    np.testing.assert_array_equal(asked, [[0.2, 0.2, 0.7], [0.7, 0.2, 0.2]])
    said = np.array([[0.1, 0.3, 0.2], [0.4, 0.3, 0.2], [0.1, 0.1, 0.9]])
    np.testing.assert_array_equal(Labelled().classify({}, np.zeros((3, 5)), said, phi()), [1, 0, 2])
    assert Labelled().draw(5, 3, np.random.default_rng(0)) == {}


# By another network ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["logistic", "soft_rectifier", "softplus"])
def test_the_other_networks_rates_are_those_of_the_formula(name: str) -> None:
    """phi(10 W2 phi(2 W1 r)), neuron by neuron and sample by sample."""
    made = {
        "logistic": lambda x: 1 / (1 + np.exp(-x)),
        "soft_rectifier": lambda x: 0.1 * np.log(1 + np.exp(x - 3)),
        "softplus": lambda x: np.log(1 + np.exp(x)),
    }[name]
    rng = np.random.default_rng(0)
    drawn, seen = OTHER.draw(5, 3, rng), rng.uniform(-1, 1, (2, 5))
    asked = OTHER.rates(drawn, seen, np.zeros(2, dtype=np.int64), 3, phi(name))
    for sample in range(2):
        inner = [made(2 * sum(seen[sample, i] * drawn["weights1"][i, j] for i in range(5))) for j in range(4)]
        outer = [made(10 * sum(inner[j] * drawn["weights2"][j, k] for j in range(4))) for k in range(3)]
        np.testing.assert_allclose(asked[sample], outer, rtol=1e-12)


def test_it_is_drawn_uniformly_by_the_seed() -> None:
    one, again, other = (OTHER.draw(50, 30, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert {name: values.shape for name, values in one.items()} == {"weights1": (50, 4), "weights2": (4, 30)}
    for name, values in one.items():
        assert np.array_equal(values, again[name]) and not np.array_equal(values, other[name])
        assert 0.9 < values.max() <= 1 and -1 <= values.min() < -0.9


def test_what_comes_near_enough_is_met_and_the_rest_missed() -> None:
    """By the squared error summed over the outputs: 0.0196 and 0.0225 beside 0.02."""
    rng = np.random.default_rng(0)
    drawn, seen = OTHER.draw(5, 3, rng), rng.uniform(-1, 1, (2, 5))
    asked = OTHER.rates(drawn, seen, np.zeros(2, dtype=np.int64), 3, phi())
    said = asked + np.array([[0.14, 0, 0], [0, -0.15, 0]])
    np.testing.assert_array_equal(OTHER.classify(drawn, seen, said, phi()), [0, 1])
    wider = replace(OTHER, enough=0.03)
    np.testing.assert_array_equal(wider.classify(drawn, seen, said, phi()), [0, 0])


def test_a_checkpoint_with_another_teacher_than_the_seed_draws_is_refused(tmp_path: Path) -> None:
    short = EXPERIMENTS["dendritic-association"].with_options({"epochs": 2, "rule.lasts": 0.01})
    study = Run.create(tmp_path / "run", short, seed=3, threads=1)
    for _ in train(study.config, study.directory):
        pass
    state, progress = study.restore()
    assert set(state.constants) == {"noise", "teacher weights1", "teacher weights2"}
    state.optimizer_state["hidden1->output.basal change"][0, 0] += 1e-3  # what is learned may be anything
    study.directory.save(state, progress)
    study.restore()
    state.constants["teacher weights2"][0, 0] += 1e-3
    study.directory.save(state, progress)
    with pytest.raises(InputError, match=r"memory of teacher weights2: other than this seed draws"):
        Run.open(tmp_path / "run", threads=1).restore()


# What is refused ------------------------------------------------------------------------------------------------------

CASES: list[tuple[Callable[[], object], str]] = [
    (lambda: Labelled(0.5, 0.5), r"^rule\.teacher\.high: found 0\.5; needs more than 0\.5, the others' rate"),
    (lambda: Labelled(0.5, 0.2), r"^rule\.teacher\.high: found 0\.2"),
    (lambda: Labelled(float("nan"), 0.5), r"^rule\.teacher\.high"),
    (lambda: Labelled().check(4, 3, phi()), r"^rule\.teacher: 4 outputs, and samples of 3 classes; needs one for each"),
    (lambda: Labelled(0.0, 0.8).check(3, 3, phi()), r"^rule\.teacher\.low: found 0\.0; .*above 0 and below 1"),
    (lambda: Labelled(0.1, 1.0).check(3, 3, phi()), r"^rule\.teacher\.high: found 1\.0"),
    (lambda: Labelled(-0.1, 1.0).check(3, 3, phi("softplus")), r"^rule\.teacher\.low: found -0\.1"),
    (lambda: Labelled(0.1, np.inf).check(3, 3, phi("softplus")), r"^rule\.teacher\.high: found inf"),
    (lambda: Network(hidden=0), r"^rule\.teacher\.hidden: found 0; needs at least 1 neuron"),
    (lambda: Network(gains=(1.0,)), r"^rule\.teacher: found gains \(1\.0,\)"),
    (lambda: Network(gains=(1.0, 0.0)), r"^rule\.teacher: found gains \(1\.0, 0\.0\).*all above 0 and finite"),
    (lambda: Network(enough=0.0), r"^rule\.teacher: .* enough 0\.0"),
    (lambda: Network(enough=float("nan")), r"^rule\.teacher: .* enough nan"),
    (lambda: Network(gains=(float("nan"), 1.0)), r"^rule\.teacher: found gains \(nan"),
    (lambda: Network(gains=(1.0, float("nan"))), r"^rule\.teacher: found gains \(1\.0, nan"),
    (lambda: Network(gains=(1.0, float("inf"))), r"^rule\.teacher: found gains \(1\.0, inf"),
    (lambda: OTHER.check(3, 3, phi()), r"^rule\.teacher: samples of 3 classes; needs two: what was met, and missed"),
]  # fmt: skip


@pytest.mark.parametrize(("attempt", "said"), CASES, ids=[f"{k}: {said}" for k, (_, said) in enumerate(CASES)])
def test_a_teacher_of_nothing_is_refused(attempt: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        attempt()


def test_rates_above_1_can_be_wanted_of_cells_that_have_them() -> None:
    Labelled(0.1, 3.0).check(3, 3, phi("softplus"))
    OTHER.check(7, 2, phi())
