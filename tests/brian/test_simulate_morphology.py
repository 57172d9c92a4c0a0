"""Cells with a morphology, compared with the cable equation, Rall's equivalent cylinder and the squid axon.

Formulas: Rall, Core conductor theory and cable properties of neurons, Handbook of Physiology, 1977. With the membrane's
resistance R_m, the cytoplasm's resistivity R_i and the diameter d, the length constant is sqrt(d R_m / 4 R_i), a cable
without end has the input resistance (2/pi) sqrt(R_m R_i) / d**1.5, and one of length L with a sealed end that divided
by tanh(L/lambda).
"""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from test_morphology import comb

from snnlab import cards
from snnlab.brian import Pulse, simulate_morphology
from snnlab.data.recording import Recording
from snnlab.networks.morphology import parse_swc

R_M, R_I, REST = 1.0, 1.5, -0.07  # ohm m2, ohm m, volt: 0.1 mS/cm2, 150 ohm cm, -70 mV
TAU = 10e-3
NANO = 1e-9


def length_constant(d: float) -> float:
    return float(np.sqrt(d * R_M / (4 * R_I)))


def input_resistance(d: float) -> float:
    """Of a cable without end."""
    return float(2 / np.pi * np.sqrt(R_M * R_I) / d**1.5)


def steady_state(text: str, point: object, record: list, **options) -> dict:
    """Point -> potential above rest in volts, after 30 time constants of 1 nA at `point`."""
    options = {"max_compartment_length": 5e-6, "dt": "1 ms"} | options
    recording = run(text, {point: Pulse(NANO)}, "300 ms", record=record, **options)
    return {name: recording.trace("cell", str(name)).values[-1, 0] - REST for name in record}


def run(text: str, inject: dict, duration: str, **options) -> Recording:
    return simulate_morphology(parse_swc(text.encode(), "cell.swc"), inject, duration, target="numpy", **options)


CYLINDER = "".join(f"{k} 3 {100 * k - 100} 0 0 1 {k - 1 if k > 1 else -1}\n" for k in range(1, 12))
"""1 mm long, 2 um thick, a point every 100 um: 1.7 length constants."""


def test_a_sealed_cylinder_attenuates_as_the_cable_equation() -> None:
    d, length = 2e-6, 1e-3
    points = list(range(1, 12))
    v = steady_state(CYLINDER, 1, points)
    x = np.arange(11) * 100e-6
    scale = length_constant(d)
    expected = NANO * input_resistance(d) * np.cosh((length - x) / scale) / np.sinh(length / scale)
    np.testing.assert_allclose([v[point] for point in points], expected, rtol=2e-4)


@pytest.mark.parametrize("point", [1, 4, 11])
def test_the_input_conductance_of_a_cylinder_is_the_sum_of_both_sides(point: int) -> None:
    d, x = 2e-6, (point - 1) * 100e-6
    scale = length_constant(d)
    expected = NANO * input_resistance(d) / (np.tanh(x / scale) + np.tanh((1e-3 - x) / scale))
    assert steady_state(CYLINDER, point, [point])[point] == pytest.approx(expected, rel=2e-4)


def test_the_transfer_resistance_between_two_points_is_symmetric() -> None:
    """On a tree without any symmetry, whose root is a branch point."""
    text = "1 3 0 0 0 2 -1\n2 3 90 0 0 1 1\n3 3 -50 80 0 0.5 1\n4 3 -50 -150 20 1.5 1\n5 4 -90 -300 0 0.4 4\n"
    forward = steady_state(text, 2, [5], max_compartment_length=20e-6)[5]
    assert steady_state(text, 5, [2], max_compartment_length=20e-6)[2] == pytest.approx(forward, rel=1e-9)


def test_a_ball_and_stick_has_the_input_conductance_of_both() -> None:
    d, length = 2e-6, 500e-6
    stick = np.tanh(length / length_constant(d)) / input_resistance(d)
    expected = NANO / (np.pi * (20e-6) ** 2 / R_M + stick)
    v = steady_state("1 1 0 0 0 10 -1\n2 3 510 0 0 1 1\n", "soma", ["soma", "farthest"])
    assert v["soma"] == pytest.approx(expected, rel=2e-4)
    assert v["farthest"] == pytest.approx(expected / np.cosh(length / length_constant(d)), rel=2e-4)


