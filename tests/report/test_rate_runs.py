"""Runs of rate-based networks: training, resuming, cost, and the commands on runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import assert_error, error_line, snnlab
from errors_in_tests import raises_input_error
from small_run import create_run, interrupt_and_resume, same_bits

from snnlab.encoders import TEST
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.experiment import Experiment
from snnlab.experiments.core.run import Run
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import train

OPTIONS = {"network.hidden": "20,15", "batch": "50", "epochs": "2", "rule.learning_rate": "0.05"}
NAMES = ("dendritic-mnist", "backprop-mnist")
SMALL = {
    **dict.fromkeys((*NAMES, "sal-mnist"), OPTIONS),
    "corinfomax-mnist": {"network.hidden": "20", "batch": "50", "epochs": "2"},
}


@pytest.fixture(autouse=True)
def on_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiments, on the digits of scikit-learn."""
    for name, options in SMALL.items():
        small = replace(EXPERIMENTS[name], dataset="digits").with_options(options)
        monkeypatch.setitem(EXPERIMENTS, name, small)


def experiment(name: str) -> Experiment:
    return EXPERIMENTS[name]


@pytest.mark.parametrize("name", SMALL)
def test_a_resumed_run_is_bit_identical_on_any_number_of_threads(name: str, tmp_path: Path) -> None:
    run = create_run(tmp_path / "whole", experiment=experiment(name))
    for _ in train(run.config, run.directory):
        pass
    interrupt_and_resume(tmp_path / "left", stop=7, threads=2, experiment=experiment(name))
    assert same_bits(tmp_path / "whole", tmp_path / "left")


@pytest.mark.parametrize("name", NAMES)
def test_the_cost_of_a_prediction_equals_a_count_by_hand(name: str, tmp_path: Path) -> None:
    """One forward pass: each rate other than 0 and 1 is a multiply-accumulate for each weight."""
    run = create_run(tmp_path / "run", experiment=experiment(name))
    state, _ = next(iter([(report.state, report) for report in train(run.config, run.directory)]))
    cost = evaluate(run.config, state).cost
    config = run.config
    pixels = config.encode(config.test, 0, TEST).values[:, 0]
    ones, graded = int((pixels == 1).sum()), int(((pixels != 0) & (pixels != 1)).sum())
    samples = len(config.test)
    assert cost.effective_macs == pytest.approx((graded * 20) / samples + 20 * 15 + 15 * 10)
    assert cost.effective_acs == pytest.approx((ones * 20) / samples + 20 + 15 + 10)
    assert cost.dense == cost.parameters == 64 * 20 + 20 * 15 + 15 * 10 + 20 + 15 + 10
    assert set(cost.spikes) == {"hidden1", "hidden2", "output"}
    assert not any(cost.spikes.values()) and cost.input_spikes == 0 and cost.activation_sparsity == 0


def test_relaxation_costs_its_final_rates_in_each_step_and_its_input_once(
    tmp_path: Path,
) -> None:
    """The cost counts the rates of the last step 30 times; the true sum over the steps is at least 90 % of that."""
    run = create_run(tmp_path / "run", experiment=experiment("corinfomax-mnist"))
    config = run.config
    state = next(iter(train(config, run.directory))).state
    seen = config.encode(config.test, 0, TEST).values[:, 0]
    w = {name: values.astype(np.float64) for name, values in state.weights.items()}
    u, v = np.zeros((len(seen), 20)), np.zeros((len(seen), 10))
    operations = 20 * np.count_nonzero(seen)
    for _ in range(30):
        r, s = np.clip(u, 0, 1), np.clip(v, 0, 1)
        operations += (20 + 10) * (np.count_nonzero(r) + np.count_nonzero(s))
        basal, apical = seen @ w["input->hidden1.basal"], s @ w["output->hidden1.apical"]
        apical += 0.15 * (0.5 * r + 2e-5 / 0.99999 * (r @ w["hidden1->hidden1.lateral"]))
        above = 0.5 * s + 1e-5 / 0.99999 * (s @ w["output->output.lateral"])
        u, v = (
            u + 0.05 * (-0.5 * u + (basal - u) / 0.15 + (apical - u) / 0.15),
            v + 0.05 * (-0.5 * v + (r @ w["hidden1->output.basal"] - v) / 0.15 + above - v),
        )
    r, s = np.clip(u, 0, 1), np.clip(v, 0, 1)
    synapses = ((seen, 20, 1), (r, 20 + 10, 30), (s, 20 + 10, 30))  # rates, synapses of each cell, steps
    cost = evaluate(config, state).cost
    for is_counted, counted in (
        (lambda x: x == 1, cost.effective_acs),
        (lambda x: (x != 0) & (x != 1), cost.effective_macs),
    ):
        expected = sum(int(is_counted(x).sum()) * out * times for x, out, times in synapses) / len(seen)
        assert counted == pytest.approx(expected, rel=1e-3)  # float32 may see a rate at its bound a step earlier
    assert 0.9 < operations / len(seen) / (cost.effective_acs + cost.effective_macs) <= 1
    assert cost.dense == 64 * 20 + 30 * (20 * 20 + 2 * 20 * 10 + 10 * 10)


def test_commands_on_a_run_of_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    code, out, err = snnlab(capsys, "train", "dendritic-mnist", "--threads", 1, "--out", run)
    assert (code, err) == (0, "") and "spike" not in out and "certify" not in out
    code, out, err = snnlab(capsys, "evaluate", run)
    assert (code, err) == (0, "") and "spike" not in out and "multiply-accumulates per sample" in out
    assert_error(error_line(capsys, "certify", run), "certify")
    code, out, err = snnlab(capsys, "plot", run)
    assert (code, err) == (0, "")
    assert [Path(line).name for line in out.split()] == ["learning.png", "confusion.png", "weights.png", "rates.png"]
    assert all((run / "figures" / name).stat().st_size > 5000 for name in ("weights.png", "rates.png"))


@pytest.mark.parametrize(
    ("name", "encoder"),
    [
        ("dendritic-mnist", "poisson"),
        ("backprop-mnist", "latency"),
        ("corinfomax-mnist", "regular"),
        ("hm2bp-digits", "intensity"),
    ],
)
def test_a_rule_rejects_the_encoder_of_another_kind(name: str, encoder: str, tmp_path: Path) -> None:
    with raises_input_error("encoder", "encoder="):
        create_run(tmp_path / "run", experiment=experiment(name).with_options({"encoder": encoder}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("encoder", ["current", "poisson", "features"])
def test_options_of_another_unit_are_not_passed_to_another_encoder(encoder: str) -> None:
    """`low` is a rate in one encoder and a current in the other."""
    there = experiment("dendritic-mnist").with_options({"encoder": encoder})
    back = there.with_options({"encoder": "intensity"})
    assert (back.encoder.low, back.encoder.high) == (0.0, 1.0)


def test_a_run_can_be_opened(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", experiment=experiment("dendritic-mnist"))
    assert Run.open(tmp_path / "run").experiment == run.experiment
    assert np.all([node.size for node in run.config.circuit.nodes[-3:]] == [20, 15, 10])
