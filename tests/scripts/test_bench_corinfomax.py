"""The benchmark of CorInfoMax against PyTorch: its ratios, and errors for different weights or without PyTorch."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from script_module import script_module

from snnlab.experiments import EXPERIMENTS

IMPLEMENTATIONS = ("snnlab", "PyTorch, input once", "PyTorch")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module that finds PyTorch, with 8 x 8 digits and 20 hidden cells."""
    module = script_module("bench_corinfomax")
    small = replace(EXPERIMENTS["corinfomax-mnist"], dataset="digits").with_options({"network.hidden": "20"})
    monkeypatch.setitem(EXPERIMENTS, "corinfomax-mnist", small)
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace())
    monkeypatch.setattr(module, "version", lambda name: "of the test")
    return module


def replace_rounds(monkeypatch: pytest.MonkeyPatch, script: Any, weights: tuple[float, float, float]) -> None:
    """Two rounds of 3, 6 and 9 ms per batch, the second three times as long; a weight of 0.9 changes to `weights`."""
    times = {
        name: 1e-3 * k * np.array([[1.0, 1.0], [3.0, 3.0]]) for k, name in zip((3, 6, 9), IMPLEMENTATIONS, strict=True)
    }
    final = [{"a": np.array([2.0, weight])} for weight in weights]
    monkeypatch.setattr(script, "run_rounds", lambda *arguments: (times, {"a": np.array([2.0, 0.9])}, final))


def test_ratios_are_medians_of_the_ratios_of_rounds(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_rounds(monkeypatch, script, (1.0, 1.001, 0.9985))
    assert script.main(["--json", "--batches", "2"]) == 0
    report = json.loads(capsys.readouterr().out)
    ratios = [report["ways"][name]["ratio"] for name in IMPLEMENTATIONS]
    assert ratios == pytest.approx([1, 2, 3]) and report["ways"]["snnlab"]["ms"] == pytest.approx(6.0)
    assert report["difference"] == pytest.approx(0.0015 / 0.1)


def test_different_weights_exit_with_an_error(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for weights in ((1.0, 1.0, 1.01), (1.0, float("nan"), 1.0), (1.0, 1.0, float("nan"))):
        replace_rounds(monkeypatch, script, weights)
        with pytest.raises(SystemExit) as stopped:
            script.main(["--batches", "2"])
        output = capsys.readouterr()
        assert stopped.value.code == 1 and output.out == "" and "weights differ by" in output.err


@pytest.mark.parametrize("fault", ["", "backward", "lateral", "sign"])
def test_the_rule_in_pytorch_learns_the_same_weights_and_a_faulty_rule_is_detected(script: Any, fault: str) -> None:
    """For 40 batches of digits. Negative controls: fixed backward or lateral weights, and the wrong sign of beta."""
    pytest.importorskip("torch")

    class Faulty(script.InTorch):  # type: ignore[misc]
        def step(self, x: Any, labels: Any, beta: float) -> None:
            fixed = {"backward": [script.C], "lateral": [script.B1, script.B2]}.get(fault, [])
            before = {name: self.weights[name].clone() for name in fixed}
            super().step(x, labels, -beta if fault == "sign" else beta)
            self.weights |= before

    script.InTorch = Faulty
    config = EXPERIMENTS["corinfomax-mnist"].config(seed=0, threads=1)
    _, initial, final = script.run_rounds(config, 3, 10)
    assert (script.largest_difference(initial, final) < script.TOLERANCE) == (not fault)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["--batches", "0"], ("--batches", "0", "1500")),
        (["--threads", "1000"], ("--threads", "1000")),
        (["--batches", "40", "--rounds", "1"], ("--batches", "40", "72")),
    ],
)
def test_numbers_out_of_range_exit_with_an_error(
    script: Any, words: list[str], values: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        script.main(words)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and all(value in error for value in values)


def test_without_pytorch_the_error_names_the_package_to_install(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stopped:
        script.main([])
    output = capsys.readouterr()
    assert stopped.value.code == 1 and output.out == ""
    assert "PyTorch" in output.err and "snnlab-brian[bench]" in output.err and output.err.count("\n") == 1
