"""Cards of continuous cells and of plasticity: valid cards become values; invalid cards raise an InputError."""

from __future__ import annotations

from pathlib import Path

import pytest
from errors_in_tests import raises_input_error

from snnlab import cards
from snnlab.brian.card_checks import check_card

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


def test_a_valid_plasticity_is_read_into_a_value(tmp_path: Path) -> None:
    rule = cards.plasticity(write(tmp_path, RULE))
    assert (rule.pre, rule.post, rule.weight) == ("r", "r - r_B", "w")
    assert [equation.name for equation in rule.equations if equation.differential] == ["w", "change"]
    check_card(rule)


def equations_with(text: str) -> str:
    """Equations with this second one."""
    return f'"""dw/dt = eta*product : 1\n{text}"""'


@pytest.mark.parametrize(
    ("changed", "field", "values"),
    [
        ({"weight": '"v"'}, "weight", ["'v'", "change, w"]),
        ({"weight": '"product"'}, "weight", ["'product'"]),
        ({"equations": equations_with("x = 2*w : 1"), "weight": '"x"'}, "weight", ["'x'"]),
        ({"weight": None}, "weight", ["missing"]),
        ({"pre": None}, "pre", ["missing"]),
        ({"post": None}, "post", ["missing"]),
        ({"pre": '""'}, "pre", []),
        ({"pre": '"1"'}, "pre", ["'1'", "variables of the cell"]),
        ({"post": '"2*mV"'}, "post", ["'2*mV'", "variables of the cell"]),
        ({"post": '"eta*r"'}, "post", ["'eta*r'", "variables of the cell"]),
        ({"post": '"r*t"'}, "post", ["'r*t'", "variables of the cell"]),
        ({"post": '"xi"'}, "post", ["'xi'"]),
        ({"pre": '"__import__(r)"'}, "pre", []),
        ({"post": '"r; r"'}, "post", ["';'"]),
        ({"equations": equations_with("dchange/dt = -change/tau + xi*tau**-0.5 : 1")}, "equations", ["'change'", "xi"]),
        ({"equations": equations_with("change : 1")}, "equations", ["'change'", "inputs"]),
        ({"equations": equations_with("product = 2*w : 1")}, "equations", ["'product'", "pre times post"]),
        ({"parameters": '{ eta = "1 kHz", tau = "30 ms", product = "1" }'}, "parameters.product", ["pre times post"]),
        ({"equations": equations_with("x = r : 1")}, "equations", ["line 2: ", "'r'"]),
        ({"equations": equations_with("dx/dt = (w - x)/theta : 1")}, "equations", ["line 2: ", "'theta'"]),
        ({"equations": equations_with("dx/dt = product : 1")}, "equations", ["line 2: "]),
        ({"equations": '"""dw/dt = eta*product : volt"""'}, "equations", ["line 1: "]),
        ({"parameters": '{ eta = "1 kHz" }'}, "equations", ["line 2: ", "'tau'"]),
        ({"functions": '{ "f(x)" = "y" }'}, "functions.f(x)", ["'y'"]),
        ({"threshold": '"w > 1"'}, "threshold", ["unknown key"]),
    ],
)
def test_an_invalid_plasticity_raises_an_error_of_its_file_and_field(
    changed: dict[str, str | None], field: str, values: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, RULE, **changed)
    with raises_input_error(f"{path}: {field}", *values) as caught:
        check_card(cards.plasticity(path))
    assert caught.value.field == f"{path}: {field}"
    assert "\n" not in str(caught.value)


def test_a_continuous_cell_has_a_rate_and_inputs(tmp_path: Path) -> None:
    cell = cards.cell(write(tmp_path, CELL))
    check_card(cell)
    assert (cell.rate, cell.inputs, cell.states) == ("r", ("x",), ("u",))
    assert str(cell.functions["f"]) == "f(a) = 1/(1 + exp(-k*a))"
    assert [str(line) for line in cell.equations][2] == "r = (1/(1 + exp(-k*(u)))) : 1"


def test_a_function_of_a_card_can_be_replaced(tmp_path: Path) -> None:
    path = write(tmp_path, CELL)
    cell = cards.cell(path, {"f(a)": "k*a"})
    assert [str(line) for line in cell.equations][2] == "r = (k*(u)) : 1"
    assert cards.cell(path).functions["f"].expression == "1/(1 + exp(-k*a))"
    with raises_input_error(f"{path}: functions", "'g(a)'", "'f(a)'"):
        cards.cell(path, {"g(a)": "a"})
    with raises_input_error(f"{path}: functions.f(a)", "'u'"):
        cards.cell(path, {"f(a)": "u"})


@pytest.mark.parametrize(
    ("changed", "field", "values"),
    [
        ({"rate": '"q"'}, "rate", ["'q'", "r, u, x"]),
        ({"rate": '"tau"'}, "rate", ["'tau'"]),
        ({"rate": "3"}, "rate", ["3", "text"]),
        ({"receptors": '{ dendrite = "r" }'}, "receptors.dendrite", ["'r'", "u, x"]),
        ({"functions": None}, "equations", ["line 3: ", "'f'"]),
        ({"functions": '{ "f" = "1" }'}, "functions.f", ["'f'"]),
        ({"functions": '{ "f(a)" = "u" }'}, "functions.f(a)", ["'u'"]),
        ({"functions": '{ "f(a)" = "f(a)" }'}, "functions.f(a)", ["'f'"]),
        ({"functions": '{ "f(a)" = "a", "tau(a)" = "a" }'}, "functions", ["'tau'"]),
        ({"functions": '{ "f(a)" = "a", "f(b)" = "b" }'}, "functions.f(b)", ["'f'"]),
        ({"functions": '{ "f(a)" = 3 }'}, "functions.f(a)", ["3", "text"]),
        ({"functions": '"f"'}, "functions", ["'f'", "table"]),
        ({"functions": '{ "f(a)" = "a*second" }'}, "equations", ["line 3: "]),
    ],
)
def test_an_invalid_cell_raises_an_error_of_its_file_and_field(
    changed: dict[str, str | None], field: str, values: list[str], tmp_path: Path
) -> None:
    path = write(tmp_path, CELL, **changed)
    with raises_input_error(f"{path}: {field}", *values) as caught:
        check_card(cards.cell(path))
    assert caught.value.field == f"{path}: {field}"


def test_a_card_of_another_kind_raises_an_error(tmp_path: Path) -> None:
    with raises_input_error("mine.toml", "'mine' is a cell", "a plasticity card"):
        cards.plasticity(write(tmp_path, CELL))
    with raises_input_error("mine.toml", "'mine' is a plasticity", "a cell card"):
        cards.cell(write(tmp_path, RULE))
