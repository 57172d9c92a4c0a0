"""Cards of cells that are heard in every step, and of plastic connections: what they hold, or which field is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from snnlab import cards
from snnlab.brian.card_checks import check_card
from snnlab.errors import InputError

RULE = {
    "kind": '"plasticity"',
    "name": '"A rule"',
    "summary": '"What it is."',
    "reference": '"Somebody, somewhere, 1949"',
    "pre": '"r"',
    "post": '"r - r_B"',
    "equations": '"""\ndw/dt = eta*change : 1\ndchange/dt = (product - change)/tau : 1\n"""',
    "weight": '"w"',
    "parameters": '{ eta = "0.01 kHz", tau = "30 ms" }',
}
CELL = {
    "kind": '"cell"',
    "name": '"A cell"',
    "summary": '"What it is."',
    "reference": '"Somebody, somewhere, 1907"',
    "equations": '"""\ndu/dt = -u/tau + x/tau : 1\nx : 1\nr = f(u) : 1\n"""',
    "functions": '{ "f(a)" = "1/(1 + exp(-k*a))" }',
    "rate": '"r"',
    "method": '"euler"',
    "dt": '"0.1 ms"',
    "parameters": '{ tau = "2 ms", k = "3" }',
    "receptors": '{ dendrite = "x" }',
}


def write(folder: Path, card: dict[str, str], **changed: str | None) -> Path:
    """The card in a file, with fields changed or, where None, left out."""
    fields = {key: value for key, value in {**card, **changed}.items() if value is not None}
    path = folder / "mine.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in fields.items()), encoding="utf-8")
    return path


def test_a_good_rule_is_read_into_a_value(tmp_path: Path) -> None:
    rule = cards.plasticity(write(tmp_path, RULE))
    assert (rule.pre, rule.post, rule.weight) == ("r", "r - r_B", "w")
    assert [one.name for one in rule.equations if one.differential] == ["w", "change"]
    check_card(rule)


def one(text: str) -> str:
    """The equations with another second one."""
    return f'"""dw/dt = eta*product : 1\n{text}"""'


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weight": '"v"'}, r"weight: found 'v'; .*known: change, w"),
        ({"weight": '"product"'}, r"weight: found 'product'"),
        ({"equations": '"""dw/dt = eta*product : 1\nx = 2*w : 1"""', "weight": '"x"'}, r"weight: found 'x'"),
        ({"weight": None}, r"weight: missing"),
        ({"pre": None}, r"pre: missing"),
        ({"post": None}, r"post: missing"),
        ({"pre": '""'}, r"pre: "),
        ({"pre": '"1"'}, r"pre: found '1'; needs an expression over variables of the cell"),
        ({"post": '"2*mV"'}, r"post: found '2\*mV'; needs an expression over variables"),
        ({"post": '"eta*r"'}, r"post: found 'eta\*r'; may read the variables of the cell alone"),
        ({"post": '"r*t"'}, r"post: found 'r\*t'; may read the variables of the cell alone"),
        ({"post": '"xi"'}, r"post: found 'xi'; may read"),
        ({"pre": '"__import__(r)"'}, r"pre: "),
        ({"post": '"r; r"'}, r"post: ';' has no place"),
        ({"equations": one("dchange/dt = -change/tau + xi*tau**-0.5 : 1")}, r"equations: 'change' reads xi"),
        ({"equations": one("change : 1")}, r"equations: 'change' has no value; a connection has no inputs of its own"),
        ({"equations": one("product = 2*w : 1")}, r"equations: 'product' is pre times post; choose another name"),
        ({"parameters": '{ eta = "1 kHz", tau = "30 ms", product = "1" }'}, r"parameters.product: pre times post"),
        ({"equations": one("x = r : 1")}, r"equations: line 2: unknown symbol 'r'"),
        ({"equations": one("dx/dt = (w - x)/theta : 1")}, r"equations: line 2: unknown symbol 'theta'"),
        ({"equations": one("dx/dt = product : 1")}, r"equations: line 2: "),
        ({"equations": '"""dw/dt = eta*product : volt"""'}, r"equations: line 1: "),
        ({"parameters": '{ eta = "1 kHz" }'}, r"equations: line 2: unknown symbol 'tau'"),
        ({"functions": '{ "f(x)" = "y" }'}, r"functions.f\(x\): unknown symbol 'y'"),
        ({"threshold": '"w > 1"'}, r"threshold: unknown key"),
    ],
)
def test_a_bad_rule_is_refused_by_file_and_field(changed: dict[str, str | None], said: str, tmp_path: Path) -> None:
    path = write(tmp_path, RULE, **changed)
    with pytest.raises(InputError, match=rf"^{path}: {said}") as refusal:
        check_card(cards.plasticity(path))
    assert "\n" not in str(refusal.value)


def test_a_cell_is_heard_by_its_rate_and_has_inputs(tmp_path: Path) -> None:
    cell = cards.cell(write(tmp_path, CELL))
    check_card(cell)
    assert (cell.rate, cell.inputs, cell.states) == ("r", ("x",), ("u",))
    assert str(cell.functions["f"]) == "f(a) = 1/(1 + exp(-k*a))"
    assert [str(line) for line in cell.equations][2] == "r = (1/(1 + exp(-k*(u)))) : 1"


def test_a_function_of_a_card_can_be_given_another_form(tmp_path: Path) -> None:
    path = write(tmp_path, CELL)
    cell = cards.cell(path, {"f(a)": "k*a"})
    assert [str(line) for line in cell.equations][2] == "r = (k*(u)) : 1"
    assert cards.cell(path).functions["f"].expression == "1/(1 + exp(-k*a))"
    with pytest.raises(InputError, match=rf"^{path}: functions: no 'g\(a\)'; did you mean 'f\(a\)'"):
        cards.cell(path, {"g(a)": "a"})
    with pytest.raises(InputError, match=rf"^{path}: functions.f\(a\): unknown symbol 'u'"):
        cards.cell(path, {"f(a)": "u"})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rate": '"q"'}, r"rate: found 'q'; known: r, u, x"),
        ({"rate": '"tau"'}, r"rate: found 'tau'"),
        ({"rate": "3"}, r"rate: found 3; needs text"),
        ({"receptors": '{ dendrite = "r" }'}, r"receptors.dendrite: found 'r'; known: u, x"),
        ({"functions": None}, r"equations: line 3: 'f' is not one of the functions"),
        ({"functions": '{ "f" = "1" }'}, r"functions.f: 'f' is not a function of one argument"),
        ({"functions": '{ "f(a)" = "u" }'}, r"functions.f\(a\): unknown symbol 'u'"),
        ({"functions": '{ "f(a)" = "f(a)" }'}, r"functions.f\(a\): 'f' is not one of the functions"),
        ({"functions": '{ "f(a)" = "a", "tau(a)" = "a" }'}, r"functions: 'tau' is also defined otherwise"),
        ({"functions": '{ "f(a)" = 3 }'}, r"functions.f\(a\): found 3; needs text"),
        ({"functions": '"f"'}, r"functions: found 'f'; needs a table"),
        ({"functions": '{ "f(a)" = "a*second" }'}, r"equations: line 3: "),
    ],
)
def test_a_bad_cell_is_refused_by_file_and_field(changed: dict[str, str | None], said: str, tmp_path: Path) -> None:
    path = write(tmp_path, CELL, **changed)
    with pytest.raises(InputError, match=rf"^{path}: {said}"):
        check_card(cards.cell(path))


def test_a_card_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'mine' is a cell; a plasticity card is needed"):
        cards.plasticity(write(tmp_path, CELL))
    with pytest.raises(InputError, match="'mine' is a plasticity; a cell card is needed"):
        cards.cell(write(tmp_path, RULE))