def fork(daughter: float) -> str:
    """300 um of 4 um in diameter, then two daughters of this diameter, each 0.3 of its own length constants long."""
    length = 0.3e6 * length_constant(daughter * 1e-6)
    ends = [(300 + length / np.sqrt(2), sign * length / np.sqrt(2)) for sign in (1, -1)]
    joint = f"1 3 0 0 0 2 -1\n2 3 300 0 0 2 1\n3 3 300 0 0 {daughter / 2} 2\n"
    return joint + "".join(
        f"{k} 3 {x:.9f} {y:.9f} 0 {daughter / 2} 3\n" for k, (x, y) in zip((4, 5), ends, strict=True)
    )


def test_only_a_tree_with_ralls_power_law_is_equivalent_to_a_cylinder() -> None:
    """Two daughters with d**1.5 half of their parent's continue it to 0.3 of its length constants beyond the fork."""
    d = 4e-6
    scale = length_constant(d)
    length = 300e-6 + 0.3 * scale
    x = np.array([0, 300e-6, length])
    cylinder = NANO * input_resistance(d) * np.cosh((length - x) / scale) / np.sinh(length / scale)
    law = 4 * 0.5 ** (2 / 3)
    v = steady_state(fork(law), 1, [1, 2, 4])
    np.testing.assert_allclose([v[1], v[2], v[4]], cylinder, rtol=2e-4)
    other = steady_state(fork(1.3 * law), 1, [1, 2, 4])
    assert abs(other[1] / cylinder[0] - 1) > 0.05


def test_the_error_decreases_with_the_square_of_the_compartment_length() -> None:
    d, scale = 2e-6, length_constant(2e-6)
    expected = NANO * input_resistance(d) / np.tanh(1e-3 / scale)
    single = "1 3 0 0 0 1 -1\n2 3 1000 0 0 1 1\n"
    errors = [
        abs(steady_state(single, 1, [1], max_compartment_length=size)[1] / expected - 1)
        for size in (200e-6, 100e-6, 50e-6)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.15)


def test_parameters_and_resistivity_change_the_length_constant() -> None:
    single = "1 3 0 0 0 1 -1\n2 3 1000 0 0 1 1\n"
    changed = {"parameters": {"g_L": "0.4 mS/cm**2"}, "resistivity": "600 ohm*cm"}
    scale = length_constant(2e-6) / 4
    expected = NANO * input_resistance(2e-6) / np.tanh(1e-3 / scale)
    assert steady_state(single, 1, [1], **changed)[1] == pytest.approx(expected, rel=1e-3)


def test_an_isolated_soma_charges_with_its_time_constant() -> None:
    recording = run("1 1 0 0 0 10 -1\n", {"soma": Pulse("50 pA", "5 ms", "25 ms")}, "60 ms", dt="0.01 ms")
    v = recording.trace("cell", "soma").values[:, 0] - REST
    t = np.arange(6000) * 1e-5
    peak = 50e-12 * R_M / (np.pi * (20e-6) ** 2)
    up = peak * (1 - np.exp(-(t - 5e-3) / TAU))
    down = peak * (1 - np.exp(-20e-3 / TAU)) * np.exp(-(t - 25e-3) / TAU)
    expected = np.where(t < 5e-3, 0, np.where(t < 25e-3, up, down))
    np.testing.assert_allclose(v, expected, atol=1e-3 * peak)
    injected = recording.trace("cell", "into soma").values
    np.testing.assert_allclose(injected[[499, 500, 2499, 2500], 0], [0, 5e-11, 5e-11, 0])


def test_potentials_do_not_depend_on_the_order_of_lines_or_the_root() -> None:
    """A file whose root is in the middle, and the same cell with its root at a tip."""
    middle = "1 3 0 0 0 1 -1\n2 3 200 0 0 1 1\n3 3 -100 100 0 0.5 1\n4 3 -100 -100 0 2 1\n"
    tip = "4 3 -100 -100 0 2 -1\n3 3 -100 100 0 0.5 1\n2 3 200 0 0 1 1\n1 3 0 0 0 1 4\n"
    first, second = (steady_state(text, 2, [1, 2, 3, 4], max_compartment_length=20e-6) for text in (middle, tip))
    assert first == pytest.approx(second, rel=1e-9)


