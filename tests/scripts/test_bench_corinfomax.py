"""The comparison with PyTorch: what is missing is said, and nothing is reported of rules that learn something else."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from script_module import script_module

from snnlab.experiments import EXPERIMENTS

WAYS = ("snnlab", "PyTorch, input once", "PyTorch")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module that finds PyTorch, and whose experiment is of the 8 x 8 digits and 20 cells."""
    module = script_module("bench_corinfomax")
    small = replace(EXPERIMENTS["corinfomax-mnist"], dataset="digits").with_options({"network.hidden": "20"})
    monkeypatch.setitem(EXPERIMENTS, "corinfomax-mnist", small)
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace())
    monkeypatch.setattr(module, "version", lambda name: "of the test")
    return module


def trained(monkeypatch: pytest.MonkeyPatch, script: Any, weights: tuple[float, float, float]) -> None:
    """Rounds of 3, 6 and 9 ms a batch, three times as long in the second; a weight of 0.9 goes to these."""
    took = {way: 1e-3 * k * np.array([[1.0, 1.0], [3.0, 3.0]]) for k, way in zip((3, 6, 9), WAYS, strict=True)}
    ends = [{"a": np.array([2.0, one])} for one in weights]
    monkeypatch.setattr(script, "rounds", lambda config, many, batches: (took, {"a": np.array([2.0, 0.9])}, ends))


def test_ratios_are_those_of_each_round(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(monkeypatch, script, (1.0, 1.001, 0.9985))
    assert script.main(["--json", "--batches", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    ratios = [found["ways"][way]["ratio"] for way in WAYS]
    assert ratios == pytest.approx([1, 2, 3]) and found["ways"]["snnlab"]["ms"] == pytest.approx(6.0)
    assert found["difference"] == pytest.approx(0.0015 / 0.1)


def test_rules_that_come_to_other_weights_are_not_compared(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for weights in ((1.0, 1.0, 1.01), (1.0, float("nan"), 1.0), (1.0, 1.0, float("nan"))):
        trained(monkeypatch, script, weights)
        with pytest.raises(SystemExit) as stopped:
            script.main(["--batches", "2"])
        said = capsys.readouterr()
        assert stopped.value.code == 1 and said.out == "" and "weights differ by" in said.err


@pytest.mark.parametrize("spoilt", ["", "backward", "lateral", "sign"])
def test_the_rule_in_pytorch_learns_what_ours_learns_and_another_rule_is_noticed(script: Any, spoilt: str) -> None:
    """40 batches of digits. Controls: backward weights or lateral ones that stay, a teacher of the other sign."""
    pytest.importorskip("torch")

    class Spoilt(script.InTorch):  # type: ignore[misc]
        def step(self, x: Any, labels: Any, beta: float) -> None:
            kept = {"backward": [script.C], "lateral": [script.B1, script.B2]}.get(spoilt, [])
            before = {name: self.weights[name].clone() for name in kept}
            super().step(x, labels, -beta if spoilt == "sign" else beta)
            self.weights |= before

    script.InTorch = Spoilt
    config = EXPERIMENTS["corinfomax-mnist"].config(seed=0, threads=1)
    _, first, ends = script.rounds(config, 3, 10)
    assert (script.apart(first, ends) < script.CLOSE) == (not spoilt)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--batches", "0"], "--batches: found 0; needs 1 to 1500"),
        (["--threads", "1000"], "--threads: found 1000; needs 1 to "),
        (["--batches", "40", "--rounds", "1"], "--batches: found 40 in 1 rounds and one before; an epoch has 72"),
    ],
)
def test_numbers_that_it_cannot_take_are_refused(
    script: Any, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        script.main(words)
    assert stopped.value.code == 2 and says in capsys.readouterr().err


def test_without_pytorch_it_says_how_to_install_it(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stopped:
        script.main([])
    said = capsys.readouterr()
    assert stopped.value.code == 1 and said.out == ""
    assert said.err == 'bench_corinfomax: needs PyTorch: pip install "snnlab-brian[bench]"\n'
