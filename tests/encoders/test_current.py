"""An encoding layer of cells fires as theory and a Brian2 simulation of every pixel predict."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import brian2
import numpy as np
import pytest
from errors_in_tests import raises_input_error
from grey import check_encoder, grey
from numpy.typing import NDArray

from snnlab import cards
from snnlab.encoders import Current

LIF = Current(cell="lif", low="100 pA", high="5 nA", steps=150)


def trains(code: Current, values: list[int], peak: int = 255) -> list[list[int]]:
    """The steps in which each pixel fires."""
    dense = code.encode(code.prepare(grey([values], peak)), seed=0).dense()[0]
    return [np.flatnonzero(dense[:, pixel]).tolist() for pixel in range(len(values))]


def test_current_is_an_encoder() -> None:
    check_encoder(Current(steps=60))


def closed_form(rho: float, tau: float, t_ref: int, steps: int) -> list[int]:
    """Spike steps of a leaky integrator at rho times its rheobase.

    The potential after n steps is rho (1 - exp(-n / tau)) thresholds. Brian2 compares it with the threshold at the end
    of a step, so the n-th step is number n - 1; the cell charges again t_ref steps after its spike.
    """
    if rho <= 1:
        return []
    charging = math.floor(-tau * math.log1p(-1 / rho)) + 1
    return list(range(charging - 1, steps, charging - 1 + t_ref))


def test_the_cell_of_hm2bp_fires_as_theory_predicts() -> None:
    """lif_exp: tau_m 64 ms, refractory period 3 ms, rheobase v_th * tau_s / tau_m = 2.5."""
    values = list(range(256))
    encoded = trains(Current(), values)
    for value, train in enumerate(encoded):
        rho = (2.5 + value / 255 * 57.5) / 2.5
        assert train == closed_form(rho, 64, 3, 400), value
    assert encoded[0] == [] and 60 <= len(encoded[255]) <= 80


def test_theory_with_a_longer_refractory_period_differs() -> None:
    (train,) = trains(Current(), [255])
    assert train != closed_form(24, 64, 4, 400)


def test_a_cell_uses_the_smaller_dt_of_its_card() -> None:
    """lif: tau_m 20 ms, refractory period 5 ms, rheobase 100 pA, dt 0.05 ms; a step of the code has 20 of the cell."""
    for value, train in zip((1, 60, 128, 255), trains(LIF, [1, 60, 128, 255]), strict=True):
        fine = closed_form((100 + value / 255 * 4900) / 100, 400, 100, 3000)
        assert train == [step // 20 for step in fine]


def by_brian(card: str, parameters: dict[str, Any], currents: NDArray[np.float64], steps: int, dt: float) -> Any:
    """Steps and cells of all spikes of a Brian2 group with a cell per pixel."""
    cell = cards.cell(card)
    equations = "\n".join(map(str, cell.equations)) + "\nI : 1"
    group = brian2.NeuronGroup(
        len(currents), equations, threshold=cell.threshold, reset=cell.reset, refractory="t_ref", method=cell.method,
        dt=dt * brian2.second, namespace=parameters,
    )  # fmt: skip
    group.I = currents
    monitor = brian2.SpikeMonitor(group)
    network = brian2.Network(group, monitor)
    network.run(steps * dt * brian2.second, namespace={})
    step = np.rint(np.asarray(monitor.t / brian2.second) / dt).astype(int)
    return step, np.asarray(monitor.i)


def test_the_spikes_equal_those_of_a_brian_group_with_a_cell_per_pixel() -> None:
    values = np.random.default_rng(0).integers(0, 256, 40)
    ms = brian2.ms
    parameters = {"tau_m": 64 * ms, "tau_s": 8 * ms, "v_th": 20, "t_ref": 3 * ms}
    step, pixel = by_brian("lif_exp", parameters, 2.5 + values / 255 * 57.5, 200, 1e-3)
    encoded = trains(Current(steps=200), values.tolist())
    for number, train in enumerate(encoded):
        assert train == step[pixel == number].tolist()
    assert any(encoded)


def test_any_spiking_cell_can_be_used_and_a_larger_current_gives_more_spikes() -> None:
    card = cards.cell("izhikevich")
    code = Current(
        cell=card.id, low=f"0 {card.compartments['soma'].unit}", high=card.example["inject"]["soma"], steps=200
    )
    silent, excited = trains(code, [0, 1], peak=1)
    assert not silent and len(excited) > 2


def test_several_spikes_of_a_cell_in_one_step_count_as_one() -> None:
    coarse = Current(cell="lif", low="100 pA", high="5 nA", steps=10, dt=15e-3)
    (train,) = trains(coarse, [1], peak=1)
    assert train == list(range(10))


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"cell": "no_such"}, "Current.cell", "no_such"),
        ({"cell": "ampa"}, "", "ampa"),
        ({"compartment": "dendrite"}, "Current.compartment", "dendrite"),
        ({"low": "2 mV"}, "Current.low", "2 mV"),
        ({"cell": "lif", "low": "0 pA", "high": "5"}, "Current.high", "amp"),
        ({"cell": "lif", "low": "little", "high": "5 pA"}, "Current.low", "little"),
    ],
)
def test_unknown_names_and_wrong_units_raise_an_error(options: dict[str, str], field: str, value: str) -> None:
    with raises_input_error(field, value):
        Current(**options).prepare(grey([[0, 1]]))


def test_a_cell_without_a_threshold_raises_an_error(tmp_path: Path) -> None:
    card = Path(cards.__file__).parents[2] / "models" / "lif_exp.toml"
    lines = [
        line for line in card.read_text(encoding="utf-8").splitlines()
        if not line.startswith(("threshold", "reset", "refractory", "v_th", "t_ref"))
    ]  # fmt: skip
    silent = tmp_path / "silent.toml"
    silent.write_text("\n".join(lines).replace(" (unless refractory)", ""), encoding="utf-8")
    with raises_input_error("Current.cell", "threshold"):
        Current(cell=str(silent)).prepare(grey([[0, 1]]))


def test_an_invalid_card_is_named_with_its_field(tmp_path: Path) -> None:
    invalid = tmp_path / "mine.toml"
    text = (Path(cards.__file__).parents[2] / "models" / "lif_exp.toml").read_text(encoding="utf-8")
    invalid.write_text(text.replace('kind = "cell"', 'kind = "sell"'), encoding="utf-8")
    with raises_input_error("Current.cell", "mine.toml: kind", "sell"):
        Current(cell=str(invalid)).prepare(grey([[0, 1]]))


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("dt", -1.0)])
def test_values_out_of_range_raise_an_error(field: str, value: Any) -> None:
    with raises_input_error(f"Current.{field}", value):
        Current(**{field: value})
