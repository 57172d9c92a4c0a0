"""The comparison with other libraries: missing ones are skipped, ratios are correct, and each library learns."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from script_module import script_module

from snnlab.data.spikes import SpikeTrains
from snnlab.rules.rule import Batch

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench_peers.py"
PEERS = ["spyx", "norse", "snntorch"]
SPEEDS = {"snnlab": 3000.0, "spyx": 60.0, "norse": 40.0, "snntorch": 30.0}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module that starts no process: the libraries have the speeds above."""
    module = script_module("bench_peers")
    monkeypatch.setattr(module, "in_a_process", result)
    return module


def result(name: str, options: Any) -> dict[str, Any]:
    return {
        "samples_per_s": SPEEDS[name],
        "first_loss": 2.3,
        "last_loss": 1.9,
        "peak_memory_MB": 1000.0,
        "versions": {name: "1.0"},
    }


def only(monkeypatch: pytest.MonkeyPatch, module: ModuleType, *installed: str) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: SimpleNamespace() if name in installed else None)


def test_without_peers_the_script_fails_and_says_how_to_install_them(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, script)
    assert script.main([]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert [line.split(":")[0] for line in lines] == PEERS
    assert all('pip install "snnlab-brian[bench]"' in line for line in lines)


def test_missing_peers_are_skipped(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, script, "norse", "torch", "spyx")  # no jax, which spyx needs
    assert script.main(["--json"]) == 0
    output = capsys.readouterr()
    assert {line.split(":")[0] for line in output.err.splitlines()} == {"spyx", "snntorch"}
    assert set(json.loads(output.out)["training"]) == {"snnlab", "norse"}


def test_the_ratio_is_that_of_the_speeds(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, script, "norse", "torch", "spyx", "jax", "snntorch")
    assert script.main(["--json"]) == 0
    results = json.loads(capsys.readouterr().out)["training"]
    assert {name: row.get("snnlab_is_faster") for name, row in results.items()} == {
        "snnlab": None, "spyx": 50.0, "norse": 75.0, "snntorch": 100.0,
    }  # fmt: skip
    assert script.main(["--peers", "spyx"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("spyx"))
    assert row.split()[:3] == ["spyx", "60.0", "50.0"]


@pytest.mark.parametrize("words", [["--peers", "nengo"], ["--batches", "0"], ["--threads", "0"], ["--threads", "4096"]])
def test_invalid_options_are_errors(words: list[str], script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        script.main(words)
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_extra_has_every_peer() -> None:
    project = tomllib.loads((SCRIPT.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = " ".join(project["optional-dependencies"]["bench"])
    assert project["name"] == "snnlab-brian"
    assert all(peer in named for peer in PEERS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_can_overfit_a_batch(peer: str, script: Any) -> None:
    """A tenth of the inputs fires for each class; the loss falls below ln 10, that of a uniform prediction."""
    for name in script.PEERS[peer]:
        pytest.importorskip(name)
    labels = np.arange(20) % 10
    part = np.arange(784) % 10 == labels[:, None, None]
    dense = np.random.default_rng(0).random((20, 100, 784)) < np.where(part, 0.25, 0.0)
    batch = Batch(SpikeTrains.from_dense(dense, 1e-3), labels)
    step = script.dense(getattr(script, peer)(1), batch)
    losses = [step() for _ in range(20)]
    assert losses[-1] < min(0.9 * np.log(10), losses[0])