# Active membrane ----------------------------------------------------------------------------------------------------


def axon_speed(tmp_path, rates: float) -> float:
    """Conduction speed in m/s of an axon of 238 um radius and 35.4 ohm cm; `rates` multiplies all rate constants."""
    text = (cards.library_folder("models") / "hodgkin_huxley.toml").read_text(encoding="utf-8")
    for gate in "mhn":
        text = text.replace(f"d{gate}/dt = alpha_{gate}*(1 - {gate}) - beta_{gate}*{gate}",
                            f"d{gate}/dt = {rates}*(alpha_{gate}*(1 - {gate}) - beta_{gate}*{gate})")  # fmt: skip
    assert text.count(f"= {rates}*(") == 3
    (tmp_path / "warm.toml").write_text(text, encoding="utf-8")
    axon = "".join(f"{k} 2 {20_000 * k - 20_000} 0 0 238 {k - 1 if k > 1 else -1}\n" for k in range(1, 6))
    options = {"resistivity": "35.4 ohm*cm", "max_compartment_length": "0.5 mm", "dt": "0.005 ms", "record": [2, 4]}
    cell = cards.cell(tmp_path / "warm.toml")
    recording = run(axon, {1: Pulse("20 uA", 0, "0.3 ms")}, "8 ms", cell=cell, **options)
    first, second = (np.argmax(recording.trace("cell", name).values[:, 0] > 0) for name in ("2", "4"))
    assert 0 < first < second
    return float(40e-3 / ((second - first) * 0.005e-3))


@pytest.mark.slow
def test_the_conduction_speed_of_the_squid_axon_is_that_of_hodgkin_and_huxley(tmp_path) -> None:
    """18.8 m/s at 18.5 degrees, where rates are 3**((18.5 - 6.3)/10) times those at 6.3; J. Physiol. 117:524, 1952."""
    warm, cold = axon_speed(tmp_path, round(3 ** ((18.5 - 6.3) / 10), 3)), axon_speed(tmp_path, 1.0)
    assert warm == pytest.approx(18.8, rel=0.03)
    assert cold < 0.8 * warm


@pytest.mark.slow
def test_a_sphere_fires_as_the_point_neuron_of_its_card() -> None:
    """One compartment of 1000 um2 at 10 uA/cm2: the same number of spikes, at the same times within 0.1 ms."""
    from snnlab.brian import simulate
    from snnlab.networks.circuit import unconnected

    card = cards.cell("hodgkin_huxley")
    point = simulate(unconnected(card, dt="0.005 ms"), {"cell.membrane": Pulse("10 uA/cm**2")}, "60 ms")
    radius = np.sqrt(1000 / (4 * np.pi))
    sphere = run(f"1 1 0 0 0 {radius:.9f} -1\n", {"soma": Pulse("0.1 nA")}, "60 ms", cell=card, dt="0.005 ms")
    trains = [recording.spikes["cell"].train(0) for recording in (sphere, point)]
    assert len(trains[0]) == len(trains[1]) >= 4
    np.testing.assert_allclose(*trains, atol=0.1e-3)


def test_without_a_current_the_potential_is_constant() -> None:
    recording = run(CYLINDER, {}, "5 ms", record=["root", "farthest"])
    assert np.ptp(recording.trace("cell", "farthest").values) < 1e-12


@pytest.mark.slow
def test_compiled_and_numpy_simulations_agree() -> None:
    tree = parse_swc((CYLINDER + "12 3 500 90 0 0.7 6\n13 3 500 -90 0 0.5 6\n").encode(), "cell.swc")
    inject, card = {3: Pulse("2 nA", "1 ms", "3 ms")}, cards.cell("hodgkin_huxley")
    numpy, compiled = (
        simulate_morphology(tree, inject, "10 ms", cell=card, record=["root", 12], target=target)
        for target in ("numpy", "cpp")
    )
    for point in ("root", "12"):
        np.testing.assert_allclose(compiled.trace("cell", point).values, numpy.trace("cell", point).values, atol=1e-12)
    assert np.ptp(numpy.trace("cell", "12").values) > 0.05
    assert compiled.spikes["cell"].train(0).tolist() == numpy.spikes["cell"].train(0).tolist()


