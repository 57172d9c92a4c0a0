"""Cells from the command line: shown, simulated, drawn, and refused by file and field."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import ROOT, fields, refusal, snnlab

from snnlab import brian, cards, plots
from snnlab.cli import output

Caught = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_DATA", raising=False)


def test_models_are_those_on_the_shelf(capsys: Caught) -> None:
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
    ("reference", "read"),
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
def test_a_reference_is_shortened_where_authors_and_year_can_be_told(reference: str, read: str) -> None:
    assert output.short(reference) == read


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
    right = brian.simulate

    def keeping(*arguments: Any, **more: Any) -> Any:
        made.append(right(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(brian, "simulate", keeping)
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


@pytest.mark.parametrize(
    ("words", "label", "height"),
    [
        (["pinsky_rinzel"], "current (µA/cm²)", 0.75),  # as the card's example has it
        (["pinsky_rinzel", "--inject", "dendrite=2*nA/mm**2"], "current (nA/mm²)", 2.0),
        (["pinsky_rinzel", "--inject", "soma=0.02*amp/metre**2"], "current (mA/m²)", 20.0),  # SI, whose prefix is free
        (["lif", "--inject", "soma=0.15*nA", "--inject", "soma=-30*pA@1*ms:2*ms"], "current (nA)", 0.15),
        (["lif", "--inject", "soma=1.5e-10*amp"], "current (pA)", 150.0),
    ],
)
def test_the_current_is_drawn_in_the_unit_that_was_typed(
    words: list[str], label: str, height: float, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure) or path)
    code, _, said = snnlab(capsys, "simulate", *words, "--for", "5*ms", "--plot", "cell.png")
    assert code == 0, said
    below = figures[0].axes[-1]
    assert below.get_ylabel() == label
    assert max(line.get_ydata().max() for line in below.lines) == pytest.approx(height)


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
        (
            ["lif", "--inject", "soma=1*nA@200*ms:300*ms"],
            "--inject soma: from 0.2 s to 0.3 s; .* before the end at 0.2 s",
        ),
        (["lif", "--for", ""], "--for: '' is not a number with a unit"),
        (["lif", "--for", "1e-9*ms"], "--for: 1e-12 s is no whole number of steps of 5e-05 s; nearest: 5e-05 s"),
        (["lif", "--for", "1e9*second"], "--for: 1e\\+09 s is 2e\\+13 steps of 5e-05 s; needs fewer"),
        (["lif", "--dt", "1e-300*ms"], "--for: 0.2 s is 2e\\+302 steps of 1e-303 s; needs fewer"),
        (["lif", "--for", "100"], "--for: found '100'; needs a value in second"),
        (["lif", "--for", "1.03*ms"], "1e?.* is no whole number of steps|no whole number of steps"),
        (["lif", "--dt", "-1*ms"], "--dt: found '-1\\*ms'"),
        (["lif", "--record", "u"], "no variable 'u'"),
        (["lif", "--seed", "-1"], "seed: found -1"),
        (["lif", "--plot", "cell.gif"], "cell.gif: suffix '.gif' for a picture"),
        (["lif", "--plot", "n" * 300 + ".png"], ".png: cannot be written: File name too long"),
        (["lif", "--plot", "no/such/folder/cell.png"], "cell.png: cannot be written: No such file"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(words: list[str], says: str, capsys: Caught) -> None:
    assert re.search(says, refusal(capsys, "simulate", *words))


def test_a_picture_that_cannot_be_drawn_is_refused_before_the_simulation(
    capsys: Caught, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        pytest.fail("simulated first")

    monkeypatch.setattr("snnlab.brian.simulate", never)
    for path in ("cell.gif", "no/such/folder/cell.png", "."):
        refusal(capsys, "simulate", "lif", "--plot", path)


@pytest.mark.parametrize(
    ("field", "old", "new", "says"),
    [
        ("equations", "(g_L*(E_L - v) + I)/C", "(E_L - v + I)/C", "own.toml: equations: line 1: "),
        ("unit", 'C = "200 pF"', 'C = "200 mV"', "own.toml: equations: line 1: "),
        ("threshold", "v > v_th", "v > g_L", "own.toml: threshold: "),
        ("reset", "v = v_reset", "v = g_L", "own.toml: reset: "),
        ("symbol", "v > v_th", "v > v_thr", "own.toml: threshold: unknown symbol 'v_thr'"),
        ("missing", 'E_L = "-60 mV"\n', "", "own.toml: .*E_L"),
        ("key", "dt = ", "delta = ", "own.toml: "),
        ("below 0", '"5 ms"', '"-5 ms"', "own.toml: refractory: found -0.005 s; needs 0 to 1000 s"),
        ("endless", '"5 ms"', '"1e300 ms"', "own.toml: refractory: found 1e\\+297 s"),
        ("no number", 'v = "E_L"', 'v = "1/0*volt"', "own.toml: start: a constant that is no finite number"),
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
