"""Training from the command line: begun, gone on with, tested, certified, drawn, and refused by name."""

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
from rich.console import Console
from small_recordings import Recordings
from small_run import COMMAND, ENVIRONMENT, WORDS, fields, note, refusal, same_bits, snnlab, trained

from snnlab import certify
from snnlab.cli import progress_bars, training
from snnlab.experiments import EXPERIMENTS
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.training.loop import BETWEEN_CHECKPOINTS

PNG = b"\x89PNG\r\n\x1a\n"
Caught = pytest.CaptureFixture[str]
CHILD: dict[str, Any] = {"env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("cli") / "run").run.path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_DATA", raising=False)


def test_experiments_are_those_that_there_are(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "experiments", "--json")
    listed = {one["id"]: one for one in json.loads(out)}
    assert listed.keys() == EXPERIMENTS.keys()
    assert listed["hm2bp-mnist"]["reported"] == 0.9884
    assert listed["hm2bp-mnist"]["options"]["network.hidden"] == ["800"]
    _, out, _ = snnlab(capsys, "experiments", "hm2bp-mnist")
    shown = fields(out)
    assert shown["network.hidden"] == "800" and shown["network.v_th"] == "20.0,8.0"
    assert shown["reported"] == "98.84 %"
    # what is shown can be set
    assert EXPERIMENTS["hm2bp-mnist"].options().keys() <= shown.keys()
    for name, value in shown.items():
        if "." in name:
            assert EXPERIMENTS["hm2bp-mnist"].with_options({name: value}) == EXPERIMENTS["hm2bp-mnist"]


def test_every_option_is_explained_by_the_docstring_of_its_dataclass(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "experiments", "hm2bp-mnist-conv")
    lines = out.splitlines()
    written = re.search(r"^ +margin  +(.+)$", HM2BP.__doc__ or "", re.MULTILINE)
    assert written and lines[lines.index("rule.margin                   5") + 1] == f"    {written[1]}"
    begin = lines.index("Options, each changed by --set NAME=VALUE:") + 2
    names, texts = lines[begin::2], lines[begin + 1 :: 2]
    assert [line.split()[0] for line in names] == list(EXPERIMENTS["hm2bp-mnist-conv"].options())
    assert all(re.match(r"    \S", text) for text in texts)
    _, out, _ = snnlab(capsys, "experiments", "hm2bp-mnist-conv", "--json")
    told = json.loads(out)
    assert told["explanations"].keys() == told["options"].keys()
    assert [f"    {text}" for text in told["explanations"].values()] == texts


@pytest.mark.parametrize("columns", [80, 120])
def test_explanations_are_wrapped_at_the_width_of_a_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    _, whole, _ = snnlab(capsys, "experiments", "hm2bp-mnist-conv")
    assert max(map(len, whole.splitlines())) > 120, "cut or wrapped where the output is no terminal"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    _, wrapped, _ = snnlab(capsys, "experiments", "hm2bp-mnist-conv")
    assert columns - 10 < max(map(len, wrapped.splitlines())) <= columns
    assert wrapped.split() == whole.split()


