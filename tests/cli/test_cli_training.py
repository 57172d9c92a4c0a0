"""The commands experiments, train, evaluate, certify and plot."""

from __future__ import annotations

import inspect
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import assert_error, error_line, printed_fields, snnlab
from rich.console import Console
from small_recordings import Recordings
from small_run import COMMAND, ENVIRONMENT, WORDS, note, same_bits, train_run

from snnlab import certify
from snnlab.cli import progress_bars, training
from snnlab.encoders import ENCODERS
from snnlab.experiments import EXPERIMENTS
from snnlab.training.loop import CHECKPOINT_INTERVAL

PNG = b"\x89PNG\r\n\x1a\n"
Caught = pytest.CaptureFixture[str]
CHILD: dict[str, Any] = {"env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_run(tmp_path_factory.mktemp("cli") / "run").directory.path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_DATA", raising=False)


def test_the_list_has_all_experiments(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "experiments", "--json")
    listed = {experiment["id"]: experiment for experiment in json.loads(out)}
    assert listed.keys() == EXPERIMENTS.keys()
    assert listed["hm2bp-mnist"]["reported"] == 0.9884
    assert listed["hm2bp-mnist"]["options"]["network.hidden"] == ["800"]
    _, out, _ = snnlab(capsys, "experiments", "hm2bp-mnist")
    shown = printed_fields(out)
    assert shown["network.hidden"] == "800" and shown["network.v_th"] == "20.0,8.0"
    assert shown["reported"] == "98.84 %"
    # each option can be set to the value that is shown
    assert EXPERIMENTS["hm2bp-mnist"].options().keys() <= shown.keys()
    for name, value in shown.items():
        if "." in name:
            assert EXPERIMENTS["hm2bp-mnist"].with_options({name: value}) == EXPERIMENTS["hm2bp-mnist"]


def test_options_are_printed_with_their_help(capsys: Caught) -> None:
    experiment = EXPERIMENTS["hm2bp-mnist-conv"]
    _, out, _ = snnlab(capsys, "experiments", experiment.name)
    lines = out.splitlines()
    start = lines.index("Options, changed by --set NAME=VALUE:") + 2
    printed = {name.split()[0]: text.strip() for name, text in zip(lines[start::2], lines[start + 1 :: 2], strict=True)}
    assert printed == experiment.option_help()
    _, out, _ = snnlab(capsys, "experiments", experiment.name, "--json")
    values = json.loads(out)
    assert values["option_help"] == printed and values["options"].keys() == printed.keys()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_option_has_a_help(name: str) -> None:
    help_of = EXPERIMENTS[name].option_help()
    assert [option for option, text in help_of.items() if not text] == []


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_every_option_of_an_encoder_has_a_help(encoder: str) -> None:
    help_of = EXPERIMENTS["hm2bp-digits"].with_options({"encoder": encoder}).option_help()
    assert [option for option, text in help_of.items() if not text] == []


