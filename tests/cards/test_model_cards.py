"""Cards of cells and synapses: valid cards become values; invalid cards raise an InputError of their file and field."""

from __future__ import annotations

import os
import tomllib
from dataclasses import FrozenInstanceError
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from snnlab import cards
from snnlab.brian.card_checks import check_card
from snnlab.cards import library
from snnlab.cards.cell_card import read_cell
from snnlab.cards.toml_table import TomlTable
from snnlab.errors import InputError

CELL = {
    "kind": '"cell"',
    "name": '"A cell"',
    "summary": '"What it is."',
    "reference": '"Somebody, somewhere, 1907"',
    "equations": '"""\ndv/dt = (E_L - v + R*I)/tau : volt (unless refractory)\ndg/dt = -g/tau : 1\nu = v/mV : 1\n"""',
    "threshold": '"v > v_th"',
    "reset": '"v = E_L; g += 1"',
    "refractory": '"2 ms"',
    "method": '"exponential_euler"',
    "dt": '"0.1 ms"',
    "parameters": '{ tau = "20 ms", R = "100 Mohm", E_L = "-70 mV", v_th = "-50 mV" }',
    "start": '{ v = "E_L", g = "0" }',
    "receptors": '{ bump = "g" }',
    "compartments": '{ soma = { potential = "v", current = "I", unit = "amp" } }',
    "example": '{ inject = { soma = "0.3 nA" }, duration = "100 ms" }',
}
SYNAPSE = {
    "kind": '"synapse"',
    "name": '"A synapse"',
    "summary": '"What it is."',
    "reference": '"Somebody, somewhere, 1907"',
    "equations": '"""\ndg/dt = -g/tau : siemens\nI_syn = g*(E - v) : amp\n"""',
    "on_spike": '"g"',
    "current": '"I_syn"',
    "parameters": '{ tau = "5 ms", E = "0 mV" }',
}


def write(folder: Path, card: dict[str, str], **changed: str | None) -> Path:
    """The card in a file, with fields changed or, where None, left out."""
    fields = {key: value for key, value in {**card, **changed}.items() if value is not None}
    path = folder / "mine.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in fields.items()), encoding="utf-8")
    return path


def read(path: Path) -> None:
    """Read a card and check its units, as every user of a card does."""
    card = library._model(path)
    check_card(card)


def test_a_valid_cell_is_read_into_a_value(tmp_path: Path) -> None:
    path = write(tmp_path, CELL)
    cell = cards.cell(path)
    read(path)
    assert (cell.id, cell.name, cell.states) == ("mine", "A cell", ("v", "g"))
    assert [str(line) for line in cell.equations][2] == "u = v/mV : 1"
    assert cell.compartments["soma"].current == "I"
    assert cell.digest == sha256(path.read_bytes()).hexdigest()
    with pytest.raises(FrozenInstanceError):
        cell.name = "another"  # type: ignore[misc]
    with pytest.raises(TypeError):
        cell.parameters["tau"] = "1 ms"  # type: ignore[index]


def test_a_valid_synapse_is_read(tmp_path: Path) -> None:
    read(write(tmp_path, SYNAPSE))
    assert cards.synapse(tmp_path / "mine.toml").on_spike == "g"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(cards.all_models()))
def test_every_card_of_the_library_has_an_id_and_a_reference(name: str) -> None:
    assert cards.all_models()[name].id == name
    assert len(cards.all_models()[name].reference) > 20


def equations_with(first: str) -> str:
    """Equations with this first one."""
    return f'"""{first}\ndg/dt = -g/tau : 1"""'


def soma(potential: str = "v", current: str = "I", more: str = "") -> dict[str, str | None]:
    return {"compartments": f'{{ soma = {{ potential = "{potential}", current = "{current}", unit = "amp"{more} }} }}'}


