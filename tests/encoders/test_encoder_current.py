"""An encoding layer of cells: it fires when theory says, and when Brian2's own simulation of every pixel says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import brian2
import numpy as np
import pytest
from grey import check_encoder, grey
from numpy.typing import NDArray

from snnlab import cards
from snnlab.encoders import Current
from snnlab.errors import InputError

LIF = Current(cell="lif", low="100 pA", high="5 nA", steps=150)


def trains(code: Current, values: list[int], peak: int = 255) -> list[list[int]]:
    """In which steps each of these pixels fires."""
    dense = code.encode(code.prepare(grey([values], peak)), seed=0).dense()[0]
    return [np.flatnonzero(dense[:, pixel]).tolist() for pixel in range(len(values))]


def test_current_is_an_encoder() -> None:
    check_encoder(Current(steps=60))


def closed_form(rho: float, tau: float, t_ref: int, steps: int) -> list[int]:
    """A leaky integrator under rho times its rheobase, in steps: it charges through 1 - 1 / rho, and is held after.

    The potential after n steps is rho (1 - exp(-n / tau)) thresholds. Brian2 looks at the threshold at the end of a
    step, so the n-th step is number n - 1; the cell begins to charge again with step t_ref after its spike.
    """
    if rho <= 1:
        return []
    charging = math.floor(-tau * math.log1p(-1 / rho)) + 1
    return list(range(charging - 1, steps, charging - 1 + t_ref))


def test_the_cell_of_hm2bp_fires_when_theory_says() -> None:
    """lif_exp: tau_m 64 ms, held for 3 ms, and a rheobase of v_th * tau_s / tau_m = 2.5."""
    values = list(range(256))
    found = trains(Current(), values)
    for value, train in enumerate(found):
        rho = (2.5 + value / 255 * 57.5) / 2.5
        assert train == closed_form(rho, 64, 3, 400), value
    assert found[0] == [] and 60 <= len(found[255]) <= 80


def test_theory_for_a_cell_that_is_held_a_step_longer_is_wrong() -> None:
    (train,) = trains(Current(), [255])
    assert train != closed_form(24, 64, 4, 400)


def test_a_cell_keeps_its_finer_clock() -> None:
    """lif: tau_m 20 ms, held for 5 ms, rheobase 100 pA, in steps of 0.05 ms of which 20 are one of the code."""
    for value, train in zip((1, 60, 128, 255), trains(LIF, [1, 60, 128, 255]), strict=True):
        fine = closed_form((100 + value / 255 * 4900) / 100, 400, 100, 3000)
        assert train == [step // 20 for step in fine]


def by_brian(card: str, parameters: dict[str, Any], currents: NDArray[np.float64], steps: int, dt: float) -> Any:
    """Every pixel as a cell of its own in Brian2, its current a parameter: the steps and the cells of all spikes."""
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


def test_a_layer_of_pixels_in_brian_fires_as_the_code_does() -> None:
    values = np.random.default_rng(0).integers(0, 256, 40)
    ms = brian2.ms
    parameters = {"tau_m": 64 * ms, "tau_s": 8 * ms, "v_th": 20, "t_ref": 3 * ms}
    step, pixel = by_brian("lif_exp", parameters, 2.5 + values / 255 * 57.5, 200, 1e-3)
    found = trains(Current(steps=200), values.tolist())
    for number, train in enumerate(found):
        assert train == step[pixel == number].tolist()
    assert any(found)


def test_any_cell_that_fires_will_do_and_a_stronger_current_is_heard_more() -> None:
    card = cards.cell("izhikevich")
    code = Current(
        cell=card.id, low=f"0 {card.compartments['soma'].unit}", high=card.example["inject"]["soma"], steps=200
    )
    silent, excited = trains(code, [0, 1], peak=1)
    assert not silent and len(excited) > 2


def test_several_spikes_of_a_cell_in_one_step_are_one() -> None:
    coarse = Current(cell="lif", low="100 pA", high="5 nA", steps=10, dt=15e-3)
    (train,) = trains(coarse, [1], peak=1)
    assert train == list(range(10))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cell": "no_such"}, "^Current.cell: models: no card 'no_such'; known: "),
        ({"cell": "ampa"}, "ampa"),
        ({"compartment": "dendrite"}, "^Current.compartment: no compartment 'dendrite' on models/lif_exp.toml"),
        ({"low": "2 mV"}, "^Current.low: found '2 mV'; needs a plain number"),
        ({"cell": "lif", "low": "0 pA", "high": "5"}, "^Current.high: found '5'; needs a value in amp"),
        ({"cell": "lif", "low": "little", "high": "5 pA"}, "^Current.low: 'little' is not a number"),
    ],
)
def test_what_is_not_on_the_card_is_refused_before_anything_is_encoded(options: dict[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Current(**options).prepare(grey([[0, 1]]))


def test_a_cell_that_never_fires_is_refused(tmp_path: Path) -> None:
    card = Path(cards.__file__).parents[2] / "models" / "lif_exp.toml"
    kept = [
        line for line in card.read_text(encoding="utf-8").splitlines()
        if not line.startswith(("threshold", "reset", "refractory", "v_th", "t_ref"))
    ]  # fmt: skip
    silent = tmp_path / "silent.toml"
    silent.write_text("\n".join(kept).replace(" (unless refractory)", ""), encoding="utf-8")
    with pytest.raises(InputError, match="threshold"):
        Current(cell=str(silent)).prepare(grey([[0, 1]]))


def test_a_card_that_is_spoilt_is_named_with_its_field(tmp_path: Path) -> None:
    spoilt = tmp_path / "mine.toml"
    text = (Path(cards.__file__).parents[2] / "models" / "lif_exp.toml").read_text(encoding="utf-8")
    spoilt.write_text(text.replace('kind = "cell"', 'kind = "sell"'), encoding="utf-8")
    with pytest.raises(InputError, match=r"^Current\.cell: .*/mine\.toml: kind: got 'sell'"):
        Current(cell=str(spoilt)).prepare(grey([[0, 1]]))


@pytest.mark.parametrize("options", [{"steps": 0}, {"dt": -1.0}])
def test_what_makes_no_code_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="Current"):
        Current(**options)
