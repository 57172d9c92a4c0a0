"""Cells with a morphology, against the cable equation, Rall's equivalent cylinder and Hodgkin and Huxley's axon.

Formulas: Rall, Core conductor theory and cable properties of neurons, Handbook of Physiology, 1977. With the membrane's
resistance R_m, the cytoplasm's resistivity R_i and the diameter d, the length constant is sqrt(d R_m / 4 R_i), a cable
without end has the input resistance (2/pi) sqrt(R_m R_i) / d**1.5, and one of length L with a sealed end that divided
by tanh(L/lambda).
"""

from __future__ import annotations

import numpy as np
import pytest
from test_morphology import comb

from snnlab import cards
from snnlab.brian import Pulse, simulate_morphology
from snnlab.data.recording import Recording
from snnlab.errors import InputError
from snnlab.networks.morphology import parse_swc

R_M, R_I, REST = 1.0, 1.5, -0.07  # ohm m2, ohm m, volt: 0.1 mS/cm2, 150 ohm cm, -70 mV
TAU = 10e-3
NANO = 1e-9


def length_constant(d: float) -> float:
    return float(np.sqrt(d * R_M / (4 * R_I)))


def endless(d: float) -> float:
    return float(2 / np.pi * np.sqrt(R_M * R_I) / d**1.5)


def steady(text: str, place: object, record: list, max_compartment_length: float = 5e-6, **options) -> dict:
    """Point -> volts above rest that 1 nA at `place` leads to, after thirty time constants."""
    recording = run(
        text,
        {place: Pulse(NANO)},
        "300 ms",
        record=record,
        max_compartment_length=max_compartment_length,
        dt="1 ms",
        **options,
    )
    return {name: recording.trace("cell", str(name)).values[-1, 0] - REST for name in record}


def run(text: str, inject: dict, duration: str, **options) -> Recording:
    return simulate_morphology(parse_swc(text.encode(), "cell.swc"), inject, duration, target="numpy", **options)


CYLINDER = "".join(f"{k} 3 {100 * k - 100} 0 0 1 {k - 1 if k > 1 else -1}\n" for k in range(1, 12))
"""Of 1 mm, 2 um thick, a point every 100 um: 1.7 length constants."""


def test_a_sealed_cylinder_is_attenuated_as_the_cable_equation_says() -> None:
    d, length = 2e-6, 1e-3
    places = list(range(1, 12))
    found = steady(CYLINDER, 1, places)
    x = np.arange(11) * 100e-6
    scale = length_constant(d)
    expected = NANO * endless(d) * np.cosh((length - x) / scale) / np.sinh(length / scale)
    np.testing.assert_allclose([found[place] for place in places], expected, rtol=2e-4)


@pytest.mark.parametrize("place", [1, 4, 11])
def test_a_current_anywhere_on_it_meets_both_sides(place: int) -> None:
    """The conductances of the two pieces that meet there add up."""
    d, x = 2e-6, (place - 1) * 100e-6
    scale = length_constant(d)
    expected = NANO * endless(d) / (np.tanh(x / scale) + np.tanh((1e-3 - x) / scale))
    assert steady(CYLINDER, place, [place])[place] == pytest.approx(expected, rel=2e-4)


def test_two_points_answer_each_other_alike() -> None:
    """Reciprocity, on a tree without any symmetry, whose root is a branch point."""
    text = "1 3 0 0 0 2 -1\n2 3 90 0 0 1 1\n3 3 -50 80 0 0.5 1\n4 3 -50 -150 20 1.5 1\n5 4 -90 -300 0 0.4 4\n"
    there = steady(text, 2, [5], max_compartment_length=20e-6)[5]
    assert steady(text, 5, [2], max_compartment_length=20e-6)[2] == pytest.approx(there, rel=1e-9)


def test_a_ball_and_stick_has_the_input_resistance_of_both() -> None:
    d, length = 2e-6, 500e-6
    stick = np.tanh(length / length_constant(d)) / endless(d)
    expected = NANO / (np.pi * (20e-6) ** 2 / R_M + stick)
    found = steady("1 1 0 0 0 10 -1\n2 3 510 0 0 1 1\n", "soma", ["soma", "farthest"])
    assert found["soma"] == pytest.approx(expected, rel=2e-4)
    assert found["farthest"] == pytest.approx(expected / np.cosh(length / length_constant(d)), rel=2e-4)


