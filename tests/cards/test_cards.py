"""A card says what it holds, or which file and field is wrong."""

from __future__ import annotations

import os
import tomllib
from dataclasses import FrozenInstanceError
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from snnlab import cards
from snnlab.brian.card_checks import check_card
from snnlab.cards import model_cards
from snnlab.cards.toml_reader import Page
from snnlab.errors import InputError

GOOD = {
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
    """As everything that uses a card does: its grammar, then its units."""
    card = model_cards._model(path)
    check_card(card)


def test_a_good_card_is_read_into_a_value(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
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


def test_a_good_synapse_is_read(tmp_path: Path) -> None:
    read(write(tmp_path, SYNAPSE))
    assert cards.synapse(tmp_path / "mine.toml").on_spike == "g"


@pytest.mark.parametrize("name", sorted(cards.all_models()))
def test_every_card_on_the_shelf_is_right_in_grammar_and_units(name: str) -> None:
    check_card(cards.all_models()[name])
    assert cards.all_models()[name].id == name
    assert len(cards.all_models()[name].reference) > 20


def twice(first: str) -> str:
    """The equations with another first one."""
    return f'"""{first}\ndg/dt = -g/tau : 1"""'


def soma(potential: str = "v", current: str = "I", more: str = "") -> dict[str, str | None]:
    return {"compartments": f'{{ soma = {{ potential = "{potential}", current = "{current}", unit = "amp"{more} }} }}'}


# field that is wrong, what it says instead -> where the refusal points, and a word that it says
BAD: list[tuple[dict[str, str | None], str]] = [
    # a unit error
    ({"equations": twice('dv/dt = (E_L - v + I)/tau : volt')}, r"equations: line 1: .*(units|dimension)"),
    ({"equations": twice('dv/dt = (E_L - v)/tau : amp')}, r"equations: line 1: "),
    ({"equations": twice('dv/dt = -v/tau : mV')}, r"equations: line 1: .*mV"),
    ({"equations": twice('dv/dt = -v/tau : parsec')}, r"equations: line 1: unknown unit 'parsec'"),
    ({"equations": twice('dv/dt = exp(v)/tau : volt')}, r"equations: line 1: "),
    ({"threshold": '"v > tau"'}, r"threshold: "),
    ({"threshold": '"v + v_th"'}, r"threshold: "),
    ({"reset": '"v = tau"'}, r"reset: "),
    ({"refractory": '"2 mV"'}, r"refractory: "),
    ({"refractory": '"tau*tau"'}, r"refractory: "),
    ({"start": '{ v = "2 ms" }'}, r"start: "),
    ({"dt": '"0.1 mV"'}, r"dt: found '0.1 mV'"),
    ({"dt": '"-0.1 ms"'}, r"dt: found '-0.1 ms'"),
    ({"dt": '"0 ms"'}, r"dt: found '0 ms'"),
    ({"parameters": '{ tau = "20 mV", R = "100 Mohm", E_L = "-70 mV", v_th = "-50 mV" }'}, r"equations: "),
    ({"compartments": '{ soma = { potential = "v", current = "I", unit = "volt" } }'}, r"equations: "),
    ({"example": '{ inject = { soma = "3 mV" } }'}, r"example.inject.soma: found '3 mV'; needs a value in amp"),
    ({"example": '{ duration = "3 mV" }'}, r"example.duration: found '3 mV'"),
    # an unknown symbol
    ({"equations": '"""dv/dt = (E_L - v + Q*I)/tau : volt\ndg/dt = -g/tau : 1"""'}, r"equations: line 1: .* 'Q'"),
    ({"threshold": '"v > theta"'}, r"threshold: unknown symbol 'theta'"),
    ({"reset": '"v = v_reset"'}, r"reset: unknown symbol 'v_reset'"),
    ({"reset": '"u = 1"'}, r"reset: 'u = 1' assigns to 'u'"),
    ({"reset": '"tau = 1*ms"'}, r"reset: 'tau = 1\*ms' assigns to 'tau'"),
    ({"refractory": '"t_ref"'}, r"refractory: unknown symbol 't_ref'"),
    ({"start": '{ w = "0" }'}, r"start.w: not a state variable"),
    ({"start": '{ u = "0" }'}, r"start.u: not a state variable"),
    ({"start": '{ v = "E_X" }'}, r"start.v: unknown symbol 'E_X'"),
    ({"receptors": '{ bump = "h" }'}, r"receptors.bump: found 'h'; known: g, v"),
    ({"receptors": '{ "bu mp" = "g" }'}, r"receptors.bu mp: 'bu mp' is not a name"),
    (soma(potential="V"), r"soma.potential: found 'V'; known: g, u, v"),
    ({"example": '{ inject = { axon = "1 nA" } }'}, r"example: inject.axon: no such compartment; known: soma"),
    ({"example": '{ inject = { soma = "a lot" } }'}, r"example: inject.soma: 'a lot' is not a number with a unit"),
    ({"example": '{ inject = { soma = "1 nA" }, duration = "long" }'}, r"example: duration: 'long' is not a number"),
    # a missing parameter or field
    ({"parameters": '{ tau = "20 ms", R = "100 Mohm", E_L = "-70 mV" }'}, r"threshold: unknown symbol 'v_th'"),
    ({"parameters": '{ tau = "20 ms", E_L = "-70 mV", v_th = "-50 mV" }'}, r"equations: line 1: unknown symbol 'R'"),
    *[({key: None}, rf"{key}: missing; needs text") for key in ("name", "summary", "reference", "equations")],
    ({"kind": None}, r"kind: missing; needs kind = \"cell\" or kind = \"synapse\""),
    *[({key: None}, rf"{key}: missing; needs text") for key in ("method", "dt")],
    *[({key: '""'}, rf"{key}: empty") for key in ("name", "summary", "reference")],
    ({"threshold": None}, r"threshold: missing; a cell with a reset"),
    ({"compartments": '{ soma = { potential = "v", current = "I" } }'}, r"compartments.soma: unit: missing"),
    ({"equations": '"""u = 1 : 1"""'}, r"equations: no differential equation"),
    ({"equations": '""'}, r"equations: no differential equation"),
    # an unknown key or kind
    ({"thresold": '"v > v_th"'}, r"thresold: unknown key; did you mean 'threshold'"),
    ({"code": '"import os"'}, r"code: unknown key"),
    (soma(more=', area = "1"'), r"compartments.soma: area: unknown key"),
    ({"example": '{ inject = { soma = "1 nA" }, plot = "x.png" }'}, r"example: plot: unknown key"),
    ({"kind": '"neuron"'}, r"kind: found 'neuron'; needs kind = \"cell\" or kind = \"synapse\""),
    ({"method": '"magic"'}, r"method: found 'magic'; .*known: euler, exact"),
    # another type
    ({"name": "5"}, r"name: found 5; needs text"),
    ({"equations": '["dv/dt = 1 : 1"]'}, r"equations: found .*needs text"),
    ({"parameters": '"tau = 20 ms"'}, r"parameters: found 'tau = 20 ms'; needs a table"),
    ({"parameters": "{ tau = 20 }"}, r"parameters.tau: found 20; needs text"),
    ({"compartments": '{ soma = "v" }'}, r"compartments.soma: found 'v'; needs a table"),
    ({"compartments": '"soma"'}, r"compartments: found 'soma'; needs a table"),
    ({"summary": '"\\u001b[2J all gone"'}, r"summary: found .*needs one line of plain text"),
    # names
    ({"parameters": '{ exp = "1" }'}, r"parameters.exp: 'exp' is taken"),
    ({"parameters": '{ "tau; system()" = "1" }'}, r"parameters.tau; system\(\): .* is not a name"),
    ({"parameters": '{ tau = "1 ms", v = "1" }'}, r"parameters.v: also defined in the equations"),
    ({"parameters": '{ tau = "20 furlong" }'}, r"parameters.tau: unknown unit 'furlong'"),
    ({"parameters": '{ tau = "many ms" }'}, r"parameters.tau: 'many ms' is not a number with a unit"),
    ({"equations": '"""dv/dt = 1/ms : 1\nv : 1"""'}, r"equations: line 2: 'v' is defined twice"),
    (soma(current="R") | {"equations": twice("dv/dt = R*v/tau : volt")}, r"soma.current: 'R' is defined on the card"),
    (soma(current="double"), r"soma: current: 'double' is taken"),
    (soma(more='}, tuft = { potential = "v", current = "I", unit = "amp"'), r"soma.current: 'I' is another"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "said"), BAD, ids=[said[:40] for _, said in BAD])
def test_a_bad_cell_is_refused_by_file_and_field(changed: dict[str, str | None], said: str, tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, **changed)
    with pytest.raises(InputError, match=rf"^{path}: (compartments\.)?{said}") as refusal:
        read(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"on_spike": '"h"'}, r"on_spike: found 'h'; known: g"),
        ({"on_spike": '"I_syn"'}, r"on_spike: found 'I_syn'; known: g"),
        ({"on_spike": None}, r"on_spike: missing"),
        ({"current": '"I"'}, r"current: found 'I'; .*known: I_syn, g"),
        ({"equations": '"""dg/dt = -g/tau : amp\nI_syn = g*(E - v) : amp"""'}, r"equations: line 2: "),
        (
            {"equations": '"""dg/dt = -g/tau : siemens\nI_syn = g*(E - w) : amp"""'},
            r"equations: line 2: unknown symbol 'w'",
        ),
        ({"threshold": '"g > 1"'}, r"threshold: unknown key"),
    ],
)
def test_a_bad_synapse_is_refused_by_file_and_field(changed: dict[str, str | None], said: str, tmp_path: Path) -> None:
    path = write(tmp_path, SYNAPSE, **changed)
    with pytest.raises(InputError, match=rf"^{path}: {said}"):
        read(path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("dg/dt = -g/tua : 1", "unknown symbol 'tua' in '-g/tua'"),
        ("dg/dt = -g/tau", "'-g/tau w = 2*g' is not an expression"),
        ("dg/dt = -g^2/tau : 1", "'^' has no place in an expression: a power is **"),
        ("dg/dt = -g/tau : parsec", "unknown unit 'parsec'"),
        ("dv/dt = -g/tau : 1", "'v' is defined twice; it already is on line 4"),
        ("dg/dt = -g/tau + u : 1\nu = u/2 : hertz", None),
        ("dg/dt = -g/R : 1", None),
        ("dg/dt = -g/tau : mV", None),
        ("dg/dt = -\ng/(tau*v) : 1", None),
    ],
)  # fmt: skip
def test_a_mistake_in_the_equations_is_refused_by_their_line_as_an_editor_shows_it(
    wrong: str, said: str | None, tmp_path: Path
) -> None:
    text = f"\n\n# the membrane\n\ndv/dt = (E_L - v\n  + R*I)/tau : volt  # and its input\n\n{wrong}\nw = 2*g : 1\n"
    path = write(tmp_path, GOOD, equations=f'"""{text}"""')
    lines = text.removeprefix("\n").splitlines()  # TOML's lines begin after the one of the quotes
    line = 1 + lines.index(wrong.splitlines()[-1 if "u/2" in wrong else 0])
    with pytest.raises(InputError) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}: equations: line {line}: ")
    if said is not None:
        assert str(refusal.value) == f"{path}: equations: line {line}: {said}"


