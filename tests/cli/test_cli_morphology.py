"""Cells with a morphology on the command line."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import assert_error, error_line, printed_fields, snnlab
from errors_in_tests import raises_input_error

from snnlab import plots
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


def test_the_default_is_a_passive_membrane_with_a_current_into_the_soma(capsys: Caught) -> None:
    """1 ohm m2 and 1.5 ohm m: a sphere of 20 um, and a cable of 2 um with a sealed end after 300 um."""
    code, out, err = snnlab(capsys, "simulate", "--morphology", "cell.swc")
    assert code == 0, err
    values = printed_fields(out)
    assert re.search(
        r"cell\.swc: 3 points, 300 um of cable and a soma of 20 um, 3,141\.6 um2 .* 16 comp", values["morphology"]
    )
    assert values["into soma"] == "0.1 nA from 20 ms to 120 ms"
    low, high = map(float, re.findall(r"-?\d+\.?\d*", values["soma potential"]))
    stick = math.tanh(300e-6 / math.sqrt(2e-6 / 6)) / (2 / math.pi * math.sqrt(1.5) / 2e-6**1.5)
    expected = 1e3 * 0.1e-9 / (math.pi * 20e-6**2 + stick)
    assert (low, high) == (-70, pytest.approx(-70 + expected, abs=0.02))
    assert "point 3 (310 um) potential" in values


def test_currents_and_recordings_are_at_points_of_the_file(capsys: Caught) -> None:
    arguments = ["--inject", "3=0.1*nA@0.5*ms:1*ms", "--inject", "soma=50 pA", "--record", "2", "--plot", "cell.png"]
    code, out, err = snnlab(capsys, "simulate", *SHORT, *arguments)
    assert code == 0, err
    assert {"into 3", "into soma", "soma potential", "point 2 (110 um) potential", "point 3 (310 um) potential"} < set(
        printed_fields(out)
    )
    assert Path("cell.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_a_card_gives_the_membrane_its_currents(capsys: Caught) -> None:
    arguments = ["hodgkin_huxley", *SHORT[:2], "--for", "5*ms", "--inject", "soma=0.6*nA"]
    assert printed_fields(snnlab(capsys, "simulate", *arguments)[1])["spikes at the soma"] == "1"
    # without sodium there is no spike
    without = [*arguments, "--set", "g_Na=0*mS/cm**2"]
    assert printed_fields(snnlab(capsys, "simulate", *without)[1])["spikes at the soma"] == "0"


@pytest.mark.slow
def test_a_parameter_is_set_on_a_cell_without_a_morphology(capsys: Caught) -> None:
    err = [
        printed_fields(snnlab(capsys, "simulate", "lif", *more)[1])["spikes"] for more in ([], ["--set", "E_L=-90*mV"])
    ]
    assert not err[0].startswith("0") and err[1] == "0"
    assert "E_M" in error_line(capsys, "simulate", "lif", "--set", "E_M=-90*mV")


def test_resistivity_and_compartment_length_can_be_set(capsys: Caught) -> None:
    arguments = ["--morphology", "cell.swc", "--dt", "1 ms", "--for", "100 ms", "--inject", "soma=0.1 nA"]
    near, far = (
        printed_fields(snnlab(capsys, "simulate", *arguments, "--resistivity", ohm, "--compartment", "5 um")[1])
        for ohm in ("10 ohm*cm", "1500 ohm*cm")
    )
    assert "61 compartments" in near["morphology"]
    drop = [
        float(fields["soma potential"].split()[2]) - float(fields["point 3 (310 um) potential"].split()[2])
        for fields in (near, far)
    ]
    assert drop[1] > 10 * drop[0] > 0


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("", "cell.swc", ""),
        ("\x00\x01\x02", "cell.swc: line 1", ""),
        ("1 1 0 0 0 10 -1\n2 3 50 0 0 0 1\n", "cell.swc: line 2: radius", "0"),
        ("1 1 0 0 0 10 2\n2 3 50 0 0 1 1\n", "cell.swc: line 1: parent", "1 -> 2 -> 1"),
        ("1 1 0 0 0 10 -1\n2 3 50 0 0 1 9\n", "cell.swc: line 2: parent", "9"),
    ],
)
def test_an_invalid_file_is_one_error_line(text: str, field: str, value: str, cell: Path, capsys: Caught) -> None:
    cell.write_text(text, encoding="utf-8")
    assert_error(error_line(capsys, "simulate", "--morphology", "cell.swc"), field, value)


@pytest.mark.parametrize(
    ("arguments", "field", "values"),
    [
        (["--morphology", "none.swc"], "none.swc", []),
        ([*SHORT, "--record", "7"], "--record 7", ["cell.swc", "1 to 3"]),
        ([*SHORT, "--record", "m"], "--record m", ["soma, root, farthest"]),
        ([*SHORT, "--inject", "7=1*nA"], "--inject 7=1*nA", ["cell.swc", "7"]),
        ([*SHORT, "--inject", "soma=1*uA/cm**2"], "--inject soma", ["1*uA/cm**2", "amp"]),
        ([*SHORT, "--inject", "soma"], "--inject", ["'soma'"]),
        ([*SHORT, "--set", "g_L"], "--set g_L", ["KEY=VALUE"]),
        ([*SHORT, "--resistivity", "150"], "--resistivity", ["'150'", "ohm*metre"]),
        ([*SHORT, "--compartment", "0 um"], "--compartment", ["0 um"]),
        ([*SHORT, "--seed", "-1"], "seed", ["-1"]),
        ([*SHORT, "--plot", "cell.gif"], "cell.gif", [".png"]),
        (["lif", *SHORT], "models/lif.toml: compartments.soma.unit", ["amp"]),
        (["lif", "--resistivity", "150 ohm*cm"], "--resistivity", ["150 ohm*cm", "--morphology"]),
        (["lif", "--compartment", "5 um"], "--compartment", ["5 um", "--morphology"]),
        ([], "CARD", ["--morphology"]),
    ],
)
def test_invalid_options_are_one_error_line(
    arguments: list[str], field: str, values: list[str], capsys: Caught
) -> None:
    assert_error(error_line(capsys, "simulate", *arguments), field, *values)


def test_a_morphology_is_plotted_along_its_two_longest_axes() -> None:
    tree = parse_swc(b"1 1 0 0 0 5 -1\n2 3 100 3 0 1 1\n3 3 100 3 -200 1 2\n", "cell.swc")
    _, axes = plots.figure()
    ax = plots.morphology(tree, axes[0, 0], {2: "#D55E00"})
    segments = ax.collections[0].get_segments()
    np.testing.assert_allclose(segments, [[[0, 0], [100, 0]], [[100, 0], [100, -200]]])
    (dot,) = [line for line in ax.lines if line.get_color() == "#D55E00"]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == pytest.approx((100, -200))
    assert [text.get_text() for text in ax.texts] == ["50 µm"]
    with raises_input_error("morphology", 3):
        plots.morphology(tree, ax, {3: "#D55E00"})