# changed fields -> the field of the error, and values that it names
INVALID_CELLS: list[tuple[dict[str, str | None], str, *tuple[str, ...]]] = [
    # units
    ({"equations": equations_with("dv/dt = (E_L - v + I)/tau : volt")}, "equations", "line 1: ", "units"),
    ({"equations": equations_with("dv/dt = (E_L - v)/tau : amp")}, "equations", "line 1: "),
    ({"equations": equations_with("dv/dt = -v/tau : mV")}, "equations", "line 1: ", "mV"),
    ({"equations": equations_with("dv/dt = -v/tau : parsec")}, "equations", "line 1: ", "'parsec'"),
    ({"equations": equations_with("dv/dt = exp(v)/tau : volt")}, "equations", "line 1: "),
    ({"threshold": '"v > tau"'}, "threshold"),
    ({"threshold": '"v + v_th"'}, "threshold"),
    ({"reset": '"v = tau"'}, "reset"),
    ({"refractory": '"2 mV"'}, "refractory"),
    ({"refractory": '"tau*tau"'}, "refractory"),
    ({"start": '{ v = "2 ms" }'}, "start"),
    ({"dt": '"0.1 mV"'}, "dt", "'0.1 mV'"),
    ({"dt": '"-0.1 ms"'}, "dt", "'-0.1 ms'"),
    ({"dt": '"0 ms"'}, "dt", "'0 ms'"),
    ({"parameters": '{ tau = "20 mV", R = "100 Mohm", E_L = "-70 mV", v_th = "-50 mV" }'}, "equations"),
    ({"compartments": '{ soma = { potential = "v", current = "I", unit = "volt" } }'}, "equations"),
    ({"example": '{ inject = { soma = "3 mV" } }'}, "example.inject.soma", "'3 mV'", "amp"),
    ({"example": '{ duration = "3 mV" }'}, "example.duration", "'3 mV'"),
    # unknown symbols
    ({"equations": equations_with("dv/dt = (E_L - v + Q*I)/tau : volt")}, "equations", "line 1: ", "'Q'"),
    ({"threshold": '"v > theta"'}, "threshold", "'theta'"),
    ({"reset": '"v = v_reset"'}, "reset", "'v_reset'"),
    ({"reset": '"u = 1"'}, "reset", "'u = 1'", "'u'"),
    ({"reset": '"tau = 1*ms"'}, "reset", "'tau = 1*ms'", "'tau'"),
    ({"refractory": '"t_ref"'}, "refractory", "'t_ref'"),
    ({"start": '{ w = "0" }'}, "start.w", "g, v"),
    ({"start": '{ u = "0" }'}, "start.u", "g, v"),
    ({"start": '{ v = "E_X" }'}, "start.v", "'E_X'"),
    ({"receptors": '{ bump = "h" }'}, "receptors.bump", "'h'", "g, v"),
    ({"receptors": '{ "bu mp" = "g" }'}, "receptors.bu mp", "'bu mp'"),
    (soma(potential="V"), "compartments.soma.potential", "'V'", "g, u, v"),
    ({"example": '{ inject = { axon = "1 nA" } }'}, "example: inject.axon", "soma"),
    ({"example": '{ inject = { soma = "a lot" } }'}, "example: inject.soma", "'a lot'"),
    ({"example": '{ inject = { soma = "1 nA" }, duration = "long" }'}, "example: duration", "'long'"),
    # missing parameters and fields
    ({"parameters": '{ tau = "20 ms", R = "100 Mohm", E_L = "-70 mV" }'}, "threshold", "'v_th'"),
    ({"parameters": '{ tau = "20 ms", E_L = "-70 mV", v_th = "-50 mV" }'}, "equations", "line 1: ", "'R'"),
    *[({key: None}, key, "missing", "text") for key in ("name", "summary", "reference", "equations", "method", "dt")],
    *[({key: '""'}, key, "empty") for key in ("name", "summary", "reference")],
    ({"kind": None}, "kind", "missing", "cell, synapse, plasticity"),
    ({"threshold": None}, "threshold", "missing"),
    ({"compartments": '{ soma = { potential = "v", current = "I" } }'}, "compartments.soma: unit", "missing"),
    ({"equations": '"""u = 1 : 1"""'}, "equations", "differential"),
    ({"equations": '""'}, "equations", "differential"),
    # unknown keys and kinds
    ({"thresold": '"v > v_th"'}, "thresold", "'threshold'"),
    ({"code": '"import os"'}, "code", "unknown key"),
    (soma(more=', area = "1"'), "compartments.soma: area", "unknown key"),
    ({"example": '{ inject = { soma = "1 nA" }, plot = "x.png" }'}, "example: plot", "unknown key"),
    ({"kind": '"neuron"'}, "kind", "'neuron'", "cell, synapse, plasticity"),
    ({"method": '"magic"'}, "method", "'magic'", "euler, exact"),
    # types
    ({"name": "5"}, "name", "5", "text"),
    ({"equations": '["dv/dt = 1 : 1"]'}, "equations", "text"),
    ({"parameters": '"tau = 20 ms"'}, "parameters", "'tau = 20 ms'", "table"),
    ({"parameters": "{ tau = 20 }"}, "parameters.tau", "20", "text"),
    ({"compartments": '{ soma = "v" }'}, "compartments.soma", "'v'", "table"),
    ({"compartments": '"soma"'}, "compartments", "'soma'", "table"),
    ({"summary": '"\\u001b[2J all gone"'}, "summary", "printable"),
    # names
    ({"parameters": '{ exp = "1" }'}, "parameters.exp", "'exp'"),
    ({"parameters": '{ "tau; system()" = "1" }'}, "parameters.tau; system()"),
    ({"parameters": '{ tau = "1 ms", v = "1" }'}, "parameters.v", "equations"),
    ({"parameters": '{ tau = "20 furlong" }'}, "parameters.tau", "'furlong'"),
    ({"parameters": '{ tau = "many ms" }'}, "parameters.tau", "'many ms'"),
    ({"equations": '"""dv/dt = 1/ms : 1\nv : 1"""'}, "equations", "line 2: ", "'v'", "line 1"),
    (soma(current="R") | {"equations": equations_with("dv/dt = R*v/tau : volt")}, "compartments.soma.current", "'R'"),
    (soma(current="double"), "compartments.soma: current", "'double'"),
    (
        soma(more='}, tuft = { potential = "v", current = "I", unit = "amp"'),
        "compartments.soma.current",
        "'I'",
        "another compartment",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", INVALID_CELLS, ids=lambda case: case[1])
def test_an_invalid_cell_raises_an_error_of_its_file_and_field(case: Any, tmp_path: Path) -> None:
    changed, field, *values = case
    path = write(tmp_path, CELL, **changed)
    with raises_input_error(f"{path}: {field}", *values) as caught:
        read(path)
    assert caught.value.field == f"{path}: {field}"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "field", "values"),
    [
        ({"on_spike": '"h"'}, "on_spike", ["'h'", "g"]),
        ({"on_spike": '"I_syn"'}, "on_spike", ["'I_syn'", "g"]),
        ({"on_spike": None}, "on_spike", ["missing"]),
        ({"current": '"I"'}, "current", ["'I'", "I_syn, g"]),
        ({"equations": '"""dg/dt = -g/tau : amp\nI_syn = g*(E - v) : amp"""'}, "equations", ["line 2: "]),
        (
            {"equations": '"""dg/dt = -g/tau : siemens\nI_syn = g*(E - w) : amp"""'},
            "equations",
            ["line 2: ", "'w'"],
        ),
        ({"threshold": '"g > 1"'}, "threshold", ["unknown key"]),
    ],
)
def test_an_invalid_synapse_raises_an_error_of_its_file_and_field(
    changed: dict[str, str | None], field: str, values: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, SYNAPSE, **changed)
    with raises_input_error(f"{path}: {field}", *values):
        read(path)