@pytest.mark.slow
def test_the_largest_allowed_depth_of_branches_can_be_simulated() -> None:
    recording = run(comb(499), {1: Pulse("1 nA")}, "0.1 ms", record=["farthest"])
    assert np.isfinite(recording.trace("cell", "farthest").values).all()


# Invalid arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "field", "values"),
    [
        ({"record": [99]}, "record", ["point 99", "1 to 11"]),
        ({"inject": {99: Pulse("1 nA")}}, "inject", ["point 99"]),
        ({"inject": {1: Pulse("1 mV")}}, "inject: 1: amplitude", ["1 mV", "amp"]),
        ({"inject": {1: np.zeros(3)}}, "inject: 1", ["(3,)"]),
        ({"resistivity": "0 ohm*cm"}, "resistivity", ["0 ohm*cm", "150 ohm*cm"]),
        ({"resistivity": "1 ohm"}, "resistivity", ["1 ohm", "ohm*metre"]),
        ({"max_compartment_length": "-5 um"}, "max_compartment_length", ["-5 um"]),
        ({"max_compartment_length": "1e-6 um"}, "cell.swc", ["1,000,000,"]),
        ({"dt": "0 ms"}, "dt", ["0 ms"]),
        ({"parameters": {"g_Na": 1.0}}, "population 'cell'", ["'g_Na'", "passive", "C_m, E_L, g_L"]),
        ({"parameters": {"C_m": "0 uF/cm**2"}}, "passive: equations", ["dv/dt = "]),
        ({"cell": cards.cell("lif")}, "models/lif.toml: compartments.soma.unit", ["amp", "amp/metre**2"]),
        ({"cell": cards.cell("pinsky_rinzel")}, "models/pinsky_rinzel.toml", ["2 compartments"]),
        ({"parameters": {"g_L": "-5 mS/cm**2"}, "dt": "0.1 ms", "inject": {1: Pulse("1 nA")}}, "passive on", ()),
    ],
)  # fmt: skip
def test_invalid_arguments_are_refused(options: dict, field: str, values: list[str]) -> None:
    options = {"inject": {}, "record": [1]} | options
    with raises_input_error(field, *values):
        run(CYLINDER, options.pop("inject"), "300 ms" if "g_L" in str(options) else "1 ms", **options)


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("g_K", "area", "'area'"),
        ("g_K", "Cm", "'Cm'"),
        ("g_K", "share_0", "'share_0'"),
        ("(I - I_Na - I_K - I_L)/C_m", "I/C_m - (I_Na + I_K + I_L)/C_m", "dv/dt = I/C_m"),
        ("I_L)/C_m : volt", "I_L)/C_m : volt (unless refractory)", "unless refractory"),
    ],
)
def test_a_card_that_is_not_a_membrane_is_refused(old: str, new: str, value: str, tmp_path) -> None:
    text = (cards.library_folder("models") / "hodgkin_huxley.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "own.toml").write_text(text.replace(old, new), encoding="utf-8")
    with raises_input_error("own.toml", value):
        run(CYLINDER, {}, "1 ms", cell=cards.cell(tmp_path / "own.toml"), record=[1])


def test_the_capacitance_can_have_brians_own_name(tmp_path) -> None:
    text = (cards.library_folder("models") / "hodgkin_huxley.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(text.replace("C_m", "Cm"), encoding="utf-8")
    renamed, expected = (
        run(CYLINDER, {1: Pulse("1 nA")}, "2 ms", cell=cell, record=[1]).trace("cell", "1").values
        for cell in (cards.cell(tmp_path / "own.toml"), cards.cell("hodgkin_huxley"))
    )
    np.testing.assert_array_equal(renamed, expected)
