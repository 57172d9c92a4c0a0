"""Rate-based cells that are unstable at their time step are refused with the largest stable step of Euler's method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnlab import cards
from snnlab.brian import simulate
from snnlab.brian.stability import check_stable
from snnlab.cards import Cell
from snnlab.errors import InputError
from snnlab.networks.circuit import Population, unconnected


def card(folder: Path, equations: str, **options: str) -> Cell:
    """A cell whose rate is x."""
    fields = {"kind": "cell", "name": "A cell", "summary": "A summary.", "reference": "A reference", "rate": "x",
              "method": "euler", "dt": "0.1 ms"} | options  # fmt: skip
    lines = [f'{name} = "{value}"' for name, value in fields.items()]
    path = folder / "mine.toml"
    path.write_text("\n".join([*lines, f'equations = """\n{equations}\n"""']))
    return cards.cell(path)


def check(cell: Cell, dt: float, **parameters: float | str) -> InputError | None:
    """The error of a cell in steps of `dt` seconds; None for a stable one."""
    try:
        check_stable(Population("cells", cell, 3, parameters), dt)
    except InputError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("name", "parameters", "conductance"),
    [
        ("pyramidal_hidden", {"g_A": "30 kHz"}, 31.1),
        ("pyramidal_hidden", {"g_A": "30 kHz", "sigma": "0.3 ms**-0.5"}, 31.1),
        ("interneuron", {"g_som": "100 kHz"}, 101.1),
        ("pyramidal_output", {"g_som": "50 kHz"}, 51.1),  # the teacher's conductance, open at an input of 1
        ("pyramidal_hidden_latent", {}, 10),  # 1/tau_r
        ("interneuron_latent", {"tau_r": "1 ms", "g_som": "100 kHz"}, 101.1),
    ],
)
def test_the_largest_step_is_2_over_the_largest_conductance(
    name: str, parameters: dict[str, str], conductance: float
) -> None:
    largest = 2e-3 / conductance
    assert check(cards.cell(name), 0.99 * largest, **parameters) is None
    error = check(cards.cell(name), 1.01 * largest, **parameters)
    assert error is not None and error.field == f"population 'cells' (models/{name}.toml)"
    assert f"{1.01e3 * largest:.4g} ms" in error.problem
    assert f"{1e3 * largest:.4g} ms" in error.hint


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(decay=st.floats(0.05, 2), frequency=st.floats(0.1, 5))
def test_the_largest_step_of_a_damped_oscillation_is_that_of_its_recurrence(
    decay: float, frequency: float, tmp_path: Path
) -> None:
    """mu = -a +- iw: |1 + mu dt| < 1 for dt < 2a/(a^2 + w^2); powers of the step matrix grow only above that."""
    a, w = f"{decay!r}*kHz", f"{frequency!r}*kHz"
    cell = card(tmp_path, f"dx/dt = -{a}*x - {w}*y : 1\ndy/dt = {w}*x - {a}*y : 1")
    largest = 2 * decay / (decay**2 + frequency**2)
    for factor, grows in ((0.98, False), (1.02, True)):
        step = np.eye(2) + factor * largest * np.array([[-decay, -frequency], [frequency, -decay]])
        assert (np.linalg.norm(np.linalg.matrix_power(step, 50), ord=2) > 1) == grows
        assert (check(cell, factor * largest * 1e-3) is not None) == grows


@pytest.mark.parametrize("equations", ["dx/dt = x*Hz : 1", "dx/dt = -y*kHz : 1\ndy/dt = x*kHz : 1"])
@pytest.mark.parametrize("dt", [1e-4, 1e-3])
def test_growing_and_undamped_cells_are_refused_at_any_step(equations: str, dt: float, tmp_path: Path) -> None:
    error = check(card(tmp_path, equations), dt)
    assert error is not None and "no step" in error.hint


def test_an_integrator_is_accepted(tmp_path: Path) -> None:
    assert check(card(tmp_path, "dx/dt = I : 1\nI : hertz"), 1e-3) is None


def test_stability_is_checked_at_the_initial_state_of_the_first_cell(tmp_path: Path) -> None:
    """dx/dt = x - x^3 leaves 0 and converges to 1, where mu = -2."""
    cell = card(tmp_path, "dx/dt = (x - x**3)*kHz : 1")
    error = check(cell, 1e-4)
    assert error is not None and "no step" in error.hint
    for x in (1.0, "1", np.array([1.0, 0.0, 0.0])):
        check_stable(Population("cells", cell, 3, initial={"x": x}), 0.99e-3)
    with raises_input_error("population 'cells'", "1 ms"):
        check_stable(Population("cells", cell, 3, initial={"x": 1.0}), 1.01e-3)


def test_cells_without_a_rate_and_other_methods_are_not_checked(tmp_path: Path) -> None:
    fast = card(tmp_path, "dx/dt = -x/ms : 1")
    assert check(fast, 3e-3) is not None
    assert check(replace(fast, rate=""), 3e-3) is None
    check_stable(Population("cells", fast, 1, method="exact"), 3e-3)


def test_simulate_refuses_an_unstable_cell() -> None:
    with raises_input_error("population 'cell' (models/interneuron.toml)", "0.01978 ms"):
        simulate(unconnected(cards.cell("interneuron"), parameters={"g_som": "100 kHz"}), {}, "1 ms")
    simulate(unconnected(cards.cell("interneuron"), parameters={"g_som": "10 kHz"}), {}, "1 ms")
