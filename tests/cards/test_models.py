"""All model cards of the library: units, references, parameters, and simulations of their examples."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error

from snnlab import cards
from snnlab.brian import simulate
from snnlab.brian.card_checks import check_card
from snnlab.brian.quantities import to_seconds, to_si
from snnlab.cards import Cell, Plasticity, Synapse
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Number, Population, Projection, Receptor, Source

LIBRARY = cards.all_models()
CELLS = [name for name, card in LIBRARY.items() if isinstance(card, Cell) and card.threshold]
RATE_CELLS = [name for name, card in LIBRARY.items() if isinstance(card, Cell) and card.rate]
PLASTICITIES = [name for name, card in LIBRARY.items() if isinstance(card, Plasticity)]
SYNAPSES = [name for name, card in LIBRARY.items() if isinstance(card, Synapse)]

STEPPED = {"lif_exp", "lif_exp_euler"}
"""Cells that their paper defines in steps of 1 ms: a shorter step is another model."""

SLOW = {"nmda", "gaba_b"}
"""Synapses whose currents last for tenths of a second; reference/test_synapses_slow.py simulates those."""


def example(name: str, dt: Number | None = None) -> Recording:
    """All state variables of two cells: neuron 0 with the current of the card's example, neuron 1 without."""
    card = cards.cell(name)
    dt = to_seconds(card.dt if dt is None else dt, "dt")
    duration = to_seconds(card.example["duration"], "duration")
    driven = np.zeros((round(duration / dt), 2))
    driven[:, 0] = 1.0
    inputs = {
        f"cell.{place}": driven * to_si(amplitude, card.compartments[place].unit, "inject")
        for place, amplitude in card.example["inject"].items()
    }
    circuit = Circuit((Population("cell", card, 2),), (), dt)
    return simulate(circuit, inputs, duration, record={"cell": card.states}, target="numpy")


@pytest.fixture(scope="module")
def examples() -> dict[str, Recording]:
    return {name: example(name) for name in CELLS}


def test_the_library_holds_the_documented_cells_and_synapses():
    assert {"lif", "lif_exp", "lif_exp_euler", "adex", "izhikevich", "hodgkin_huxley"} <= set(CELLS)
    assert {"wang_buzsaki", "pinsky_rinzel", "lif_normad"} <= set(CELLS)
    assert {"l5_pyramidal", "pv_basket", "sst_martinotti"} <= set(CELLS)
    assert {"exponential_current", "exponential_conductance", "ampa", "gaba_a", "nmda", "gaba_b"} <= set(SYNAPSES)
    assert "double_exponential_current" in SYNAPSES


def test_every_cell_is_either_spiking_or_continuous():
    assert len(CELLS) + len(RATE_CELLS) + len(SYNAPSES) + len(PLASTICITIES) == len(LIBRARY)
    microcircuit = ("pyramidal_hidden", "pyramidal_output", "interneuron")
    assert {f"{name}{kind}" for name in microcircuit for kind in ("", "_latent", "_poisson")} <= set(RATE_CELLS)
    assert {f"corinfomax_{name}" for name in ("hidden", "output", "multiplier")} <= set(RATE_CELLS)
    learning = ("bottom_up", "to_interneuron", "from_interneuron", "top_down")
    assert {f"{kind}_{name}" for name in learning for kind in ("plastic", "spiking")} == (
        set(PLASTICITIES) - {"plastic_ascending", "plastic_descending"}
    )


@pytest.mark.thorough
@pytest.mark.parametrize("name", LIBRARY)
def test_the_units_of_every_card_are_consistent(name):
    check_card(LIBRARY[name])


@pytest.mark.thorough
@pytest.mark.parametrize("name", LIBRARY)
def test_a_parameter_with_a_wrong_unit_raises_an_error(name):
    card = LIBRARY[name]
    wrong = next(iter(card.parameters))
    with raises_input_error(card.path):
        check_card(replace(card, parameters=card.parameters | {wrong: "3 mole"}))


@pytest.mark.parametrize("name", LIBRARY)
def test_every_card_cites_a_year_and_a_doi_or_arxiv_number(name):
    reference = LIBRARY[name].reference
    assert re.search(r"\b(18|19|20)\d\d\b", reference)
    assert re.search(r"doi:10\.\d{4,}/\S+|arXiv:\d{4}\.\d{4,}", reference)


@pytest.mark.parametrize("name", LIBRARY)
def test_every_parameter_of_a_card_is_used(name):
    card = LIBRARY[name]
    texts = [equation.expression for equation in card.equations if equation.expression]
    if isinstance(card, Cell):
        texts += [card.threshold, card.refractory, *card.start.values()]
        texts += [part.split("=", 1)[1] for part in re.split(r"[;\n]", card.reset) if part]
    read = {symbol for text in texts for symbol in re.findall(r"[A-Za-z]\w*", text)}
    assert set(card.parameters) <= read


