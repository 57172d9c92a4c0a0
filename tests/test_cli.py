"""The command line: what it prints, what it exits with, and the one line with which it says no."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import ENVIRONMENT, ROOT, WORDS, refusal, same_bits, snnlab, trained

from snnlab import cards, cli, simulate
from snnlab.experiments import EXPERIMENTS

PNG = b"\x89PNG\r\n\x1a\n"
COMMANDS = ["models", "simulate", "experiments", "train", "evaluate", "certify", "plot"]
COMMANDS += ["data list", "data where", "data verify", "data fetch"]
Caught = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("cli") / "run").run.path


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_DATA", raising=False)


def fields(out: str) -> dict[str, str]:
    """What a command prints line by line, by name."""
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in out.splitlines() if not line.startswith(" "))


# All of them ----------------------------------------------------------------------------------------------------------


def help_of(command: str, capsys: Caught) -> str:
    code, said, _ = snnlab(capsys, *command.split(), "--help")
    assert code == 0
    return said


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_with_an_example(command: str, capsys: Caught) -> None:
    said = help_of(command, capsys)
    assert len(said.splitlines()) > 8
    assert re.search(rf"^  snnlab {command}\b", said, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("commands", [COMMANDS[:2], COMMANDS[2:7], COMMANDS[7:9]], ids=["cells", "training", "data"])
def test_every_example_works(commands: list[str], tmp_path: Path, capsys: Caught) -> None:
    """In a shell, one after another, as somebody would who reads the help from top to bottom."""
    shim = tmp_path / "bin" / "snnlab"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m snnlab "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    told = "\n".join(help_of(name, capsys) for name in commands)
    examples = re.findall(r"^  (snnlab .*?)(?:  .*)?$", told, re.MULTILINE)
    assert len(examples) >= len(commands) - 1
    environment = ENVIRONMENT | {"PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}"}
    for example in examples:
        if "hm2bp-digits-seed0" in example or "mnist" not in example or "experiments" in example:
            done = subprocess.run(
                ["sh", "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
            )
            assert done.returncode == 0, f"{example}\n{done.stdout}{done.stderr}"


def test_listing_the_models_waits_for_no_simulator() -> None:
    program = (
        "import sys; sys.argv = ['snnlab', 'models']; from snnlab.cli import main; code = main();"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    loaded = set(done.stderr.split())
    assert "snnlab" in loaded
    assert not loaded & {"brian2", "matplotlib", "numpy", "scipy", "sklearn"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["modles"], "No such command 'modles'"),
        (["train"], "Missing argument 'EXPERIMENT'"),
        (["train", "hm2bp-digits", "--epoch", "3"], "No such option.*--epoch"),
        (["train", "hm2bp-digits", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["train", "hm2bp-digits", "--epochs"], "'--epochs' requires an argument"),
        (["models", "lif", "adex"], "unexpected extra argument"),
    ],
)
def test_words_that_make_no_command_are_one_line(words: list[str], says: str, capsys: Caught) -> None:
    assert re.search(says, refusal(capsys, *words))


def test_without_a_command_there_is_help_and_no_success(capsys: Caught) -> None:
    code, out, _ = snnlab(capsys)
    assert code == 2
    assert all(name in out for name in COMMANDS[:7])


def test_the_version_is_said(capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "--version")
    assert code == 0 and re.fullmatch(r"snnlab (\d+\.\d+\.\d+|of a checkout that is not installed)\n", out)


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), MemoryError("4 TiB")])
def test_what_stops_a_command_from_outside_is_one_line(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    def stops() -> None:
        raise raised

    monkeypatch.setattr(cards, "models", stops)
    code, out, said = snnlab(capsys, "models")
    assert code == (130 if isinstance(raised, KeyboardInterrupt) else 2)
    assert out == "" and said.count("\n") == 1


# Models and cells -----------------------------------------------------------------------------------------------------


def test_models_are_those_on_the_shelf(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "models", "--json")
    listed = {card["id"]: card for card in json.loads(out)}
    assert sorted(listed) == sorted(file.stem for file in (ROOT / "models").glob("*.toml"))
    assert listed["lif"]["kind"] == "cell" and listed["ampa"]["kind"] == "synapse"
    assert listed["pinsky_rinzel"]["compartments"].keys() == {"soma", "dendrite"}
    _, out, _ = snnlab(capsys, "models")
    assert {line.split()[0] for line in out.splitlines()[1:]} == set(listed)


def test_a_card_is_printed_as_it_is(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "models", "adex")
    assert out == (ROOT / "models" / "adex.toml").read_text(encoding="utf-8")
    assert "did you mean 'adex'" in refusal(capsys, "models", "addex")


def test_a_cell_under_a_current_fires_as_often_as_the_formula_says(capsys: Caught) -> None:
    """150 pA through 10 nS: 15 mV, 10 of them up to the threshold; time constant 20 ms, refractory 5 ms."""
    code, out, _ = snnlab(capsys, "simulate", "lif", "--inject", "soma=0.15*nA", "--for", "1*second")
    assert code == 0
    first = 20 * math.log(15 / (15 - 10))
    expected = 1 + math.floor((1000 - first) / (first + 5))
    said = fields(out)["spikes"]
    assert re.match(rf"{expected}, {expected} Hz, the first at ", said)
    assert float(said.split()[-2]) == pytest.approx(first, abs=0.1)
    low, high = re.findall(r"-?\d+\.?\d*", fields(out)["soma potential"])
    assert float(low) == -60 and -50.1 < float(high) <= -50


def test_without_a_current_the_card_shows_its_example(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "simulate", "lif")
    assert fields(out)["into soma"] == cards.cell("lif").example["inject"]["soma"]
    _, given, _ = snnlab(capsys, "simulate", "lif", "--inject", "soma=150 pA", "--for", "200 ms")
    assert given == out


def recorded(capsys: Caught, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    """The recording that a simulate command makes."""
    made = []
    right = simulate.simulate

    def keeping(*arguments: Any, **more: Any) -> Any:
        made.append(right(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(simulate, "simulate", keeping)
    code, _, said = snnlab(capsys, "simulate", *words)
    assert code == 0, said
    return made[0]


def test_currents_are_injected_when_they_are_said_to_be_and_add_up(
    capsys: Caught, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--inject", "soma=0.1*nA", "--inject", "soma=-30*pA@20*ms:", "--inject", "soma=5 pA@10 ms:30 ms"]
    found = recorded(capsys, monkeypatch, "lif", "--for", "40*ms", "--dt", "0.1*ms", *words)
    current = found.trace("cell", "I_injected")
    expected = np.repeat([100e-12, 105e-12, 75e-12, 70e-12], 100)
    assert current.values[:, 0] == pytest.approx(expected, rel=1e-12)
    assert found.dt == pytest.approx(1e-4)


def test_each_compartment_has_a_current_of_its_own(capsys: Caught, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        "--inject",
        "dendrite=1*uA/cm**2",
        "--inject",
        "soma=2*uA/cm**2@1*ms:2*ms",
        "--for",
        "3*ms",
        "--record",
        "Ca",
    ]
    found = recorded(capsys, monkeypatch, "pinsky_rinzel", *words)
    # 1 uA/cm2 is 0.01 A/m2
    assert np.unique(found.trace("cell", "I_d_injected").values) == pytest.approx([0.01])
    assert np.unique(found.trace("cell", "I_s_injected").values) == pytest.approx([0, 0.02])
    assert {"v_s", "v_d", "Ca"} <= found.traces["cell"].keys()


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_picture_is_where_it_was_asked_for(suffix: str, tmp_path: Path, capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "simulate", "lif", "--for", "30*ms", "--plot", f"cell{suffix}", "--record", "I")
    assert code == 0 and fields(out)["plot"] == f"cell{suffix}"
    assert (tmp_path / f"cell{suffix}").read_bytes()[:4] in (b"\x89PNG", b"%PDF", b"<?xm")


def test_the_same_seed_gives_the_same_noise(tmp_path: Path, capsys: Caught) -> None:
    text = (ROOT / "models" / "lif.toml").read_text(encoding="utf-8")
    noisy = text.replace("+ I)/C : volt (unless refractory)", "+ I)/C + 3*mV*xi/ms**0.5 : volt (unless refractory)")
    assert noisy != text
    (tmp_path / "noisy.toml").write_text(noisy.replace('"rk4"', '"euler"'), encoding="utf-8")
    said = [snnlab(capsys, "simulate", "noisy.toml", "--seed", seed)[1] for seed in (1, 1, 2)]
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nolif"], "models: no card 'nolif'; did you mean 'lif'"),
        (["ampa"], "models/ampa.toml: 'ampa' is a synapse"),
        (["missing.toml"], "missing.toml: No such file"),
        (["lif", "--inject", "soma"], "--inject: found 'soma'; needs WHERE=CURRENT"),
        (["lif", "--inject", "soma=1*nA@5*ms"], "--inject: found 'soma=1\\*nA@5\\*ms'; needs WHERE=CURRENT"),
        (["lif", "--inject", "axon=1*nA"], "no compartment 'axon' on models/lif.toml; known: soma"),
        (["lif", "--inject", "soma=1*mV"], "--inject soma: found '1\\*mV'; needs a value in amp"),
        (["lif", "--inject", "soma=1*nA@1*mV:2*ms"], "--inject soma: found '1\\*mV'; needs a value in second"),
        (["lif", "--inject", "soma=1*nA@3*ms:2*ms"], "--inject soma: from 0.003 s to 0.002 s; needs 0 <= FROM < TO"),
        (["lif", "--inject", "soma=__import__('os')"], "--inject soma: .* is not a number with a unit"),
        (["lif", "--for", "0*ms"], "--for: found '0\\*ms'; needs a time above 0"),
        (["lif", "--for", "100"], "--for: found '100'; needs a value in second"),
        (["lif", "--for", "1.03*ms"], "1e?.* is no whole number of steps|no whole number of steps"),
        (["lif", "--dt", "-1*ms"], "--dt: found '-1\\*ms'"),
        (["lif", "--record", "u"], "no variable 'u'"),
        (["lif", "--seed", "-1"], "seed: found -1"),
        (["lif", "--plot", "cell.gif"], "cell.gif: suffix '.gif' for a picture"),
        (["lif", "--plot", "no/such/folder/cell.png"], "cell.png: cannot be written: No such file"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(words: list[str], says: str, capsys: Caught) -> None:
    assert re.search(says, refusal(capsys, "simulate", *words))


@pytest.mark.parametrize(
    ("field", "old", "new", "says"),
    [
        ("equations", "(g_L*(E_L - v) + I)/C", "(E_L - v + I)/C", "own.toml: equations: "),
        ("unit", 'C = "200 pF"', 'C = "200 mV"', "own.toml: equations: "),
        ("threshold", "v > v_th", "v > g_L", "own.toml: threshold: "),
        ("reset", "v = v_reset", "v = g_L", "own.toml: reset: "),
        ("symbol", "v > v_th", "v > v_thr", "own.toml: threshold: unknown symbol 'v_thr'"),
        ("missing", 'E_L = "-60 mV"\n', "", "own.toml: .*E_L"),
        ("key", "dt = ", "delta = ", "own.toml: "),
        ("code", "v > v_th", "__import__('os').system('true')", "own.toml: threshold: "),
    ],
)
def test_a_mistake_in_ones_own_card_is_refused_by_file_and_field(
    field: str, old: str, new: str, says: str, tmp_path: Path, capsys: Caught
) -> None:
    text = (ROOT / "models" / "lif.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "own.toml").write_text(text.replace(old, new), encoding="utf-8")
    assert re.match(says, refusal(capsys, "simulate", "own.toml")), field


# Data -----------------------------------------------------------------------------------------------------------------


def test_datasets_are_those_on_the_shelf_and_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    monkeypatch.setattr("snnlab.loaders.data_folder", lambda: tmp_path / "own")
    code, out, _ = snnlab(capsys, "data", "list")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert lines.keys() - {"id"} == {file.stem for file in (ROOT / "datasets").glob("*.toml")}
    assert lines["digits"].endswith("ships with scikit-learn")
    assert lines["mnist"].endswith("not found")


def test_data_that_is_missing_or_spoilt_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    monkeypatch.setattr("snnlab.loaders.data_folder", lambda: tmp_path / "own")
    assert snnlab(capsys, "data", "where", "digits")[0] == 0
    assert snnlab(capsys, "data", "where", "mnist")[0] == 1
    (tmp_path / "mnist").mkdir()
    for file in cards.dataset("mnist").files:
        (tmp_path / "mnist" / file).write_bytes(b"spoilt")
    code, out, _ = snnlab(capsys, "data", "where", "mnist", "--data", tmp_path)
    assert code == 0 and str(tmp_path / "mnist" / "t10k-labels-idx1-ubyte") in out
    code, out, _ = snnlab(capsys, "data", "verify", "mnist", "--data", tmp_path)
    assert code == 1 and out.count(": bad: ") == 4
    assert snnlab(capsys, "data", "verify", "digits")[0] == 0


def test_whole_data_is_found_and_verified(mnist_folder: Path, capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "data", "verify", "mnist", "--data", mnist_folder)
    assert code == 0 and out.count(": ok") == 4


@pytest.mark.parametrize("command", ["where", "verify", "fetch"])
def test_a_dataset_that_there_is_not_is_refused(command: str, capsys: Caught) -> None:
    assert "datasets: no card 'mnits'; did you mean 'mnist'" in refusal(capsys, "data", command, "mnits")


# Training -------------------------------------------------------------------------------------------------------------


def test_experiments_are_those_that_there_are(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "experiments", "--json")
    listed = {one["id"]: one for one in json.loads(out)}
    assert listed.keys() == EXPERIMENTS.keys()
    assert listed["hm2bp-mnist"]["reported"] == 0.9884
    assert listed["hm2bp-mnist"]["options"]["network.hidden"] == [800]
    _, out, _ = snnlab(capsys, "experiments", "hm2bp-mnist")
    shown = fields(out)
    assert shown["network.hidden"] == "800" and shown["network.v_th"] == "20.0,8.0"
    assert shown["reported"] == "98.84 %"
    # what is shown can be set
    for name, value in shown.items():
        if "." in name:
            assert EXPERIMENTS["hm2bp-mnist"].with_options({name: value}) == EXPERIMENTS["hm2bp-mnist"]


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
    assert told["spikes_per_sample_by_population"].keys() == {"hidden1", "output"}
    assert sum(told["spikes_per_sample_by_population"].values()) == pytest.approx(told["spikes_per_sample"])
    confusion = np.array(told["confusion"])
    assert confusion.sum() == told["samples"] == 360
    assert np.trace(confusion) / 360 == pytest.approx(told["accuracy"])
    code, out, _ = snnlab(capsys, "evaluate", "run")
    assert code == 0 and f"{100 * told['accuracy']:.2f} % of 360 test samples, after 2 epochs" in out


def test_a_network_that_agrees_with_brian_is_certified(finished: Path, capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "certify", finished, "--samples", 3)
    assert code == 0
    assert re.search(
        r"^output: [1-9]\d* spikes identical in Brian2 and the float64 engine, 0 differing$", out, re.MULTILINE
    )
    assert re.search(r"^answers changed by float32: \d of 3$", out, re.MULTILINE)


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
        (["hm2bp-digits", "--set", "rule.lr=1"], "--set rule.lr: no such option; .*known: batch"),
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
    said = refusal(capsys, "train", *WORDS, "--set", "rule.learning_rate=1e38", "--out", "run")
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


def test_the_entry_point_is_the_one_that_is_declared() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'snnlab = "snnlab.cli:main"' in text
    assert callable(cli.main)
