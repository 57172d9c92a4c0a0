"""Runs of cells that are heard by a rate: everything that reads a run reads these, or says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_run import begun, leave_and_go_on, refusal, same_bits, snnlab

from snnlab.encoders import TEST
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.experiment import Experiment
from snnlab.experiments.core.run import Run
from snnlab.training.loop import evaluate, train

OPTIONS = {"network.hidden": "20,15", "batch": "50", "epochs": "2", "rule.learning_rate": "0.05"}
NAMES = ("dendritic-mnist", "backprop-mnist")
SMALL = {
    **dict.fromkeys((*NAMES, "sal-mnist"), OPTIONS),
    "corinfomax-mnist": {"network.hidden": "20", "batch": "50", "epochs": "2"},
}


@pytest.fixture(autouse=True)
def of_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiments on the digits that ship with scikit-learn."""
    for name, options in SMALL.items():
        small = replace(EXPERIMENTS[name], dataset="digits").with_options(options)
        monkeypatch.setitem(EXPERIMENTS, name, small)


def experiment(name: str) -> Experiment:
    return EXPERIMENTS[name]


@pytest.mark.parametrize("name", SMALL)
def test_a_run_goes_on_to_the_same_bits_and_on_any_number_of_threads(name: str, tmp_path: Path) -> None:
    study = begun(tmp_path / "whole", experiment=experiment(name))
    for _ in train(study.trial, study.run):
        pass
    leave_and_go_on(tmp_path / "left", stop=7, threads=2, experiment=experiment(name))
    assert same_bits(tmp_path / "whole", tmp_path / "left")


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_costs_what_is_counted_one_at_a_time(name: str, tmp_path: Path) -> None:
    """The sweep up alone, every activation that is not 0 or 1 a multiply-accumulate for each weight that it crosses."""
    study = begun(tmp_path / "run", experiment=experiment(name))
    state, _ = next(iter([(report.state, report) for report in train(study.trial, study.run)]))
    found = evaluate(study.trial, state).cost
    trial = study.trial
    pixels = trial.encode(trial.test, 0, TEST).values[:, 0]
    ones, graded = int((pixels == 1).sum()), int(((pixels != 0) & (pixels != 1)).sum())
    samples = len(trial.test)
    assert found.effective_macs == pytest.approx((graded * 20) / samples + 20 * 15 + 15 * 10)
    assert found.effective_acs == pytest.approx((ones * 20) / samples + 20 + 15 + 10)
    assert found.dense == found.parameters == 64 * 20 + 20 * 15 + 15 * 10 + 20 + 15 + 10
    assert set(found.spikes) == {"hidden1", "hidden2", "output"}
    assert not any(found.spikes.values()) and found.input_spikes == 0 and found.activation_sparsity == 0


def test_cells_that_come_to_rest_pay_for_what_they_say_in_the_end_in_every_step_and_for_their_input_once(
    tmp_path: Path,
) -> None:
    """As counted of the last step, times 30; what really crosses is summed beside: at most that, and 90 % at least."""
    study = begun(tmp_path / "run", experiment=experiment("corinfomax-mnist"))
    trial = study.trial
    state = next(iter(train(trial, study.run))).state
    seen = trial.encode(trial.test, 0, TEST).values[:, 0]
    w = {name: values.astype(np.float64) for name, values in state.weights.items()}
    u, v = np.zeros((len(seen), 20)), np.zeros((len(seen), 10))
    crossed = 20 * np.count_nonzero(seen)
    for _ in range(30):
        r, s = np.clip(u, 0, 1), np.clip(v, 0, 1)
        crossed += (20 + 10) * (np.count_nonzero(r) + np.count_nonzero(s))
        basal, apical = seen @ w["input->hidden1.basal"], s @ w["output->hidden1.apical"]
        apical += 0.15 * (0.5 * r + 2e-5 / 0.99999 * (r @ w["hidden1->hidden1.lateral"]))
        above = 0.5 * s + 1e-5 / 0.99999 * (s @ w["output->output.lateral"])
        u, v = (
            u + 0.05 * (-0.5 * u + (basal - u) / 0.15 + (apical - u) / 0.15),
            v + 0.05 * (-0.5 * v + (r @ w["hidden1->output.basal"] - v) / 0.15 + above - v),
        )
    r, s = np.clip(u, 0, 1), np.clip(v, 0, 1)
    synapses = ((seen, 20, 1), (r, 20 + 10, 30), (s, 20 + 10, 30))  # of each cell, and how often they are crossed
    found = evaluate(trial, state).cost
    for counts_as, paid in (
        (lambda x: x == 1, found.effective_acs),
        (lambda x: (x != 0) & (x != 1), found.effective_macs),
    ):
        expected = sum(int(counts_as(x).sum()) * out * times for x, out, times in synapses) / len(seen)
        assert paid == pytest.approx(expected, rel=1e-3)  # float32 may see a rate at its bound a step earlier
    assert 0.9 < crossed / len(seen) / (found.effective_acs + found.effective_macs) <= 1
    assert found.dense == 64 * 20 + 30 * (20 * 20 + 2 * 20 * 10 + 10 * 10)


def test_what_reads_a_run_reads_one_of_rates_or_says_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    code, out, said = snnlab(capsys, "train", "dendritic-mnist", "--threads", 1, "--out", run)
    assert (code, said) == (0, "") and "spike" not in out and "certify" not in out
    code, out, said = snnlab(capsys, "evaluate", run)
    assert (code, said) == (0, "") and "spike" not in out and "multiply-accumulates per sample" in out
    assert refusal(capsys, "certify", run).startswith("certify: a rule that answers by the rates of 'output'; needs")
    code, out, said = snnlab(capsys, "plot", run)
    assert (code, said) == (0, "")
    assert [Path(line).name for line in out.split()] == ["learning.png", "confusion.png", "weights.png", "rates.png"]
    assert all((run / "figures" / name).stat().st_size > 5000 for name in ("weights.png", "rates.png"))


@pytest.mark.parametrize(
    ("name", "encoder", "says"),
    [
        (
            "dendritic-mnist",
            "poisson",
            r"^encoder: makes spikes; the two-sweep rule learns from steady rates: set encoder=int",
        ),
        ("backprop-mnist", "latency", r"^encoder: makes spikes; backpropagation learns from steady rates: set enco"),
        (
            "corinfomax-mnist",
            "regular",
            r"^encoder: makes spikes; CorInfoMax learns from steady rates: set encoder=int",
        ),
        ("hm2bp-digits", "intensity", r"^encoder: makes rates; HM2-BP learns from spikes: set encoder=poisson, or an"),
    ],
)
def test_rates_and_spikes_are_not_taken_for_one_another(name: str, encoder: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        begun(tmp_path / "run", experiment=experiment(name).with_options({"encoder": encoder}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("encoder", ["current", "poisson", "features"])
def test_options_of_another_kind_are_not_handed_on_to_another_encoder(encoder: str) -> None:
    """`low` is a rate of the one and a current of the other."""
    there = experiment("dendritic-mnist").with_options({"encoder": encoder})
    back = there.with_options({"encoder": "intensity"})
    assert (back.encoder.low, back.encoder.high) == (0.0, 1.0)


def test_a_run_opens_from_what_it_wrote(tmp_path: Path) -> None:
    study = begun(tmp_path / "run", experiment=experiment("dendritic-mnist"))
    assert Run.open(tmp_path / "run").experiment == study.experiment
    assert np.all([node.size for node in study.trial.circuit.nodes[-3:]] == [20, 15, 10])
