"""A cell that a step makes unstable is refused, with the largest step that does not; by the theory of Euler."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnlab import cards
from snnlab.brian import simulate
from snnlab.brian.stability import check_stable
from snnlab.cards import Cell
from snnlab.errors import InputError
from snnlab.networks.circuit import Population, unconnected


def card(folder: Path, equations: str, **more: str) -> Cell:
    """A cell that is heard by its x."""
    fields = {"kind": "cell", "name": "A cell", "summary": "A summary.", "reference": "A reference", "rate": "x",
              "method": "euler", "dt": "0.1 ms"} | more  # fmt: skip
    lines = [f'{name} = "{value}"' for name, value in fields.items()]
    path = folder / "mine.toml"
    path.write_text("\n".join([*lines, f'equations = """\n{equations}\n"""']))
    return cards.cell(path)


def stable(cell: Cell, dt: float, **parameters: float | str) -> str:
    """What is said of the cell in steps of `dt` seconds, nothing if it is let pass."""
    try:
        check_stable(Population("cells", cell, 3, parameters), dt)
    except InputError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    ("name", "parameters", "conductance"),
    [
        ("pyramidal_hidden", {"g_A": "30 kHz"}, 31.1),
        ("pyramidal_hidden", {"g_A": "30 kHz", "sigma": "0.3 ms**-0.5"}, 31.1),
        ("interneuron", {"g_som": "100 kHz"}, 101.1),
        ("pyramidal_output", {"g_som": "50 kHz"}, 51.1),  # a teacher's, which opens with an input
        ("pyramidal_hidden_latent", {}, 10),  # 1/tau_r
        ("interneuron_latent", {"tau_r": "1 ms", "g_som": "100 kHz"}, 101.1),
    ],
)
def test_the_largest_step_is_two_over_the_fastest_conductance(
    name: str, parameters: dict[str, str], conductance: float
) -> None:
    largest = 2e-3 / conductance
    assert stable(cards.cell(name), 0.99 * largest, **parameters) == ""
    said = stable(cards.cell(name), 1.01 * largest, **parameters)
    assert said == (
        f"population 'cells' (models/{name}.toml): unstable in steps of {1.01e3 * largest:.4g} ms by Euler's method; "
        f"the largest stable step is {1e3 * largest:.4g} ms"
    )


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(decay=st.floats(0.05, 2), turn=st.floats(0.1, 5))
def test_a_damped_oscillation_has_the_largest_step_that_its_recurrence_has(
    decay: float, turn: float, tmp_path: Path
) -> None:
    """mu = -a +- iw: |1 + mu dt| < 1 for dt < 2a/(a^2 + w^2); its powers, worked out, grow above that and not below."""
    a, w = f"{decay!r}*kHz", f"{turn!r}*kHz"
    cell = card(tmp_path, f"dx/dt = -{a}*x - {w}*y : 1\ndy/dt = {w}*x - {a}*y : 1")
    largest = 2 * decay / (decay**2 + turn**2)
    for factor, grows in ((0.98, False), (1.02, True)):
        step = np.eye(2) + factor * largest * np.array([[-decay, -turn], [turn, -decay]])
        assert (np.linalg.norm(np.linalg.matrix_power(step, 50), ord=2) > 1) == grows
        assert bool(stable(cell, factor * largest * 1e-3)) == grows


@pytest.mark.parametrize("equations", ["dx/dt = x*Hz : 1", "dx/dt = -y*kHz : 1\ndy/dt = x*kHz : 1"])
def test_what_grows_or_turns_for_ever_is_refused_at_any_step(equations: str, tmp_path: Path) -> None:
    cell = card(tmp_path, equations)
    for dt in (1e-4, 1e-3):
        assert "does not decay by itself; no step of Euler's method is stable" in stable(cell, dt)


def test_what_only_integrates_is_let_pass(tmp_path: Path) -> None:
    assert stable(card(tmp_path, "dx/dt = I : 1\nI : hertz"), 1e-3) == ""


def test_it_is_looked_at_from_the_start(tmp_path: Path) -> None:
    """dx/dt = x - x^3 leaves 0 and comes to 1, where mu = -2."""
    cell = card(tmp_path, "dx/dt = (x - x**3)*kHz : 1")
    assert "does not decay by itself" in stable(cell, 1e-4)
    for start in (1.0, "1", np.array([1.0, 0.0, 0.0])):
        check_stable(Population("cells", cell, 3, initial={"x": start}), 0.99e-3)
    with pytest.raises(InputError, match=r"the largest stable step is 1 ms$"):
        check_stable(Population("cells", cell, 3, initial={"x": 1.0}), 1.01e-3)


def test_a_cell_that_is_not_heard_and_another_method_are_let_pass(tmp_path: Path) -> None:
    fast = card(tmp_path, "dx/dt = -x/ms : 1")
    assert stable(fast, 3e-3)
    assert stable(replace(fast, rate=""), 3e-3) == ""
    check_stable(Population("cells", fast, 1, method="exact"), 3e-3)


def test_simulate_refuses_before_it_runs() -> None:
    with pytest.raises(InputError, match=r"^population 'cell' .*interneuron.toml\): unstable .* step is 0.01978 ms$"):
        simulate(unconnected(cards.cell("interneuron"), parameters={"g_som": "100 kHz"}), {}, "1 ms")
    simulate(unconnected(cards.cell("interneuron"), parameters={"g_som": "10 kHz"}), {}, "1 ms")