def fork(daughter: float) -> str:
    """300 um of 4 um in diameter, then two daughters of this diameter, each 0.3 of its own length constants long."""
    length = 0.3e6 * length_constant(daughter * 1e-6)
    ends = [(300 + length / np.sqrt(2), sign * length / np.sqrt(2)) for sign in (1, -1)]
    joint = f"1 3 0 0 0 2 -1\n2 3 300 0 0 2 1\n3 3 300 0 0 {daughter / 2} 2\n"
    return joint + "".join(
        f"{k} 3 {x:.9f} {y:.9f} 0 {daughter / 2} 3\n" for k, (x, y) in zip((4, 5), ends, strict=True)
    )


def test_a_tree_with_ralls_power_law_is_a_cylinder_and_another_is_not() -> None:
    """Two daughters with d**1.5 half of their parent's continue it to 0.3 of its length constants beyond the fork."""
    d = 4e-6
    scale = length_constant(d)
    length = 300e-6 + 0.3 * scale
    x = np.array([0, 300e-6, length])
    cylinder = NANO * endless(d) * np.cosh((length - x) / scale) / np.sinh(length / scale)
    law = 4 * 0.5 ** (2 / 3)
    found = steady(fork(law), 1, [1, 2, 4])
    np.testing.assert_allclose([found[1], found[2], found[4]], cylinder, rtol=2e-4)
    off = steady(fork(1.3 * law), 1, [1, 2, 4])
    assert abs(off[1] / cylinder[0] - 1) > 0.05