def test_a_card_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'mine' is a synapse; a cell card is needed"):
        cards.cell(write(tmp_path, SYNAPSE))
    with pytest.raises(InputError, match="'mine' is a cell; a synapse card is needed"):
        cards.synapse(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff\xfe\x00", "not TOML"),
        (b"kind = ", "not TOML"),
        (b"kind = 'cell'\nkind = 'cell'", "not TOML"),
        (b"", 'kind: missing; needs kind = "cell" or kind = "synapse"'),
        (b"kind = 'cell'\nname = \n", r"not TOML: .*\(at line 2, column 8\)"),
        (b"kind = 'cell'\n\nname = '\xff'", r"not TOML: a byte that is not UTF-8 \(at line 3\); save it as UTF-8$"),
        (b"[[kind]]", "kind: found"),
        (b"a = " + b"[" * 5000, "not TOML"),
    ],
)
def test_what_is_no_card_at_all_is_refused(raw: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=said) as refusal:
        cards.cell(path)
    assert str(refusal.value).startswith(str(path))


def test_a_card_that_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "endless.toml").symlink_to("/dev/zero")
    for path in tmp_path.iterdir():
        with pytest.raises(InputError, match="not a file; needs a readable card"):
            cards.cell(path)


def test_a_card_that_does_not_exist_is_refused_with_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no card 'lif_esp'; did you mean 'lif_exp'"):
        cards.cell("lif_esp")
    with pytest.raises(InputError, match="No such file"):
        cards.cell(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="Is a directory"):
        (tmp_path / "folder.toml").mkdir()
        cards.cell(tmp_path / "folder.toml")


@pytest.mark.parametrize("name", ["../models/lif", "/etc/passwd", "lif.toml\n", "lif\x00", "", "."])
def test_an_id_is_never_a_way_out_of_the_shelf(name: str) -> None:
    with pytest.raises(InputError):
        cards.cell(name)


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


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from([*GOOD, "other"]), value=VALUES)
@example("equations", "dv/dt = __import__('os').system('true') : volt")
@example("threshold", "v > v_th or exec('v')")
@example("reset", "v = E_L; import os")
@example("refractory", "open('x')")
@example("start", {"v": "(lambda: 1)()"})
@example("parameters", {"tau": "20 ms; system()"})
@example("compartments", {"soma": {"potential": "v", "current": "I; }", "unit": "amp"}})
def test_whatever_a_field_holds_nothing_but_a_refusal_comes_out(field: str, value: Any) -> None:
    table = {key: _plain(text) for key, text in GOOD.items()} | {field: value}
    try:
        card = model_cards._cell_fields(Page("mine.toml", table))
    except InputError as error:
        assert str(error).startswith("mine.toml: ")
    else:
        assert set(card) >= {"equations", "threshold", "start"}


def _plain(text: str) -> Any:
    return tomllib.loads(f"value = {text}")["value"]
