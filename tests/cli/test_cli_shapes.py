"""Cells with a morphology from the command line: simulated, drawn, and refused by file, line and field."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from small_run import fields, refusal, snnlab

from snnlab import plots
from snnlab.errors import InputError
from snnlab.networks.morphology import parse_swc

Caught = pytest.CaptureFixture[str]

STICK = "1 1 0 0 0 10 -1\n2 3 110 0 0 1 1\n3 3 310 0 0 1 2\n"
"""A soma of 20 um and 300 um of dendrite."""

SHORT = ["--morphology", "cell.swc", "--for", "2*ms", "--dt", "0.1*ms"]


@pytest.fixture(autouse=True)
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cell.swc").write_text(STICK, encoding="utf-8")
    return tmp_path / "cell.swc"


def test_a_morphology_alone_is_passive_under_a_current_into_its_soma(capsys: Caught) -> None:
    """1 ohm m2 and 1.5 ohm m: a sphere of 20 um, and a cable of 2 um with a sealed end after 300 um."""
    code, out, said = snnlab(capsys, "simulate", "--morphology", "cell.swc")
    assert code == 0, said
    told = fields(out)
    assert re.search(
        r"cell\.swc: 3 points, 300 um of cable and a soma of 20 um, 3,141\.6 um2 .* 16 comp", told["morphology"]
    )
    assert told["into soma"] == "0.1 nA from 20 ms to 120 ms"
    low, high = map(float, re.findall(r"-?\d+\.?\d*", told["soma potential"]))
    stick = math.tanh(300e-6 / math.sqrt(2e-6 / 6)) / (2 / math.pi * math.sqrt(1.5) / 2e-6**1.5)
    expected = 1e3 * 0.1e-9 / (math.pi * 20e-6**2 + stick)
    assert (low, high) == (-70, pytest.approx(-70 + expected, abs=0.02))
    assert "point 3 (310 um) potential" in told


def test_currents_and_records_are_at_points_of_the_file(capsys: Caught) -> None:
    words = ["--inject", "3=0.1*nA@0.5*ms:1*ms", "--inject", "soma=50 pA", "--record", "2", "--plot", "cell.png"]
    code, out, said = snnlab(capsys, "simulate", *SHORT, *words)
    assert code == 0, said
    assert {"into 3", "into soma", "soma potential", "point 2 (110 um) potential", "point 3 (310 um) potential"} < set(
        fields(out)
    )
    assert Path("cell.png").read_bytes()[:4] == b"\x89PNG"


def test_a_card_gives_the_whole_membrane_its_currents(capsys: Caught) -> None:
    words = ["hodgkin_huxley", *SHORT[:2], "--for", "5*ms", "--inject", "soma=0.6*nA"]
    assert fields(snnlab(capsys, "simulate", *words)[1])["spikes at the soma"] == "1"
    # without sodium there is no spike
    without = [*words, "--set", "g_Na=0*mS/cm**2"]
    assert fields(snnlab(capsys, "simulate", *without)[1])["spikes at the soma"] == "0"


def test_a_parameter_is_set_on_a_cell_without_a_morphology(capsys: Caught) -> None:
    said = [fields(snnlab(capsys, "simulate", "lif", *more)[1])["spikes"] for more in ([], ["--set", "E_L=-90*mV"])]
    assert not said[0].startswith("0") and said[1] == "0"
    assert "no parameter 'E_M'" in refusal(capsys, "simulate", "lif", "--set", "E_M=-90*mV")


def test_the_resistivity_and_the_compartments_are_those_asked_for(capsys: Caught) -> None:
    words = ["--morphology", "cell.swc", "--dt", "1 ms", "--for", "100 ms", "--inject", "soma=0.1 nA"]
    near, far = (
        fields(snnlab(capsys, "simulate", *words, "--resistivity", ohm, "--compartment", "5 um")[1])
        for ohm in ("10 ohm*cm", "1500 ohm*cm")
    )
    assert "61 compartments" in near["morphology"]
    drop = [
        float(told["soma potential"].split()[2]) - float(told["point 3 (310 um) potential"].split()[2])
        for told in (near, far)
    ]
    assert drop[1] > 10 * drop[0] > 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cell.swc: no points"),
        ("\x00\x01\x02", "cell.swc: line 1: bytes that are not text"),
        ("1 1 0 0 0 10 -1\n2 3 50 0 0 0 1\n", "cell.swc: line 2: radius: found '0'"),
        (
            "1 1 0 0 0 10 2\n2 3 50 0 0 1 1\n",
            "cell.swc: line 1: parent: a cycle: 1 -> 2 -> 1, and no point is the root",
        ),
        ("1 1 0 0 0 10 -1\n2 3 50 0 0 1 9\n", "cell.swc: line 2: parent: there is no point 9"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(text: str, says: str, cell: Path, capsys: Caught) -> None:
    cell.write_text(text, encoding="utf-8")
    assert refusal(capsys, "simulate", "--morphology", "cell.swc").startswith(says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--morphology", "none.swc"], "none.swc: No such file"),
        ([*SHORT, "--record", "7"], "--record 7: cell.swc has no point 7; its ids are from 1 to 3"),
        ([*SHORT, "--record", "m"], "--record m: found 'm'; needs soma, root, farthest or the id of a point"),
        ([*SHORT, "--inject", "7=1*nA"], "--inject 7=1*nA: cell.swc has no point 7"),
        ([*SHORT, "--inject", "soma=1*uA/cm**2"], "--inject soma: found '1*uA/cm**2'; needs a value in amp"),
        ([*SHORT, "--inject", "soma"], "--inject: found 'soma'; needs WHERE=CURRENT"),
        ([*SHORT, "--set", "g_L"], "--set g_L: no value; needs PARAMETER=VALUE"),
        ([*SHORT, "--resistivity", "150"], "--resistivity: found '150'; needs a value in ohm*metre"),
        ([*SHORT, "--compartment", "0 um"], "--compartment: found '0 um'; needs a value above 0"),
        ([*SHORT, "--seed", "-1"], "seed: found -1"),
        ([*SHORT, "--plot", "cell.gif"], "cell.gif: suffix '.gif'"),
        (["lif", *SHORT], "models/lif.toml: compartments.soma.unit: currents in amp"),
        (["lif", "--resistivity", "150 ohm*cm"], "--resistivity: found '150 ohm*cm'; it is of a morphology"),
        (["lif", "--compartment", "5 um"], "--compartment: found '5 um'; it is of a morphology"),
        ([], "simulate: no card; name one of those that `snnlab models` lists, or --morphology FILE.swc"),
    ],
)
def test_what_the_file_has_not_is_refused_by_name(words: list[str], says: str, capsys: Caught) -> None:
    assert refusal(capsys, "simulate", *words).startswith(says)


def test_the_shape_is_drawn_along_its_two_longest_axes_and_marked() -> None:
    tree = parse_swc(b"1 1 0 0 0 5 -1\n2 3 100 3 0 1 1\n3 3 100 3 -200 1 2\n", "cell.swc")
    _, axes = plots.figure()
    ax = plots.morphology(tree, axes[0, 0], {2: "#D55E00"})
    cones = ax.collections[0].get_segments()
    np.testing.assert_allclose(cones, [[[0, 0], [100, 0]], [[100, 0], [100, -200]]])
    (dot,) = [line for line in ax.lines if line.get_color() == "#D55E00"]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == pytest.approx((100, -200))
    assert [text.get_text() for text in ax.texts] == ["50 µm"]
    with pytest.raises(InputError, match="shape: no point 3"):
        plots.morphology(tree, ax, {3: "#D55E00"})
