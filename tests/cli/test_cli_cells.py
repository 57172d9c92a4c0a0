"""Models and simulated cells on the command line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import assert_error, error_line, printed_fields, snnlab
from small_run import ROOT

from snnlab import brian, cards, plots
from snnlab.cli import output

Caught = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_DATA", raising=False)


def test_the_list_has_all_models(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "models", "--json")
    listed = {card["id"]: card for card in json.loads(out)}
    assert sorted(listed) == sorted(file.stem for file in (ROOT / "models").glob("*.toml"))
    assert listed["lif"]["kind"] == "cell" and listed["ampa"]["kind"] == "synapse"
    assert listed["pinsky_rinzel"]["compartments"].keys() == {"soma", "dendrite"}
    _, out, _ = snnlab(capsys, "models")
    assert {line.split()[0] for line in out.splitlines()[1:]} == set(listed)
    assert max(map(len, out.splitlines())) <= 120
    assert re.search(r"^hodgkin_huxley +cell +Hodgkin-Huxley +Hodgkin and Huxley 1952$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("reference", "short"),
    [
        ("Jin, Zhang, Li, Hybrid macro/micro level, NeurIPS 2018, arXiv:1805.07866", "Jin, Zhang, Li 2018"),
        ("Bozkurt, Pehlevan, Erdogan, NeurIPS 2023, arXiv:2306.04810", "Bozkurt et al. 2023"),
        ("Lapicque, J. Physiol. 9:620, 1907; values of Brette et al., 2007", "Lapicque 1907"),
        ("Gerstner, Kistler, Naud, Paninski, Neuronal Dynamics, Cambridge 2014", "Gerstner et al. 2014"),
        ("my own, 2024", "my own, 2024"),
        ("Brette", "Brette"),
        ("Brette, doi:10.1152/jn.2005", "Brette, doi:10.1152/jn.2005"),
    ],
)
def test_a_reference_is_shortened_to_authors_and_year(reference: str, short: str) -> None:
    assert output.short_reference(reference) == short


def test_a_card_is_printed_unchanged(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "models", "adex")
    assert out == (ROOT / "models" / "adex.toml").read_text(encoding="utf-8")
    assert_error(error_line(capsys, "models", "addex"), "CARD", "addex", "adex")


def test_a_constant_current_evokes_the_analytical_firing_rate(capsys: Caught) -> None:
    """150 pA / 10 nS = 15 mV, threshold at 10 mV, time constant 20 ms, refractory period 5 ms."""
    code, out, _ = snnlab(capsys, "simulate", "lif", "--inject", "soma=0.15*nA", "--for", "1*second")
    assert code == 0
    first = 20 * math.log(15 / (15 - 10))
    expected = 1 + math.floor((1000 - first) / (first + 5))
    spikes = printed_fields(out)["spikes"]
    assert re.match(rf"{expected}, {expected} Hz, the first at ", spikes)
    assert float(spikes.split()[-2]) == pytest.approx(first, abs=0.1)
    low, high = re.findall(r"-?\d+\.?\d*", printed_fields(out)["soma potential"])
    assert float(low) == -60 and -50.1 < float(high) <= -50


def test_the_default_currents_are_those_of_the_example(capsys: Caught) -> None:
    _, out, _ = snnlab(capsys, "simulate", "lif")
    assert printed_fields(out)["into soma"] == cards.cell("lif").example["inject"]["soma"]
    _, given, _ = snnlab(capsys, "simulate", "lif", "--inject", "soma=150 pA", "--for", "200 ms")
    assert given == out


def recorded(capsys: Caught, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    """The recording of a simulate command."""
    recordings = []
    simulate = brian.simulate

    def store(*arguments: Any, **options: Any) -> Any:
        recordings.append(simulate(*arguments, **options))
        return recordings[-1]

    monkeypatch.setattr(brian, "simulate", store)
    code, _, err = snnlab(capsys, "simulate", *arguments)
    assert code == 0, err
    return recordings[0]


def test_currents_into_one_place_add_up(capsys: Caught, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--inject", "soma=0.1*nA", "--inject", "soma=-30*pA@20*ms:", "--inject", "soma=5 pA@10 ms:30 ms"]
    recording = recorded(capsys, monkeypatch, "lif", "--for", "40*ms", "--dt", "0.1*ms", *arguments)
    current = recording.trace("cell", "I_injected")
    expected = np.repeat([100e-12, 105e-12, 75e-12, 70e-12], 100)
    assert current.values[:, 0] == pytest.approx(expected, rel=1e-12)
    assert recording.dt == pytest.approx(1e-4)


@pytest.mark.slow
def test_each_compartment_has_its_own_current(capsys: Caught, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [
        "--inject",
        "dendrite=1*uA/cm**2",
        "--inject",
        "soma=2*uA/cm**2@1*ms:2*ms",
        "--for",
        "3*ms",
        "--record",
        "Ca",
    ]
    recording = recorded(capsys, monkeypatch, "pinsky_rinzel", *arguments)
    # 1 uA/cm2 is 0.01 A/m2
    assert np.unique(recording.trace("cell", "I_d_injected").values) == pytest.approx([0.01])
    assert np.unique(recording.trace("cell", "I_s_injected").values) == pytest.approx([0, 0.02])
    assert {"v_s", "v_d", "Ca"} <= recording.traces["cell"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_figure_is_written_in_the_given_format(suffix: str, tmp_path: Path, capsys: Caught) -> None:
    code, out, _ = snnlab(capsys, "simulate", "lif", "--for", "30*ms", "--plot", f"cell{suffix}", "--record", "I")
    assert code == 0 and printed_fields(out)["plot"] == f"cell{suffix}"
    assert (tmp_path / f"cell{suffix}").read_bytes()[:4] in (b"\x89PNG", b"%PDF", b"<?xm")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "label", "height"),
    [
        (["pinsky_rinzel"], "current (µA/cm²)", 0.75),  # as in the card's example
        (["pinsky_rinzel", "--inject", "dendrite=2*nA/mm**2"], "current (nA/mm²)", 2.0),
        (["pinsky_rinzel", "--inject", "soma=0.02*amp/metre**2"], "current (mA/m²)", 20.0),  # SI, with any prefix
        (["lif", "--inject", "soma=0.15*nA", "--inject", "soma=-30*pA@1*ms:2*ms"], "current (nA)", 0.15),
        (["lif", "--inject", "soma=1.5e-10*amp"], "current (pA)", 150.0),
    ],
)
def test_the_current_is_plotted_in_the_given_unit(
    arguments: list[str], label: str, height: float, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure) or path)
    code, _, err = snnlab(capsys, "simulate", *arguments, "--for", "5*ms", "--plot", "cell.png")
    assert code == 0, err
    below = figures[0].axes[-1]
    assert below.get_ylabel() == label
    assert max(line.get_ydata().max() for line in below.lines) == pytest.approx(height)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_noise(tmp_path: Path, capsys: Caught) -> None:
    text = (ROOT / "models" / "lif.toml").read_text(encoding="utf-8")
    noisy = text.replace("+ I)/C : volt (unless refractory)", "+ I)/C + 3*mV*xi/ms**0.5 : volt (unless refractory)")
    assert noisy != text
    (tmp_path / "noisy.toml").write_text(noisy.replace('"rk4"', '"euler"'), encoding="utf-8")
    err = [snnlab(capsys, "simulate", "noisy.toml", "--seed", seed)[1] for seed in (1, 1, 2)]
    assert err[0] == err[1] != err[2]


@pytest.mark.parametrize(
    ("arguments", "field", "values"),
    [
        (["nolif"], "models", ["nolif", "lif"]),
        (["ampa"], "models/ampa.toml", ["ampa", "synapse"]),
        (["missing.toml"], "missing.toml", []),
        (["lif", "--inject", "soma"], "--inject", ["'soma'", "PLACE=CURRENT"]),
        (["lif", "--inject", "soma=1*nA@5*ms"], "--inject", ["soma=1*nA@5*ms", "PLACE=CURRENT"]),
        (["lif", "--inject", "axon=1*nA"], "--inject axon=1*nA", ["axon", "models/lif.toml", "soma"]),
        (["lif", "--inject", "soma=1*mV"], "--inject soma", ["1*mV", "amp"]),
        (["lif", "--inject", "soma=1*nA@1*mV:2*ms"], "--inject soma", ["1*mV", "second"]),
        (["lif", "--inject", "soma=1*nA@3*ms:2*ms"], "--inject soma", ["0.003 s", "0.002 s", "0 <= FROM < TO"]),
        (["lif", "--inject", "soma=1*nA@200*ms:300*ms"], "--inject soma", ["0.2 s", "0.3 s"]),
        (["lif", "--inject", "soma=__import__('os')"], "--inject soma", []),
        (["lif", "--for", "0*ms"], "--for", ["0*ms"]),
        (["lif", "--for", ""], "--for", ["''"]),
        (["lif", "--for", "1e-9*ms"], "--for", ["1e-12 s", "5e-05 s"]),
        (["lif", "--for", "1e9*second"], "--for", ["1e+09 s", "5e-05 s"]),
        (["lif", "--dt", "1e-300*ms"], "--for", ["0.2 s", "1e-303 s"]),
        (["lif", "--for", "100"], "--for", ["100", "second"]),
        (["lif", "--for", "1.03*ms"], "--for", ["0.00103 s", "5e-05 s"]),
        (["lif", "--dt", "-1*ms"], "--dt", ["-1*ms"]),
        (["lif", "--record", "u"], "record", ["'u'"]),
        (["lif", "--seed", "-1"], "seed", ["-1"]),
        (["lif", "--plot", "cell.gif"], "cell.gif", [".gif", ".png"]),
        (["lif", "--plot", "n" * 300 + ".png"], "n" * 300, ["File name too long"]),
        (["lif", "--plot", "no/such/folder/cell.png"], "no/such/folder/cell.png", ["No such file"]),
    ],
)
def test_invalid_options_are_one_error_line(
    arguments: list[str], field: str, values: list[str], capsys: Caught
) -> None:
    assert_error(error_line(capsys, "simulate", *arguments), field, *values)


def test_an_unwritable_figure_is_an_error_before_the_simulation(
    capsys: Caught, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        pytest.fail("simulated before the check")

    monkeypatch.setattr("snnlab.brian.simulate", never)
    for path in ("cell.gif", "no/such/folder/cell.png", "."):
        error_line(capsys, "simulate", "lif", "--plot", path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "old", "new", "field", "value"),
    [
        ("equations", "(g_L*(E_L - v) + I)/C", "(E_L - v + I)/C", "equations: line 1", ""),
        ("unit", 'C = "200 pF"', 'C = "200 mV"', "equations: line 1", ""),
        ("threshold", "v > v_th", "v > g_L", "threshold", ""),
        ("reset", "v = v_reset", "v = g_L", "reset", ""),
        ("symbol", "v > v_th", "v > v_thr", "threshold", "v_thr"),
        ("missing", 'E_L = "-60 mV"\n', "", "", "E_L"),
        ("key", "dt = ", "delta = ", "", "delta"),
        ("below 0", '"5 ms"', '"-5 ms"', "refractory", "-0.005 s"),
        ("endless", '"5 ms"', '"1e300 ms"', "refractory", "1e+297 s"),
        ("no number", 'v = "E_L"', 'v = "1/0*volt"', "start", ""),
        ("code", "v > v_th", "__import__('os').system('true')", "threshold", ""),
    ],
)
def test_an_error_in_a_card_names_file_and_field(
    name: str, old: str, new: str, field: str, value: str, tmp_path: Path, capsys: Caught
) -> None:
    text = (ROOT / "models" / "lif.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "own.toml").write_text(text.replace(old, new), encoding="utf-8")
    assert_error(error_line(capsys, "simulate", "own.toml"), f"own.toml: {field}", value)
