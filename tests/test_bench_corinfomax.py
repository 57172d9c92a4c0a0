"""The comparison with PyTorch: what is missing is said, and nothing is reported of rules that learn something else."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "bench_corinfomax.py"
WAYS = ("snnlab", "PyTorch, input once", "PyTorch")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module that finds PyTorch, and in which nothing is trained."""
    spec = importlib.util.spec_from_file_location("bench_corinfomax", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace())
    monkeypatch.setattr(module.EXPERIMENTS["corinfomax-mnist"].__class__, "trial", lambda self, **options: None)
    return module


def trained(monkeypatch: pytest.MonkeyPatch, script: Any, weights: tuple[float, float, float]) -> None:
    """Rounds of 3, 6 and 9 ms a batch, three times as long in the second, that end with these weights."""
    took = {way: 1e-3 * k * np.array([[1.0, 1.0], [3.0, 3.0]]) for k, way in zip((3, 6, 9), WAYS, strict=True)}
    ends = [{"a": np.array([2.0, one])} for one in weights]
    monkeypatch.setattr(script, "rounds", lambda trial, many, batches: (took, ends))


def test_ratios_are_those_of_each_round(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(monkeypatch, script, (1.0, 1.001, 0.9985))
    assert script.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name: row["ratio"] for name, row in found["ways"].items()} == pytest.approx(dict(zip(WAYS, (1, 2, 3))))  # noqa: B905
    assert found["ways"]["snnlab"]["ms"] == pytest.approx(6.0)
    assert found["difference"] == pytest.approx(0.0015 / 2)


def test_rules_that_come_to_other_weights_are_not_compared(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for weights in ((1.0, 1.0, 1.01), (1.0, float("nan"), 1.0), (1.0, 1.0, float("nan"))):
        trained(monkeypatch, script, weights)
        with pytest.raises(SystemExit) as stopped:
            script.main([])
        said = capsys.readouterr()
        assert stopped.value.code == 1 and said.out == "" and "weights differ by" in said.err


def test_without_pytorch_it_says_how_to_install_it(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as stopped:
        script.main([])
    said = capsys.readouterr()
    assert stopped.value.code == 1 and said.out == ""
    assert said.err == 'bench_corinfomax: needs PyTorch: pip install "snnlab-brian[bench]"\n'