def test_samples_that_were_made_into_spikes_are_counted_as_those_of_their_dataset(
    tmp_path: Path, capsys: Caught, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # kernels stay compiled
    made = ["--set", "encoder=features", "--set", "encoder.steps=30", "--epochs", 1]
    code, out, _ = snnlab(capsys, "train", "hm2bp-digits", *made, "--out", "run")
    assert code == 0 and "hm2bp-digits, seed 0: 1437 samples, 1 epoch" in out


def test_the_next_steps_that_are_named_can_be_taken_on_a_test_set_of_one(capsys: Caught) -> None:
    code, out, _ = snnlab(
        capsys, "train", "normad-association", "--epochs", 1, "--set", "rule.init_scale=3e-9", "--out", "a"
    )
    assert code == 0 and "snnlab certify a" in out
    code, out, _ = snnlab(capsys, "certify", "a")
    assert code == 0 and "on 1 test sample" in out


def test_a_network_is_trained_and_summed_up(finished: Path, tmp_path: Path, capsys: Caught) -> None:
    code, out, said = snnlab(capsys, "train", *WORDS, "--seed", 1)
    assert code == 0 and said == ""
    run = tmp_path / "runs" / "hm2bp-digits-seed1"
    assert same_bits(run, finished)
    assert len(re.findall(r"^epoch \d/2  train +\d+\.\d\d %  test +\d+\.\d\d %", out, re.MULTILINE)) == 2
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert f"test accuracy  {100 * summary['test_accuracy']:.2f} % after 2 epochs" in out
    assert f"snnlab plot {run.relative_to(tmp_path)}" in out
    left = {"experiment.json", "environment.json", "metrics.jsonl", "checkpoints", "figures", "summary.json", ".lock"}
    assert {entry.name for entry in run.iterdir()} == left
    # once more is not over it, and going on with it has nothing to do
    assert "already holds a run; go on with --resume" in refusal(capsys, "train", *WORDS, "--seed", 1)
    code, out, _ = snnlab(capsys, "train", *WORDS, "--seed", 1, "--resume")
    assert code == 0 and "nothing to do" in out
    assert same_bits(run, finished)


def test_on_a_terminal_bars_show_speed_and_accuracy(monkeypatch: pytest.MonkeyPatch, capsys: Caught) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress_bars, "Console", lambda **_: Console(file=screen, force_terminal=True, width=120))
    code, out, said = snnlab(capsys, "train", *WORDS[:-1], "--epochs", 20, "--out", "run")
    assert code == 0 and said == "", said
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert re.search(r"epoch \d+/20 \S+ +\d+/1437 \d+ samples/s, \d+\.\d\d % right", shown)
    assert len(re.findall("^epoch ", out, re.MULTILINE)) == 20
    code, _, _ = snnlab(capsys, "certify", "run", "--samples", 2)
    assert code == 0 and "2/2" in screen.getvalue()


def test_some_of_the_recordings_are_learned_from_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    recordings = Recordings(tmp_path / "data")
    recordings.some(30)
    recordings.some(10, "Test")
    smaller = ["network.hidden=6", "encoder.pool=4", "encoder.steps=60", "encoder.dt=6e-3"]
    words = ["train", "hm2bp-nmnist", "--data", recordings.data, "--epochs", 2, "--out", tmp_path / "run"]
    code, out, _ = snnlab(capsys, *words, *(f"--set={option}" for option in smaller))
    assert code == 0
    assert out.startswith("hm2bp-nmnist, seed 0: 30 of 60000 samples, tested on 10 of 10000, 2 epochs\n")


def test_epochs_can_be_added(tmp_path: Path, capsys: Caught) -> None:
    words = [word for word in WORDS if "epochs" not in word]
    assert snnlab(capsys, "train", *words, "--epochs", 1, "--out", "a")[0] == 0
    assert snnlab(capsys, "train", "hm2bp-digits", "--out", "a", "--resume", "--epochs", 2)[0] == 0
    assert snnlab(capsys, "train", *words, "--epochs", 2, "--out", "b")[0] == 0
    assert same_bits(tmp_path / "a", tmp_path / "b")
    said = refusal(capsys, "train", "hm2bp-digits", "--out", "a", "--resume", "--epochs", 1)
    assert said == "--epochs: found 1; a has come to epoch 2"


