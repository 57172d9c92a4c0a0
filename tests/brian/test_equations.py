"""Quantities, Brian2 models of cards, and the settings of Brian2 that are changed at import."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
from dataclasses import replace

import brian2
import numpy as np
import pytest
import scipy.constants
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import cards
from snnlab.brian.model import build_model
from snnlab.brian.preferences import code_target
from snnlab.brian.quantities import parse_unit, to_seconds, to_si
from snnlab.cards.equation import parse_equations
from snnlab.cards.names import UNITS, ExpressionError
from snnlab.errors import InputError
from snnlab.networks.circuit import Population, Receptor

LIF, PYRAMID = cards.cell("lif"), cards.cell("pinsky_rinzel")
SYNAPSE = cards.synapse("exponential_conductance")


@pytest.mark.parametrize(
    ("text", "like", "value"),
    [
        ("-70 mV", "volt", -70e-3), ("0.4*nA", "amp", 0.4e-9), ("1 uF/cm**2", "farad/metre**2", 1e-2), ("2", "1", 2.0),
        ("120 mS/cm**2", "siemens/metre**2", 1200.0), ("10 uA/cm**2", "amp/metre**2", 0.1), ("20 ms", "second", 0.02),
        ("1 s", "ms", 1.0), ("0.02 kHz", "1/second", 20.0), ("100 Mohm", "volt/amp", 1e8), ("5 1/ms", "hertz", 5000.0),
        ("1 mM", "mole/metre**3", 1.0), ("3 V", "volt", 3.0), ("1 S/m**2", "siemens/metre**2", 1.0),
        ("2 mole", "mole", 2.0),
    ],
)  # fmt: skip
def test_text_becomes_an_si_number(text: str, like: str, value: float) -> None:
    assert to_si(text, like, "here") == pytest.approx(value, rel=1e-14)


def test_a_number_is_in_si_units() -> None:
    assert to_si(0.5, "volt", "here") == 0.5


@pytest.mark.parametrize("text", ["1 mA", "1", "1 mV/ms", "volt", "1 volt**2", "a lot"])
def test_another_dimension_is_refused(text: str) -> None:
    with raises_input_error("here"):
        to_si(text, "volt", "here")


@pytest.mark.parametrize("name", sorted(UNITS))
def test_every_unit_is_that_of_brian2(name: str) -> None:
    assert parse_unit(name) == getattr(brian2, name)


@pytest.mark.parametrize(
    ("symbol", "prefix"), [("m", scipy.constants.milli), ("u", scipy.constants.micro), ("n", scipy.constants.nano)]
)
def test_prefixes_are_si_prefixes(symbol: str, prefix: float) -> None:
    assert to_si(f"1 {symbol}S", "siemens", "here") == pytest.approx(prefix, rel=1e-15)


@settings(max_examples=examples(200))
@given(st.text(alphabet="mVnAsF uHz*/()-+0123456789.e^1", max_size=20))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        parse_unit(text)
    try:
        to_si(text, "volt", "here")
    except InputError as error:
        assert error.field == "here"


@pytest.mark.parametrize("time", [0, -1.0, math.nan, math.inf, "0 ms", "1 mV", "soon"])
def test_an_invalid_duration_is_refused(time: float | str) -> None:
    with raises_input_error("here"):
        to_seconds(time, "here")


# Models --------------------------------------------------------------------------------------------------------------


def two_receptors() -> Population:
    receptors = {
        "ampa": Receptor(SYNAPSE, "soma", {"tau_syn": "2 ms"}),
        "gaba": Receptor(SYNAPSE, "dendrite", {"tau_syn": "10 ms", "E_syn": "-80 mV"}),
    }
    return Population("cells", PYRAMID, 1, receptors=receptors)


def test_each_receptor_has_its_own_variables_at_its_compartment() -> None:
    model = build_model(two_receptors())
    lines = {line.partition(" = ")[0]: line for line in model.equations.splitlines()}
    assert lines["dg_ampa/dt"] == "dg_ampa/dt = -g_ampa/tau_syn_ampa : siemens"
    assert lines["I_syn_ampa"] == "I_syn_ampa = g_ampa*(E_syn_ampa - v_s) : amp"
    assert lines["I_syn_gaba"] == "I_syn_gaba = g_gaba*(E_syn_gaba - v_d) : amp"
    assert lines["I_s"].startswith("I_s = I_syn_ampa") and lines["I_d"].startswith("I_d = I_syn_gaba")
    assert model.receptors == {"ampa": "g_ampa", "gaba": "g_gaba"}
    numbers = {name: float(np.asarray(value)) for name, value in model.namespace.items()}
    assert (numbers["tau_syn_ampa"], numbers["tau_syn_gaba"]) == (2e-3, 10e-3)
    assert (numbers["E_syn_ampa"], numbers["E_syn_gaba"]) == (0.0, -80e-3)


def test_only_whole_names_are_renamed() -> None:
    """Neither the e of 1e-6 nor the g in tau_g is a name."""
    lines = tuple(parse_equations("dg/dt = -g/tau_g + 1e-6*siemens/tau_g*exp(-v/E) : siemens\ne2 = 2*g*v : amp"))
    card = replace(SYNAPSE, equations=lines, parameters={"tau_g": "5 ms", "E": "1 mV"}, current="e2", on_spike="g")
    model = build_model(Population("cells", LIF, 1, receptors={"x": Receptor(card, "soma")}))
    assert "dg_x/dt = -g_x/tau_g_x + 1e-6*siemens/tau_g_x*exp(-v/E_x) : siemens" in model.equations
    assert "e2_x = 2*g_x*v : amp" in model.equations


def test_a_receptor_whose_variable_is_a_name_of_the_cell_is_refused() -> None:
    lines = parse_equations(f"dv_th/dt = -v_th/second : siemens\n{SYNAPSE.equations[1]}".replace("g*", "v_th*"))
    clash = replace(SYNAPSE, equations=lines, on_spike="v_th")
    taken = replace(LIF, parameters={**LIF.parameters, "v_th_x": "1"})
    with raises_input_error("receptor 'x'", "'v_th_x'", "models/lif.toml"):
        build_model(Population("cells", taken, 1, receptors={"x": Receptor(clash, "soma")}))


def test_a_compartment_without_synapses_and_injection_has_no_current() -> None:
    assert build_model(Population("cells", LIF, 1)).namespace["I"] == 0 * brian2.amp


def test_a_populations_parameters_replace_those_of_the_card() -> None:
    model = build_model(Population("cells", LIF, 1, {"C": "1 nF", "t_ref": 0.001}))
    assert model.namespace["C"] == 1 * brian2.nfarad
    assert model.namespace["t_ref"] == 1 * brian2.ms
    assert model.namespace["E_L"] == -60 * brian2.mV


def test_initial_values_can_be_arrays_expressions_quantities_and_numbers() -> None:
    population = Population("cells", LIF, 3, initial={"v": np.array([-0.07, -0.06, -0.05])})
    with code_target("numpy"):
        for start, expected in [(population.initial, [-0.07, -0.06, -0.05]), ({"v": "E_L - 1*mV"}, [-0.061] * 3),
                                ({"v": "-55 mV"}, [-0.055] * 3), ({"v": -0.05}, [-0.05] * 3)]:  # fmt: skip
            group = build_model(replace(population, initial=start)).group(3, dt=0.1 * brian2.ms)
            np.testing.assert_allclose(group.v_[:], expected, rtol=1e-15)
            brian2.Network(group).run(0 * brian2.second, namespace={})


def test_a_variable_can_have_the_name_of_an_attribute_of_brian2s_groups() -> None:
    lines = parse_equations("dstart/dt = -start/ms : 1\ndname/dt = -start*name/ms : 1")
    cell = replace(
        LIF, equations=lines, parameters={}, compartments={}, threshold="", reset="", refractory="", start={}
    )
    model = build_model(Population("cells", cell, 2, initial={"start": 0.5, "name": np.array([1.0, 2.0])}))
    with code_target("numpy"):
        group = model.group(2, dt=0.1 * brian2.ms)
        brian2.Network(group).run(0 * brian2.second, namespace={})
    assert group.start == 0 and group.state("start", use_units=False)[:].tolist() == [0.5, 0.5]
    assert group.state("name", use_units=False)[:].tolist() == [1.0, 2.0]


# Settings of Brian2 -------------------------------------------------------------------------------------------------


def test_the_code_target_is_restored_after_an_error() -> None:
    before = brian2.prefs.codegen.target
    with pytest.raises(ZeroDivisionError), code_target("cython"):
        assert brian2.prefs.codegen.target == "cython"
        raise ZeroDivisionError
    assert brian2.prefs.codegen.target == before


@given(st.floats(-800, 800))
def test_exp_of_a_constant_is_that_of_the_c_library(x: float) -> None:
    exp = DEFAULT_FUNCTIONS["exp"].implementations[NumpyCodeGenerator].get_code(None)
    try:
        expected = math.exp(x)
    except OverflowError:
        expected = math.inf
    with np.errstate(over="ignore"):
        assert exp(np.float64(x)) == expected
        np.testing.assert_allclose(exp(np.array([x, 0.0])), [expected, 1.0], rtol=1e-15)


def test_exprel_is_1_at_zero() -> None:
    lines = parse_equations("dv/dt = exprel(x)/second - v*0/second : 1\nx = v - 1 : 1")
    cell = replace(
        LIF, equations=lines, parameters={}, compartments={}, threshold="", reset="", refractory="", start={}
    )
    model = build_model(
        replace(Population("cells", cell, 3), initial={"v": np.array([1.0, 2.0, 1.0 + 1e-9])}, method="euler")
    )
    with code_target("numpy"):
        group = model.group(3, dt=1 * brian2.ms)
        brian2.Network(group).run(1 * brian2.ms, namespace={})
    rates = (group.v_[:] - [1.0, 2.0, 1.0 + 1e-9]) / 1e-3
    np.testing.assert_allclose(rates, [1.0, math.e - 1, 1.0], rtol=1e-8)


@pytest.mark.slow
def test_python_warnings_are_not_logged_by_brian() -> None:
    """Brian2 alone logs each in two lines."""
    errors = {}
    for module in ("snnlab.brian.preferences", "brian2"):
        code = f"import warnings, {module}; warnings.formatwarning = lambda *_, **__: 'one\\n'; warnings.warn('two')"
        process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        errors[module] = process.stderr
    assert errors["snnlab.brian.preferences"] == "one\n"
    assert "py.warnings" in errors["brian2"]