@pytest.mark.parametrize("columns", [80, 120])
def test_explanations_are_wrapped_in_a_terminal(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    _, whole, _ = snnlab(capsys, "experiments", "hm2bp-mnist-conv")
    assert max(map(len, whole.splitlines())) > 120, "wrapped without a terminal"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    _, wrapped, _ = snnlab(capsys, "experiments", "hm2bp-mnist-conv")
    assert columns - 10 < max(map(len, wrapped.splitlines())) <= columns
    assert wrapped.split() == whole.split()


@pytest.mark.slow
def test_cached_spikes_are_counted_as_samples_of_their_dataset(
    tmp_path: Path, capsys: Caught, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # kernels stay compiled
    options = ["--set", "encoder=features", "--set", "encoder.steps=30", "--epochs", 1]
    code, out, _ = snnlab(capsys, "train", "hm2bp-digits", *options, "--out", "run")
    assert code == 0 and "hm2bp-digits, seed 0: 1437 training samples, 1 epoch" in out


@pytest.mark.slow
def test_a_network_with_one_test_sample_can_be_certified(capsys: Caught) -> None:
    code, out, _ = snnlab(
        capsys, "train", "normad-association", "--epochs", 1, "--set", "rule.init_scale=3e-9", "--out", "a"
    )
    assert code == 0 and "snnlab certify a" in out
    code, out, _ = snnlab(capsys, "certify", "a")
    assert code == 0 and "on 1 test sample" in out


@pytest.mark.slow
def test_a_network_is_trained_and_summarised(finished: Path, tmp_path: Path, capsys: Caught) -> None:
    code, out, err = snnlab(capsys, "train", *WORDS, "--seed", 1)
    assert code == 0 and err == ""
    run = tmp_path / "runs" / "hm2bp-digits-seed1"
    assert same_bits(run, finished)
    assert len(re.findall(r"^epoch \d/2  train +\d+\.\d\d %  test +\d+\.\d\d %", out, re.MULTILINE)) == 2
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert f"test accuracy  {100 * summary['test_accuracy']:.2f} % after 2 epochs" in out
    assert f"snnlab plot {run.relative_to(tmp_path)}" in out
    left = {"experiment.json", "environment.json", "metrics.jsonl", "checkpoints", "figures", "summary.json", ".lock"}
    assert {entry.name for entry in run.iterdir()} == left
    # a second run must not overwrite it, and resuming it has nothing to do
    assert_error(error_line(capsys, "train", *WORDS, "--seed", 1), str(run.relative_to(tmp_path)), "--resume")
    code, out, _ = snnlab(capsys, "train", *WORDS, "--seed", 1, "--resume")
    assert code == 0 and "already trained for 2 epochs" in out
    assert same_bits(run, finished)


@pytest.mark.slow
def test_in_a_terminal_bars_show_speed_and_accuracy(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress_bars, "Console", lambda **_: Console(file=screen, force_terminal=True, width=120))
    code, out, err = snnlab(capsys, "train", *WORDS[:-1], "--epochs", 20, "--out", "run")
    assert code == 0 and err == "", err
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert re.search(r"epoch \d+/20 \S+ +\d+/1437 \d+ samples/s, train \d+\.\d\d %", shown)
    assert len(re.findall("^epoch ", out, re.MULTILINE)) == 20
    code, _, _ = snnlab(capsys, "certify", "run", "--samples", 2)
    assert code == 0 and "2/2" in screen.getvalue()


def test_incomplete_recordings_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    recordings = Recordings(tmp_path / "data")
    recordings.some(30)
    recordings.some(10, "Test")
    smaller = ["network.hidden=6", "encoder.pool=4", "encoder.steps=60", "encoder.dt=6e-3"]
    arguments = ["train", "hm2bp-nmnist", "--data", recordings.data, "--epochs", 2, "--out", tmp_path / "run"]
    code, out, _ = snnlab(capsys, *arguments, *(f"--set={option}" for option in smaller))
    assert code == 0
    assert out.startswith("hm2bp-nmnist, seed 0: 30 of 60000 training samples, 10 of 10000 test samples, 2 epochs\n")


@pytest.mark.slow
def test_a_run_can_be_resumed_with_more_epochs(tmp_path: Path, capsys: Caught) -> None:
    arguments = [word for word in WORDS if "epochs" not in word]
    assert snnlab(capsys, "train", *arguments, "--epochs", 1, "--out", "a")[0] == 0
    assert snnlab(capsys, "train", "hm2bp-digits", "--out", "a", "--resume", "--epochs", 2)[0] == 0
    assert snnlab(capsys, "train", *arguments, "--epochs", 2, "--out", "b")[0] == 0
    assert same_bits(tmp_path / "a", tmp_path / "b")
    line = error_line(capsys, "train", "hm2bp-digits", "--out", "a", "--resume", "--epochs", 1)
    assert_error(line, "--epochs", 1, 2)


@pytest.mark.slow
def test_evaluate_agrees_with_the_summary(tmp_path: Path, capsys: Caught) -> None:
    snnlab(capsys, "train", *WORDS, "--out", "run")
    code, out, _ = snnlab(capsys, "evaluate", "run", "--json")
    assert code == 0
    values, summary = json.loads(out), json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert values["accuracy"] == summary["test_accuracy"]
    assert values["spikes_per_sample"] == pytest.approx(summary["spikes_per_sample"])
    assert values["cost"]["spikes"].keys() == {"hidden1", "output"}
    assert sum(values["cost"]["spikes"].values()) == pytest.approx(values["spikes_per_sample"])
    confusion = np.array(values["confusion"])
    assert confusion.sum() == values["samples"] == 360
    assert np.trace(confusion) / 360 == pytest.approx(values["accuracy"])
    code, out, _ = snnlab(capsys, "evaluate", "run")
    assert code == 0 and f"{100 * values['accuracy']:.2f} % of 360 test samples, after 2 epochs" in out
    # 64-24-10 in 60 steps; dense: each synapse in each step; bytes: 4 for each weight, and for v and q of each neuron
    assert values["cost"]["dense"] == 60 * (64 * 24 + 24 * 10)
    assert values["cost"]["parameters"] == 64 * 24 + 24 * 10
    assert values["cost"]["footprint_bytes"] == 4 * (64 * 24 + 24 * 10 + 2 * 34)
    # all-to-all without zero weights: each spike reaches all neurons of the next layer
    spikes = values["cost"]["spikes"]
    operations = 24 * values["cost"]["input_spikes"] + 10 * spikes["hidden1"]
    assert values["cost"]["effective_acs"] == pytest.approx(operations) and values["cost"]["effective_macs"] == 0
    assert values["cost"]["activation_sparsity"] == pytest.approx(1 - values["spikes_per_sample"] / (34 * 60))
    assert f"{operations:,.0f} accumulates per sample; 106,560 dense" in out


@pytest.mark.thorough
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_training_with_one_line_and_it_can_be_resumed(number: int, code: int, tmp_path: Path) -> None:
    arguments = [*COMMAND, "train", *WORDS[:-1], "--out", "run"]
    with subprocess.Popen([*arguments, "--epochs", "5000"], **CHILD, cwd=tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "hm2bp-digits, seed 0: 1437 training samples, 5,000 epochs\n"
        assert [child.stdout.readline()[:12] for _ in range(3)][-1] == "epoch    3/5"
        child.send_signal(number)
        _, err = child.communicate(timeout=60)
    assert child.returncode == code
    assert err.startswith("stopped; ") and err.endswith(": snnlab train hm2bp-digits --out run --resume\n")
    assert err.count("\n") == 1
    done = note(tmp_path / "run")["progress"]["epoch"] - 1
    resumed = [*arguments, "--resume", "--epochs", str(done + 1)]
    after = subprocess.run(resumed, **CHILD, cwd=tmp_path, timeout=60)
    assert after.returncode == 0, after.stderr
    start = f"hm2bp-digits, seed 0: 1437 training samples, {done + 1} epochs, resuming after {done} epochs\n"
    assert after.stdout.startswith(f"{start}epoch {done + 1}/{done + 1}  ")


@pytest.mark.slow
def test_a_network_that_agrees_with_brian2_is_certified(finished: Path, capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "certify", finished, "--samples", 3)
    assert code == 0
    assert re.search(
        r"^output: [1-9]\d* spikes identical in Brian2 and the float64 engine, 0 differing$", out, re.MULTILINE
    )
    assert re.fullmatch(r"certified: all \d+ spikes are identical in Brian2", out.splitlines()[-1])
    assert re.search(r"^predictions changed by float32: \d of 3$", out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("brian", "verdict"),
    [
        (certify.Agreement(7, 2), "not certified: 2 spikes differ from Brian2"),
        (certify.Agreement(0, 0), "not certified: no spikes to compare"),
    ],
)
def test_a_network_that_does_not_agree_is_not_certified(
    brian: certify.Agreement, verdict: str, finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    certificate = certify.Certificate(1, {"output": brian}, {"output": certify.Agreement()}, 0)
    monkeypatch.setattr(certify, "certify", lambda *_, **__: certificate)
    code, out, _ = snnlab(capsys, "certify", finished, "--samples", 1)
    assert (code, out.splitlines()[-1]) == (1, verdict)


@pytest.mark.slow
def test_a_run_is_plotted(finished: Path, tmp_path: Path, capsys: Caught) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    code, out, _ = snnlab(capsys, "plot", run, "--sample", 5)
    assert code == 0
    names = {"learning.png", "confusion.png", "weights.png", "raster.png", "potentials.png"}
    assert {Path(line) for line in out.splitlines()} == {run / "figures" / name for name in names}
    for name in names:
        assert (run / "figures" / name).read_bytes().startswith(PNG)
    assert_error(error_line(capsys, "plot", run, "--sample", 360), "--sample", 360, 359)


@pytest.mark.thorough
@pytest.mark.parametrize(("hidden", "v_th"), [("4C3,P2,12", "3,2,3,3"), ("P2,12", "2,3,3")])
def test_a_run_with_convolution_or_pooling_first_is_plotted(
    hidden: str, v_th: str, tmp_path: Path, capsys: Caught
) -> None:
    layers = [f"--set=network.hidden={hidden}", f"--set=network.v_th={v_th}"]
    assert snnlab(capsys, "train", *WORDS, *layers, "--out", tmp_path / "run")[0] == 0
    code, out, _ = snnlab(capsys, "plot", tmp_path / "run")
    assert code == 0 and "weights.png" in out


@pytest.mark.parametrize(
    ("arguments", "field", "values"),
    [
        (["hm2bp-digit"], "EXPERIMENT", ["'hm2bp-digit'", "'hm2bp-digits'"]),
        (["hm2bp-digits", "--epochs", "0"], "--epochs", [0, 1]),
        (["hm2bp-digits", "--epochs", "-1"], "--epochs", [-1, 1]),
        (["hm2bp-digits", "--threads", "0"], "--threads", [0, 1]),
        (["hm2bp-digits", "--seed", "-1"], "--seed", [-1, 0]),
        (["hm2bp-digits", "--seed", str(2**32)], "seed", [2**32]),
        (["hm2bp-digits", "--save-every", "-1"], "--save-every", [-1.0, 0]),
        (["hm2bp-digits", "--save-every", "nan"], "--save-every", ["nan", 0]),
        (["hm2bp-digits", "--set", "epochs=0"], "--set epochs", [0, 1]),
        (["hm2bp-digits", "--set", "batch=-1"], "--set batch", [-1, 1]),
        (["hm2bp-digits", "--set", "epochs"], "--set epochs", ["KEY=VALUE"]),
        (["hm2bp-digits", "--set", "rule.lr=1"], "--set rule.lr", ["hm2bp-digits", "batch"]),
        (["hm2bp-digits", "--set", "epochs=3", "--epochs", "4"], "--epochs", [4, "--set epochs=3"]),
        (["hm2bp-digits", "--resume"], "runs/hm2bp-digits-seed0", ["--resume"]),
        (["hm2bp-mnist", "--data", "nowhere"], "mnist: train-images-idx3-ubyte", ["nowhere"]),
    ],
)
def test_invalid_options_of_train_are_one_error_line(
    arguments: list[str], field: str, values: list[object], tmp_path: Path, capsys: Caught
) -> None:
    assert_error(error_line(capsys, "train", *arguments), field, *values)
    assert not list(tmp_path.iterdir()), "something was written"


def test_a_network_that_does_not_fit_into_memory_is_an_error(tmp_path: Path, capsys: Caught) -> None:
    line = error_line(capsys, "train", "hm2bp-digits", "--set", "network.hidden=2000000000")
    assert line.startswith(("not enough memory", "network.hidden", "--set network.hidden"))
    assert not list(tmp_path.iterdir()), "something was written"


def test_diverging_weights_stop_training_and_keep_the_last_good_checkpoint(tmp_path: Path, capsys: Caught) -> None:
    code, _, err = snnlab(capsys, "train", *WORDS, "--set", "rule.learning_rate=1e38", "--out", "run")
    assert code == 2 and err.count("\n") == 1
    assert err.startswith("run: ") and "epoch 1" in err and "00001-0000000.npz" in err
    with np.load(tmp_path / "run" / "checkpoints" / "00001-0000000.npz", allow_pickle=False) as archive:
        assert all(np.isfinite(archive[name]).all() for name in archive.files)


@pytest.mark.slow
def test_an_existing_file_is_not_overwritten(tmp_path: Path, capsys: Caught) -> None:
    (tmp_path / "run").write_text("thesis", encoding="utf-8")
    assert error_line(capsys, "train", *WORDS, "--out", "run").startswith("run: ")
    assert error_line(capsys, "train", *WORDS, "--out", "run/below").startswith("run/below: ")
    assert error_line(capsys, "train", *WORDS, "--out", "run", "--resume").startswith("run: ")
    assert (tmp_path / "run").read_text(encoding="utf-8") == "thesis"


@pytest.mark.slow
def test_an_unwritable_run_is_not_trained(finished: Path, tmp_path: Path, capsys: Caught) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").mkdir()
    err = error_line(capsys, "train", "hm2bp-digits", "--out", "run", "--resume", "--epochs", 3)
    assert_error(err, "run/metrics.jsonl", "Is a directory", "00003-0000000.npz")
    (run / "metrics.jsonl").rmdir()
    (run / ".lock").unlink()
    (run / ".lock").mkdir()
    assert error_line(capsys, "train", "hm2bp-digits", "--out", "run", "--resume").startswith("run: ")
    (run / ".lock").rmdir()
    assert snnlab(capsys, "train", "hm2bp-digits", "--out", "run", "--resume")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", ["evaluate", "certify", "plot"])
def test_an_invalid_run_is_an_error(command: str, finished: Path, tmp_path: Path, capsys: Caught) -> None:
    assert error_line(capsys, command, "nothing").startswith("nothing: ")
    (tmp_path / "empty").mkdir()
    assert_error(error_line(capsys, command, "empty"), "empty", "experiment.json")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    assert_error(error_line(capsys, command, "thesis"), "thesis", "experiment.json")
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    newest = max((run / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    assert error_line(capsys, command, "run").startswith(f"run/checkpoints/{newest.name}: ")
    (run / "experiment.json").write_text("{", encoding="utf-8")
    assert error_line(capsys, command, "run").startswith("run/experiment.json: ")


def test_resume_starts_a_run_that_never_started(tmp_path: Path, finished: Path, capsys: Caught) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    code, _, err = snnlab(capsys, "train", *WORDS, "--seed", 1, "--out", "run", "--resume")
    assert code == 0 and err.startswith("run was interrupted before it started")
    assert same_bits(tmp_path / "run", finished)


def test_the_default_checkpoint_interval_is_that_of_the_library() -> None:
    assert inspect.signature(training.train).parameters["save_every"].default == CHECKPOINT_INTERVAL