def test_evaluation_says_what_the_summary_says(tmp_path: Path, capsys: Caught) -> None:
    snnlab(capsys, "train", *WORDS, "--out", "run")
    code, out, _ = snnlab(capsys, "evaluate", "run", "--json")
    assert code == 0
    told, summary = json.loads(out), json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert told["accuracy"] == summary["test_accuracy"]
    assert told["spikes_per_sample"] == pytest.approx(summary["spikes_per_sample"])
    assert told["cost"]["spikes"].keys() == {"hidden1", "output"}
    assert sum(told["cost"]["spikes"].values()) == pytest.approx(told["spikes_per_sample"])
    confusion = np.array(told["confusion"])
    assert confusion.sum() == told["samples"] == 360
    assert np.trace(confusion) / 360 == pytest.approx(told["accuracy"])
    code, out, _ = snnlab(capsys, "evaluate", "run")
    assert code == 0 and f"{100 * told['accuracy']:.2f} % of 360 test samples, after 2 epochs" in out
    # 64-24-10 in 60 steps: each synapse in each step, and four bytes for each weight and for v and q of each neuron
    assert told["cost"]["dense"] == 60 * (64 * 24 + 24 * 10)
    assert told["cost"]["parameters"] == 64 * 24 + 24 * 10
    assert told["cost"]["footprint_bytes"] == 4 * (64 * 24 + 24 * 10 + 2 * 34)
    # all to all, and no weight of a trained float is zero: a spike crosses as many as there are neurons behind it
    spikes = told["cost"]["spikes"]
    crossed = 24 * told["cost"]["input_spikes"] + 10 * spikes["hidden1"]
    assert told["cost"]["effective_acs"] == pytest.approx(crossed) and told["cost"]["effective_macs"] == 0
    assert told["cost"]["activation_sparsity"] == pytest.approx(1 - told["spikes_per_sample"] / (34 * 60))
    assert f"{crossed:,.0f} per sample, accumulates only; 106,560 if dense" in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_training_in_one_line_and_it_goes_on(number: int, code: int, tmp_path: Path) -> None:
    words = [*COMMAND, "train", *WORDS[:-1], "--out", "run"]
    with subprocess.Popen([*words, "--epochs", "5000"], **CHILD, cwd=tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "hm2bp-digits, seed 0: 1437 samples, 5,000 epochs\n"
        assert [child.stdout.readline()[:12] for _ in range(3)][-1] == "epoch    3/5"
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
    again = "go on with: snnlab train hm2bp-digits --out run --resume\n"
    assert (child.returncode, said) == (code, f"stopped, with at most the last 20 s of work lost; {again}")
    done = note(tmp_path / "run")["progress"]["epoch"] - 1
    more = [*words, "--resume", "--epochs", str(done + 1)]
    after = subprocess.run(more, **CHILD, cwd=tmp_path, timeout=60)
    assert after.returncode == 0, after.stderr
    begun = f"hm2bp-digits, seed 0: 1437 samples, {done + 1} epochs, going on after {done} epochs\n"
    assert after.stdout.startswith(f"{begun}epoch {done + 1}/{done + 1}  ")


def test_a_network_that_agrees_with_brian_is_certified(finished: Path, capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "certify", finished, "--samples", 3)
    assert code == 0
    assert re.search(
        r"^output: [1-9]\d* spikes identical in Brian2 and the float64 engine, 0 differing$", out, re.MULTILINE
    )
    assert re.fullmatch(r"certified: all \d+ spikes are identical in Brian2", out.splitlines()[-1])
    assert re.search(r"^predictions changed by float32: \d of 3$", out, re.MULTILINE)


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
    found = certify.Certificate(1, {"output": brian}, {"output": certify.Agreement()}, 0)
    monkeypatch.setattr(certify, "certify", lambda *_, **__: found)
    code, out, _ = snnlab(capsys, "certify", finished, "--samples", 1)
    assert (code, out.splitlines()[-1]) == (1, verdict)


@pytest.mark.slow
def test_a_run_is_drawn(finished: Path, tmp_path: Path, capsys: Caught) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    code, out, _ = snnlab(capsys, "plot", run, "--sample", 5)
    assert code == 0
    names = {"learning.png", "confusion.png", "weights.png", "raster.png", "potentials.png"}
    assert {Path(line) for line in out.splitlines()} == {run / "figures" / name for name in names}
    for name in names:
        assert (run / "figures" / name).read_bytes().startswith(PNG)
    assert "--sample: found 360; the test set has 0 to 359" in refusal(capsys, "plot", run, "--sample", 360)


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "v_th"), [("4C3,P2,12", "3,2,3,3"), ("P2,12", "2,3,3")])
def test_a_run_that_begins_with_kernels_or_pooling_is_drawn(
    hidden: str, v_th: str, tmp_path: Path, capsys: Caught
) -> None:
    layers = [f"--set=network.hidden={hidden}", f"--set=network.v_th={v_th}"]
    assert snnlab(capsys, "train", *WORDS, *layers, "--out", tmp_path / "run")[0] == 0
    code, out, _ = snnlab(capsys, "plot", tmp_path / "run")
    assert code == 0 and "weights.png" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["hm2bp-digit"], "no experiment 'hm2bp-digit'; did you mean 'hm2bp-digits'"),
        (["hm2bp-digits", "--epochs", "0"], "--epochs: found 0; needs at least 1"),
        (["hm2bp-digits", "--epochs", "-1"], "--epochs: found -1; needs at least 1"),
        (["hm2bp-digits", "--threads", "0"], "--threads: found 0; needs at least 1"),
        (["hm2bp-digits", "--seed", "-1"], "--seed: found -1; needs at least 0"),
        (["hm2bp-digits", "--seed", str(2**32)], f"found {2**32}; needs"),
        (["hm2bp-digits", "--save-every", "-1"], "--save-every: found -1.0; needs at least 0"),
        (["hm2bp-digits", "--save-every", "nan"], "--save-every: found nan; needs at least 0"),
        (["hm2bp-digits", "--set", "epochs=0"], "--set epochs: found 0; needs at least 1"),
        (["hm2bp-digits", "--set", "batch=-1"], "--set batch: found -1; needs at least 1"),
        (["hm2bp-digits", "--set", "epochs"], "--set epochs: no value; needs KEY=VALUE"),
        (["hm2bp-digits", "--set", "rule.lr=1"], "--set rule.lr: no such option of hm2bp-digits; .*known: .*batch"),
        (["hm2bp-digits", "--set", "epochs=3", "--epochs", "4"], "--epochs: found 4, and --set epochs=3"),
        (["hm2bp-digits", "--resume"], "runs/hm2bp-digits-seed0: nothing to resume"),
        (["hm2bp-mnist", "--data", "nowhere"], "mnist: train-images-idx3-ubyte: not found in nowhere"),
        (["hm2bp-digits", "--set", "network.hidden=2000000000"], "not enough memory|network.hidden"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(words: list[str], says: str, tmp_path: Path, capsys: Caught) -> None:
    assert re.search(says, refusal(capsys, "train", *words))
    assert not list(tmp_path.iterdir()), "something was written"


def test_a_learning_rate_beyond_all_numbers_stops_and_keeps_what_is_good(tmp_path: Path, capsys: Caught) -> None:
    code, _, said = snnlab(capsys, "train", *WORDS, "--set", "rule.learning_rate=1e38", "--out", "run")
    assert code == 2 and said.count("\n") == 1
    assert re.search(
        r"run: epoch 1, batch \d: weights of .* not finite any more; stopped; 00001-0000000.npz is good", said
    )
    with np.load(tmp_path / "run" / "checkpoints" / "00001-0000000.npz", allow_pickle=False) as kept:
        assert all(np.isfinite(kept[name]).all() for name in kept.files)


def test_a_file_in_the_way_of_a_run_is_left_alone(tmp_path: Path, capsys: Caught) -> None:
    (tmp_path / "run").write_text("thesis", encoding="utf-8")
    assert refusal(capsys, "train", *WORDS, "--out", "run").startswith("run: exists and is not a run")
    assert refusal(capsys, "train", *WORDS, "--out", "run/below").startswith("run/below: ")
    assert refusal(capsys, "train", *WORDS, "--out", "run", "--resume").startswith("run: ")
    assert (tmp_path / "run").read_text(encoding="utf-8") == "thesis"


def test_a_run_that_cannot_be_written_is_not_trained(finished: Path, tmp_path: Path, capsys: Caught) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").mkdir()
    said = refusal(capsys, "train", "hm2bp-digits", "--out", "run", "--resume", "--epochs", 3)
    assert said.startswith("run/metrics.jsonl: cannot be written: Is a directory; 00003-0000000.npz is whole")
    (run / "metrics.jsonl").rmdir()
    (run / ".lock").unlink()
    (run / ".lock").mkdir()
    assert refusal(capsys, "train", "hm2bp-digits", "--out", "run", "--resume").startswith("run: cannot be written")
    (run / ".lock").rmdir()
    assert snnlab(capsys, "train", "hm2bp-digits", "--out", "run", "--resume")[0] == 0


@pytest.mark.parametrize("command", ["evaluate", "certify", "plot"])
def test_what_is_no_run_is_refused(command: str, finished: Path, tmp_path: Path, capsys: Caught) -> None:
    assert refusal(capsys, command, "nothing").startswith("nothing: no such run")
    (tmp_path / "empty").mkdir()
    assert refusal(capsys, command, "empty").startswith("empty: no experiment.json")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    assert refusal(capsys, command, "thesis") == "thesis: no experiment.json; this directory is not a run"
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    newest = max((run / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    assert refusal(capsys, command, "run").startswith(f"run/checkpoints/{newest.name}: a spoilt checkpoint")
    (run / "experiment.json").write_text("{", encoding="utf-8")
    assert refusal(capsys, command, "run").startswith("run/experiment.json: not JSON")


def test_a_run_cut_off_as_it_began_is_begun_by_resume(tmp_path: Path, finished: Path, capsys: Caught) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    code, _, said = snnlab(capsys, "train", *WORDS, "--seed", 1, "--out", "run", "--resume")
    assert code == 0 and said == "run was cut off before it began; beginning\n"
    assert same_bits(tmp_path / "run", finished)


def test_a_kill_costs_by_the_command_what_it_costs_by_the_library() -> None:
    assert inspect.signature(training.train).parameters["save_every"].default == BETWEEN_CHECKPOINTS