def test_every_continuous_cell_and_plasticity_has_a_reference_test():
    folder = Path(__file__).parents[1] / "reference"
    starts = ("dendritic", "rate", "corinfomax")
    files = (path for start in starts for path in folder.glob(f"test_{start}*.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    assert all(f'"{name}"' in text for name in RATE_CELLS + PLASTICITIES)


@pytest.mark.parametrize("name", CELLS)
def test_every_spiking_cell_has_a_reference_test(name):
    folder = Path(__file__).parents[1] / "reference"
    files = [path.stem.removeprefix("test_") for path in folder.glob("test_*.py")]
    assert any(name == stem or (name in STEPPED and stem == "lif_exp") for stem in files)


@pytest.mark.parametrize("name", CELLS + RATE_CELLS)
def test_every_cell_has_an_example_with_a_current(name):
    card = cards.cell(name)
    assert card.compartments
    assert card.example["inject"]


@pytest.mark.thorough
@pytest.mark.parametrize("name", CELLS)
def test_an_example_fires_and_stays_finite(examples, name):
    recording, card = examples[name], cards.cell(name)
    steps = round(recording.duration / recording.dt)
    assert recording.duration == pytest.approx(to_seconds(card.example["duration"], "duration"))
    assert recording.spikes["cell"].counts()[0, 0] >= 2
    for state in card.states:
        values = recording.trace("cell", state).values
        assert values.shape == (steps, 2)
        assert np.isfinite(values).all()


@pytest.mark.parametrize("name", CELLS)
def test_potentials_are_physiological_and_gates_are_fractions(examples, name):
    card = cards.cell(name)
    for part in card.compartments.values():
        trace = examples[name].trace("cell", part.potential)
        if trace.unit == "V":
            assert -0.1 < trace.values.min() < trace.values.max() < 0.1
    for gate in {"m", "h", "n", "s", "c", "q"}.intersection(card.states) if name not in STEPPED else ():
        values = examples[name].trace("cell", gate).values
        assert values.min() >= 0
        assert values.max() <= 1


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_without_its_example_current_fires_less(examples, name):
    driven, alone = examples[name].spikes["cell"].counts()[0]
    assert alone < driven


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(set(CELLS) - STEPPED))
def test_half_the_time_step_moves_no_spike_by_more_than_a_tenth_of_a_millisecond(examples, name):
    whole = examples[name].spikes["cell"].train(0)
    half = example(name, dt=examples[name].dt / 2).spikes["cell"].train(0)
    assert len(half) == len(whole)
    np.testing.assert_allclose(half, whole, rtol=0, atol=0.1e-3)


def receptors(card: Cell) -> dict[str, Receptor]:
    """Every synapse of the library at every compartment with a current of its unit."""
    fits = {}
    for name in SYNAPSES:
        synapse = cards.synapse(name)
        (unit,) = (line.unit for line in synapse.equations if line.name == synapse.current)
        fits |= {
            f"{name}_{place}": Receptor(synapse, place)
            for place, part in card.compartments.items()
            if part.unit == unit
        }
    return fits


def test_synapses_and_cells_have_matching_units():
    fits = {name: receptors(cards.cell(name)) for name in CELLS}
    assert {receptor.synapse.id for found in fits.values() for receptor in found.values()} == set(SYNAPSES)
    assert {name for name, found in fits.items() if found} == set(CELLS) - STEPPED - {"izhikevich", "stream_lif"}


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in CELLS if receptors(cards.cell(name))])
def test_every_synapse_on_a_cell_responds_to_a_spike_and_decays(name):
    card = cards.cell(name)
    population = Population("cell", card, 1, receptors=receptors(card))
    weight = 1e-12 if "amp" in {part.unit for part in card.compartments.values()} else 1e-3
    wires = tuple(Projection("input", "cell", receptor, np.array([[weight]])) for receptor in population.receptors)
    spike = SpikeTrains.from_events([0], [20], [0], samples=1, steps=1000, size=1, dt=0.05e-3)
    currents = [f"{receptor.synapse.current}_{name}" for name, receptor in population.receptors.items()]
    circuit = Circuit((Source("input", 1), population), wires, "0.05 ms")
    run = simulate(circuit, {"input": spike}, spike.duration, record={"cell": currents}, target="numpy")
    for variable in currents:
        current = np.abs(run.trace("cell", variable).values[:, 0])
        assert np.all(current[:21] == 0)
        assert current.max() > 0
        if variable.removeprefix("I_syn_").rsplit("_", 1)[0] not in SLOW:
            assert current[-1] < 1e-3 * current.max()
