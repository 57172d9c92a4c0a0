"""Functions that a card defines: parsing and substitution."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnlab.cards.functions import Function, check_functions, parse_function, substitute
from snnlab.cards.names import ExpressionError
from snnlab.cards.parsing import names_in

PHI = parse_function("phi(u)", "1/(1 + exp(-u))")
HALF = parse_function("half(x)", "x/2")
BOTH = {"phi": PHI, "half": HALF}


def value(text: str, **names: float) -> float:
    """The value of an expression, after it was parsed."""
    names_in(text)
    return eval(text, {"__builtins__": {}, "exp": math.exp}, names)  # noqa: S307 - of this file's own texts


# Nested calls of the two functions, and their values.
Call = tuple[str, float]
CALLS: st.SearchStrategy[Call] = st.recursive(
    st.sampled_from([("a", 0.3), ("b", -1.2), ("2.5", 2.5)]),
    lambda inner: st.one_of(
        inner.map(lambda call: (f"phi({call[0]})", 1 / (1 + math.exp(-call[1])))),
        inner.map(lambda call: (f"half ( {call[0]} )", call[1] / 2)),
        st.tuples(inner, inner).map(lambda pair: (f"({pair[0][0]} - {pair[1][0]})", pair[0][1] - pair[1][1])),
        inner.map(lambda call: (f"exp(-2*({call[0]}))", math.exp(-2 * call[1]))),
    ),
    max_leaves=6,
)


@given(call=CALLS)
def test_nested_calls_have_the_value_of_the_functions(call: Call) -> None:
    text, expected = call
    assert value(substitute(text, BOTH), a=0.3, b=-1.2) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_arguments_and_calls_keep_their_precedence() -> None:
    """Without parentheses 2*half(a + b) would be 2*a + b/2."""
    text = substitute("2*half(a + b)**2 - half(a)", BOTH)
    assert value(text, a=3.0, b=5.0) == 2 * 4.0**2 - 1.5


def test_an_argument_hides_a_parameter_of_the_same_name() -> None:
    function = parse_function("f(u)", "u*k", ["u", "k"])
    assert value(substitute("f(v) + u", {"f": function}), u=100.0, k=2.0, v=3.0) == 106.0


def test_a_function_reads_only_the_given_parameters() -> None:
    assert parse_function("f(x)", "g*x", ["g"]).expression == "g*x"
    with pytest.raises(ExpressionError, match="'g'"):
        parse_function("f(x)", "g*x")


def test_only_whole_names_are_substituted() -> None:
    function = {"f": parse_function("f(p)", "p + exp(p) + p_1", ["p_1"])}
    assert substitute("off(x) + f_2 + f", function) == "off(x) + f_2 + f"
    assert value(substitute("f(2)", function), p_1=7.0) == pytest.approx(2 + math.exp(2) + 7)


@pytest.mark.parametrize("expression", ["f(x) + f(x)", "f(x)", "f(f(x))"])
def test_a_function_cannot_call_itself(expression: str) -> None:
    with pytest.raises(ExpressionError, match="'f'"):
        parse_function("f(x)", expression)


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["phi(x)"] * 4000),
        "phi(" * 2000 + "x" + ")" * 2000,
        "twice(" * 60 + "x" + ")" * 60,
        "phi(" * 100_000,
        "phi(" + "(" * 100_000,
    ],
    ids=["many", "deep", "doubling", "open", "open inside"],
)
def test_excessive_calls_raise_an_error(text: str) -> None:
    """The third would become 2**60 characters."""
    functions = BOTH | {"twice": parse_function("twice(x)", "x + x")}
    with pytest.raises(ExpressionError):
        substitute(text, functions)


@pytest.mark.parametrize("text", ["phi(u + (1", "phi(u", "phi(u))", "phi u)"])
def test_unbalanced_parentheses_raise_an_error(text: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(repr(text))):
        substitute(text, BOTH)


@pytest.mark.parametrize("call", ["phi()", "phi(u, v)", "phi(exp(u), v)", "phi(u=v)"])
def test_a_call_needs_exactly_one_argument(call: str) -> None:
    with pytest.raises(ExpressionError, match="1 argument"):
        substitute(f"2*{call}/ms", BOTH)


def test_text_outside_calls_is_unchanged() -> None:
    assert substitute("(a  - b)*half(c)  /( d )", BOTH) == "(a  - b)*((c)/2)  /( d )"
    assert substitute("phi(clip(u, 0, 1))", BOTH) == "(1/(1 + exp(-(clip(u, 0, 1)))))"
    assert substitute("(u)", BOTH) == substitute("(u)", {}) == "(u)"


@pytest.mark.parametrize("signature", ["phi", "phi()", "phi(u, v)", "phi(u) + 1", "2(u)", "phi(2)", "", "phi(u)(v)"])
def test_a_signature_needs_a_name_and_one_argument(signature: str) -> None:
    with pytest.raises(ExpressionError, match="one argument"):
        parse_function(signature, "1")


@pytest.mark.parametrize("signature", ["exp(u)", "double(u)", "phi(exp)", "lambda(u)", "phi(i)", "f__g(u)", "mV(u)"])
def test_reserved_names_raise_an_error(signature: str) -> None:
    with pytest.raises(ExpressionError):
        parse_function(signature, "1")


@pytest.mark.parametrize("expression", ["__import__('os')", "u.real", "[u]", "lambda: 1", "open(u)", "", "u = 1"])
def test_a_definition_must_be_arithmetic(expression: str) -> None:
    with pytest.raises(ExpressionError):
        parse_function("phi(u)", expression)


@pytest.mark.parametrize("name", ["phi", "half"])
def test_a_function_cannot_have_the_name_of_a_variable(name: str) -> None:
    check_functions(BOTH, {"other"})
    with pytest.raises(ExpressionError, match=f"'{name}'"):
        check_functions(BOTH, {name, "other"})


def test_a_function_cannot_have_the_name_of_a_known_function() -> None:
    with pytest.raises(ExpressionError, match="'exp'"):
        check_functions({"exp": Function("exp", "u", "u")}, set())
