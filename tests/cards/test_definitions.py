"""Functions of a card's own stand for what they say, however they are called, and for nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnlab.cards.functions import Definition, check_functions, definition, expanded
from snnlab.cards.grammar import GrammarError, names_in

PHI = definition("phi(u)", "1/(1 + exp(-u))")
HALF = definition("half(x)", "x/2")
BOTH = {"phi": PHI, "half": HALF}


def value(text: str, **names: float) -> float:
    """An expression of arithmetic worked out, once the grammar has seen it."""
    names_in(text)
    return eval(text, {"__builtins__": {}, "exp": math.exp}, names)  # noqa: S307 - of this file's own texts


# Calls of the two functions within one another, and what they come to.
Call = tuple[str, float]
CALLS: st.SearchStrategy[Call] = st.recursive(
    st.sampled_from([("a", 0.3), ("b", -1.2), ("2.5", 2.5)]),
    lambda inner: st.one_of(
        inner.map(lambda one: (f"phi({one[0]})", 1 / (1 + math.exp(-one[1])))),
        inner.map(lambda one: (f"half ( {one[0]} )", one[1] / 2)),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]} - {two[1][0]})", two[0][1] - two[1][1])),
        inner.map(lambda one: (f"exp(-2*({one[0]}))", math.exp(-2 * one[1]))),
    ),
    max_leaves=6,
)


@given(call=CALLS)
def test_calls_within_calls_come_to_what_the_functions_come_to(call: Call) -> None:
    text, expected = call
    assert value(expanded(text, BOTH), a=0.3, b=-1.2) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_an_argument_is_a_whole_before_and_after() -> None:
    """Without its brackets 2*half(a + b) would be 2*a + b/2."""
    text = expanded("2*half(a + b)**2 - half(a)", BOTH)
    assert value(text, a=3.0, b=5.0) == 2 * 4.0**2 - 1.5


def test_the_argument_hides_a_parameter_of_its_name() -> None:
    function = definition("f(u)", "u*k", ["u", "k"])
    assert value(expanded("f(v) + u", {"f": function}), u=100.0, k=2.0, v=3.0) == 106.0


def test_a_function_reads_the_parameters_that_it_is_given() -> None:
    assert definition("f(x)", "g*x", ["g"]).expression == "g*x"
    with pytest.raises(GrammarError, match="unknown symbol 'g'"):
        definition("f(x)", "g*x")


def test_only_whole_names_are_calls_and_arguments() -> None:
    function = {"f": definition("f(p)", "p + exp(p) + p_1", ["p_1"])}
    assert expanded("off(x) + f_2 + f", function) == "off(x) + f_2 + f"
    assert value(expanded("f(2)", function), p_1=7.0) == pytest.approx(2 + math.exp(2) + 7)


def test_lines_stay_where_they_are() -> None:
    text = "dv/dt = phi(\n  v\n)/ms : 1\n\nr = half(v) : 1  # half(it)"
    assert expanded(text, BOTH).count("\n") == text.count("\n")
    assert expanded(text, {}) == text


@pytest.mark.parametrize("expression", ["f(x) + f(x)", "f(x)", "f(f(x))"])
def test_a_function_that_calls_itself_is_no_expression(expression: str) -> None:
    with pytest.raises(GrammarError, match="'f' is not one of the functions"):
        definition("f(x)", expression)


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
def test_a_bomb_of_calls_is_refused(text: str) -> None:
    """The third would stand for 2**60 letters."""
    functions = BOTH | {"twice": definition("twice(x)", "x + x")}
    with pytest.raises(GrammarError, match="more than 20000 characters once|never closed"):
        expanded(text, functions)


def test_a_missing_bracket_is_shown() -> None:
    with pytest.raises(GrammarError, match=r"a bracket is never closed in 'u \+ \(1'"):
        expanded("phi(u + (1", BOTH)


@pytest.mark.parametrize("call", ["phi()", "phi(  )", "phi(u, v)", "phi(exp(u), v)"])
def test_a_call_with_none_or_several_arguments_is_refused(call: str) -> None:
    with pytest.raises(GrammarError, match=r"^phi\(.*: phi is a function of one argument$"):
        expanded(f"du/dt = 2*{call}/ms : 1", BOTH)


def test_a_comma_of_a_call_inside_is_none_of_its_own() -> None:
    assert expanded("phi(clip(u, 0, 1))", BOTH).count("clip(u, 0, 1)") >= 1


@pytest.mark.parametrize("head", ["phi", "phi()", "phi(u, v)", "phi(u) + 1", "2(u)", "phi(2)", "", "phi(u)(v)"])
def test_a_head_that_is_no_function_of_one_argument_is_refused(head: str) -> None:
    with pytest.raises(GrammarError, match="is not a function of one argument, such as"):
        definition(head, "1")


@pytest.mark.parametrize("head", ["exp(u)", "double(u)", "phi(exp)", "lambda(u)", "phi(i)", "f__g(u)", "mV(u)"])
def test_a_name_that_is_taken_is_refused(head: str) -> None:
    with pytest.raises(GrammarError, match="is taken|is not a name"):
        definition(head, "1")


@pytest.mark.parametrize("expression", ["__import__('os')", "u.real", "[u]", "lambda: 1", "open(u)", "", "u = 1"])
def test_a_definition_holds_arithmetic_alone(expression: str) -> None:
    with pytest.raises(GrammarError):
        definition("phi(u)", expression)


@pytest.mark.parametrize("taken", ["phi", "half"])
def test_a_name_of_the_card_is_refused_for_a_function(taken: str) -> None:
    check_functions(BOTH, {"other"})
    with pytest.raises(GrammarError, match=f"'{taken}' is also defined otherwise"):
        check_functions(BOTH, {taken, "other"})


def test_a_function_by_the_name_of_a_known_one_is_refused() -> None:
    with pytest.raises(GrammarError, match="'exp' is also defined otherwise"):
        check_functions({"exp": Definition("exp", "u", "u")}, set())