@pytest.mark.parametrize(
    ("wrong", "values"),
    [
        ("dg/dt = -g/tua : 1", ["'tua'", "'-g/tua'"]),
        ("dg/dt = -g/tau", ["'-g/tau w = 2*g'"]),
        ("dg/dt = -g^2/tau : 1", ["'^'", "**"]),
        ("dg/dt = -g/tau : parsec", ["'parsec'"]),
        ("dv/dt = -g/tau : 1", ["'v'", "line 4"]),
        ("dg/dt = -g/tau + u : 1\nu = u/2 : hertz", []),
        ("dg/dt = -g/R : 1", []),
        ("dg/dt = -g/tau : mV", []),
        ("dg/dt = -\ng/(tau*v) : 1", []),
    ],
)
def test_an_error_in_the_equations_names_their_line(wrong: str, values: list[str], tmp_path: Path) -> None:
    text = f"\n\n# the membrane\n\ndv/dt = (E_L - v\n  + R*I)/tau : volt  # and its input\n\n{wrong}\nw = 2*g : 1\n"
    path = write(tmp_path, CELL, equations=f'"""{text}"""')
    lines = text.removeprefix("\n").splitlines()  # TOML drops the first newline
    line = 1 + lines.index(wrong.splitlines()[-1 if "u/2" in wrong else 0])
    with raises_input_error(f"{path}: equations", *values) as caught:
        read(path)
    assert caught.value.problem.startswith(f"line {line}: ")