def test_smaller_compartments_come_closer_by_the_square() -> None:
    d, scale = 2e-6, length_constant(2e-6)
    expected = NANO * endless(d) / np.tanh(1e-3 / scale)
    single = "1 3 0 0 0 1 -1\n2 3 1000 0 0 1 1\n"
    errors = [
        abs(steady(single, 1, [1], max_compartment_length=size)[1] / expected - 1) for size in (200e-6, 100e-6, 50e-6)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def test_parameters_and_resistivity_are_what_they_are_called() -> None:
    single = "1 3 0 0 0 1 -1\n2 3 1000 0 0 1 1\n"
    changed = {"parameters": {"g_L": "0.4 mS/cm**2"}, "resistivity": "600 ohm*cm"}
    scale = length_constant(2e-6) / 4
    expected = NANO * endless(2e-6) / np.tanh(1e-3 / scale)
    assert steady(single, 1, [1], **changed)[1] == pytest.approx(expected, rel=1e-3)


def test_a_soma_alone_is_charged_with_its_time_constant() -> None:
    found = run("1 1 0 0 0 10 -1\n", {"soma": Pulse("50 pA", "5 ms", "25 ms")}, "60 ms", dt="0.01 ms")
    v = found.trace("cell", "soma").values[:, 0] - REST
    t = np.arange(6000) * 1e-5
    peak = 50e-12 * R_M / (np.pi * (20e-6) ** 2)
    up = peak * (1 - np.exp(-(t - 5e-3) / TAU))
    down = peak * (1 - np.exp(-20e-3 / TAU)) * np.exp(-(t - 25e-3) / TAU)
    expected = np.where(t < 5e-3, 0, np.where(t < 25e-3, up, down))
    np.testing.assert_allclose(v, expected, atol=1e-3 * peak)
    np.testing.assert_allclose(found.trace("cell", "into soma").values[[499, 500, 2499, 2500], 0], [0, 5e-11, 5e-11, 0])


def test_the_order_of_lines_and_the_root_change_no_potential() -> None:
    """A file whose root is in the middle, and the same cell begun at one of its tips."""
    middle = "1 3 0 0 0 1 -1\n2 3 200 0 0 1 1\n3 3 -100 100 0 0.5 1\n4 3 -100 -100 0 2 1\n"
    tip = "4 3 -100 -100 0 2 -1\n3 3 -100 100 0 0.5 1\n2 3 200 0 0 1 1\n1 3 0 0 0 1 4\n"
    one, other = (steady(text, 2, [1, 2, 3, 4], max_compartment_length=20e-6) for text in (middle, tip))
    assert one == pytest.approx(other, rel=1e-9)


# Active membrane ----------------------------------------------------------------------------------------------------


def axon_speed(tmp_path, rates: float) -> float:
    """Metres a second along an axon of 238 um in radius and 35.4 ohm cm, Hodgkin and Huxley's rates times a factor."""
    text = (cards.library_folder("models") / "hodgkin_huxley.toml").read_text(encoding="utf-8")
    for gate in "mhn":
        text = text.replace(f"d{gate}/dt = alpha_{gate}*(1 - {gate}) - beta_{gate}*{gate}",
                            f"d{gate}/dt = {rates}*(alpha_{gate}*(1 - {gate}) - beta_{gate}*{gate})")  # fmt: skip
    assert text.count(f"= {rates}*(") == 3
    (tmp_path / "warm.toml").write_text(text, encoding="utf-8")
    axon = "".join(f"{k} 2 {20_000 * k - 20_000} 0 0 238 {k - 1 if k > 1 else -1}\n" for k in range(1, 6))
    found = run(axon, {1: Pulse("20 uA", 0, "0.3 ms")}, "8 ms", cell=cards.cell(tmp_path / "warm.toml"), record=[2, 4],
                resistivity="35.4 ohm*cm", max_compartment_length="0.5 mm", dt="0.005 ms")  # fmt: skip
    first, second = (np.argmax(found.trace("cell", name).values[:, 0] > 0) for name in ("2", "4"))
    assert 0 < first < second
    return float(40e-3 / ((second - first) * 0.005e-3))


def test_a_spike_runs_along_the_squids_axon_as_fast_as_hodgkin_and_huxley_calculated(tmp_path) -> None:
    """18.8 m/s at 18.5 degrees, where rates are 3**((18.5 - 6.3)/10) times those at 6.3; J. Physiol. 117:524, 1952."""
    warm, cold = axon_speed(tmp_path, round(3 ** ((18.5 - 6.3) / 10), 3)), axon_speed(tmp_path, 1.0)
    assert warm == pytest.approx(18.8, rel=0.03)
    assert cold < 0.8 * warm


def test_a_sphere_with_a_cards_membrane_fires_as_the_card_alone() -> None:
    """One compartment of 1000 um2 under 10 uA/cm2: as many spikes, each at the time, to what the steps allow."""
    from snnlab.brian import simulate
    from snnlab.networks.circuit import unconnected

    card = cards.cell("hodgkin_huxley")
    point = simulate(unconnected(card, dt="0.005 ms"), {"cell.membrane": Pulse("10 uA/cm**2")}, "60 ms")
    radius = np.sqrt(1000 / (4 * np.pi))
    found = run(f"1 1 0 0 0 {radius:.9f} -1\n", {"soma": Pulse("0.1 nA")}, "60 ms", cell=card, dt="0.005 ms")
    mine, theirs = found.spikes["cell"].train(0), point.spikes["cell"].train(0)
    assert len(mine) == len(theirs) >= 4
    np.testing.assert_allclose(mine, theirs, atol=0.1e-3)


def test_nothing_happens_without_a_current() -> None:
    found = run(CYLINDER, {}, "5 ms", record=["root", "farthest"])
    assert np.ptp(found.trace("cell", "farthest").values) < 1e-12


@pytest.mark.slow
def test_a_compiled_program_gives_the_same_potentials() -> None:
    tree = parse_swc((CYLINDER + "12 3 500 90 0 0.7 6\n13 3 500 -90 0 0.5 6\n").encode(), "cell.swc")
    inject, card = {3: Pulse("2 nA", "1 ms", "3 ms")}, cards.cell("hodgkin_huxley")
    here, there = (
        simulate_morphology(tree, inject, "10 ms", cell=card, record=["root", 12], target=target)
        for target in ("numpy", "cpp")
    )
    for place in ("root", "12"):
        np.testing.assert_allclose(there.trace("cell", place).values, here.trace("cell", place).values, atol=1e-12)
    assert np.ptp(here.trace("cell", "12").values) > 0.05
    assert there.spikes["cell"].train(0).tolist() == here.spikes["cell"].train(0).tolist()


@pytest.mark.slow
def test_as_many_branch_points_one_after_another_as_are_allowed_can_be_run() -> None:
    found = run(comb(499), {1: Pulse("1 nA")}, "0.1 ms", record=["farthest"])
    assert np.isfinite(found.trace("cell", "farthest").values).all()


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"record": [99]}, "record: cell.swc has no point 99; its ids are from 1 to 11"),
        ({"inject": {99: Pulse("1 nA")}}, "inject: cell.swc has no point 99"),
        ({"inject": {1: Pulse("1 mV")}}, "inject: 1: amplitude: found '1 mV'; needs a value in amp"),
        ({"inject": {1: np.zeros(3)}}, "inject: 1: currents of shape (3,)"),
        ({"resistivity": "0 ohm*cm"}, "resistivity: found '0 ohm*cm'; needs a value above 0, such as '150 ohm*cm'"),
        ({"resistivity": "1 ohm"}, "resistivity: found '1 ohm'; needs a value in ohm*metre"),
        ({"max_compartment_length": "-5 um"}, "longest: found '-5 um'; needs a value above 0"),
        ({"max_compartment_length": "1e-6 um"}, "cell.swc: 1,000,000,"),
        ({"dt": "0 ms"}, "dt: found '0 ms'"),
        ({"parameters": {"g_Na": 1.0}}, "population 'cell': no parameter 'g_Na' on passive; known: C_m, E_L, g_L"),
        ({"parameters": {"C_m": "0 uF/cm**2"}}, "passive: equations: dv/dt = "),
        ({"cell": cards.cell("lif")}, "models/lif.toml: compartments.soma.unit: currents in amp; needs currents per"),
        ({"cell": cards.cell("pinsky_rinzel")}, "models/pinsky_rinzel.toml: 2 compartments; a membrane for"),
        ({"parameters": {"g_L": "-5 mS/cm**2"}, "dt": "0.1 ms", "inject": {1: Pulse("1 nA")}}, "passive on cell.swc: "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(options: dict, says: str) -> None:
    options = {"inject": {}, "record": [1]} | options
    with pytest.raises(InputError) as refusal:
        run(CYLINDER, options.pop("inject"), "300 ms" if "g_L" in str(options) else "1 ms", **options)
    assert str(refusal.value).startswith(says)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("g_K", "area", "'area' is a name of the morphology's; choose another"),
        ("g_K", "Cm", "'Cm' is a name of the morphology's; choose another"),
        ("g_K", "share_0", "'share_0' is a name of the morphology's"),
        ("(I - I_Na - I_K - I_L)/C_m", "I/C_m - (I_Na + I_K + I_L)/C_m", "equations: dv/dt = I/C_m"),
        (
            "I_L)/C_m : volt",
            "I_L)/C_m : volt (unless refractory)",
            "needs dv/dt = (currents per area)/C_m, without a flag",
        ),
    ],
)
def test_a_card_that_is_no_membrane_is_refused(old: str, new: str, says: str, tmp_path) -> None:
    text = (cards.library_folder("models") / "hodgkin_huxley.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "own.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match="own.toml") as refusal:
        run(CYLINDER, {}, "1 ms", cell=cards.cell(tmp_path / "own.toml"), record=[1])
    assert says in str(refusal.value)


def test_a_capacitance_may_have_brians_own_name(tmp_path) -> None:
    text = (cards.library_folder("models") / "hodgkin_huxley.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(text.replace("C_m", "Cm"), encoding="utf-8")
    mine, theirs = (
        run(CYLINDER, {1: Pulse("1 nA")}, "2 ms", cell=cell, record=[1]).trace("cell", "1").values
        for cell in (cards.cell(tmp_path / "own.toml"), cards.cell("hodgkin_huxley"))
    )
    np.testing.assert_array_equal(mine, theirs)