def test_a_card_of_another_kind_raises_an_error(tmp_path: Path) -> None:
    with raises_input_error("mine.toml", "'mine' is a synapse", "a cell card"):
        cards.cell(write(tmp_path, SYNAPSE))
    with raises_input_error("mine.toml", "'mine' is a cell", "a synapse card"):
        cards.synapse(write(tmp_path, CELL))


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"\xff\xfe\x00", ["TOML"]),
        (b"kind = ", ["TOML"]),
        (b"kind = 'cell'\nkind = 'cell'", ["TOML"]),
        (b"", ["missing", "cell, synapse, plasticity"]),
        (b"kind = 'cell'\nname = \n", ["TOML", "(at line 2, column 8)"]),
        (b"kind = 'cell'\n\nname = '\xff'", ["TOML", "UTF-8", "(at line 3)"]),
        (b"[[kind]]", ["got [{}]"]),
        (b"a = " + b"[" * 5000, ["TOML"]),
    ],
)
def test_a_file_that_is_not_a_card_raises_an_error(content: bytes, values: list[str], tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with raises_input_error(path, *values):
        cards.cell(path)


def test_a_pipe_or_device_raises_an_error_without_being_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    for path in tmp_path.iterdir():
        with raises_input_error(path, "not a file"):
            cards.cell(path)


def test_a_missing_card_raises_an_error_that_suggests_a_similar_one(tmp_path: Path) -> None:
    with raises_input_error("models", "'lif_esp'", "'lif_exp'"):
        cards.cell("lif_esp")
    with raises_input_error("nowhere.toml", "No such file"):
        cards.cell(tmp_path / "nowhere.toml")
    (tmp_path / "folder.toml").mkdir()
    with raises_input_error("folder.toml", "Is a directory"):
        cards.cell(tmp_path / "folder.toml")


@pytest.mark.parametrize("name", ["../models/lif", "/etc/passwd", "lif.toml\n", "lif\x00", "", "."])
def test_an_id_cannot_lead_out_of_the_library(name: str) -> None:
    with pytest.raises(InputError):
        cards.cell(name)


def test_cells_and_synapses_have_a_short_repr(tmp_path: Path) -> None:
    assert repr(cards.cell(write(tmp_path, CELL))) == "Cell('mine', 2 states, exponential_euler, dt = 0.1 ms)"
    assert repr(cards.synapse(write(tmp_path, SYNAPSE))) == "Synapse('mine', I_syn in amp)"


LEAVES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["v", "g", "1 ms", "v > 1", "__import__('os')", "dv/dt = v : 1", "v = 0", "exec('v')", "}; system("]
    ),
    st.integers(),
    st.booleans(),
    st.floats(),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from([*CELL, "other"]), value=VALUES)
@example("equations", "dv/dt = __import__('os').system('true') : volt")
@example("threshold", "v > v_th or exec('v')")
@example("reset", "v = E_L; import os")
@example("refractory", "open('x')")
@example("start", {"v": "(lambda: 1)()"})
@example("parameters", {"tau": "20 ms; system()"})
@example("compartments", {"soma": {"potential": "v", "current": "I; }", "unit": "amp"}})
def test_a_field_of_any_value_gives_a_cell_or_an_input_error(field: str, value: Any) -> None:
    table = {key: _plain(text) for key, text in CELL.items()} | {field: value}
    del table["kind"]  # read by the library
    try:
        card = read_cell(TomlTable("mine.toml", table))
    except InputError as error:
        assert str(error).startswith("mine.toml: ")
    else:
        assert isinstance(card, cards.Cell)


def _plain(text: str) -> Any:
    return tomllib.loads(f"value = {text}")["value"]
