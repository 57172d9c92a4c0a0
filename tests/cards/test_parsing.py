"""Expressions hold only arithmetic over declared names; anything else raises an error."""

from __future__ import annotations

import io
import math
import tokenize
from collections.abc import Callable
from typing import Any

import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from snnlab.cards.equation import parse_equations
from snnlab.cards.names import FUNCTIONS, ExpressionError, check_name
from snnlab.cards.parsing import check_expression, check_statements, check_unit, names_in, split_quantity

NAMES = ["v", "q", "tau_m", "I"]

ATTACKS = [
    "__import__('os')", "__import__('os').system('true')", "v.__class__", "v.__class__.__bases__[0]", "(lambda: v)()",
    "lambda: v", "[v for v in q]", "{v: q}", "{v}", "[v]", "(v, q)", "v[0]", "v[0:1]", "'v'", '"v"', "b'v'", "f'{v}'",
    "v if q else I", "v := q", "(v := q)", "*v", "**v", "await v", "yield", "yield v", "not", "v is q", "v in q",
    "v not in q", "v @ q", "v // q", "v << 2", "v >> 2", "v & q", "v | q", "v ^ q", "~v", "None", "True", "...", "1j",
    "1e999", "-1e999", "exec(v)", "eval(v)", "open(v)", "getattr(v, q)", "print(v)", "exp.__call__(v)", "exp(v)(q)",
    "exp", "exp()", "exp(v, q)", "exp(x=v)", "exp(*v)", "clip(v, 0)", "rand()", "randn()", "poisson(v)", "v; q",
    "v\nq",
    "v # q", "v \\\n + q", "v // q", "v /* q */", "v */ q", "v }", "v; } system(q); {", "v, q", "v = q", "v == q = I",
    "#include <cstdlib>", "v`q`", "$(v)", "v?q:I", "v::q", "v->q", "v!q", "@v", "v:q", "0 < v < 1", "v v", "v(q)",
    "()", "",
    "ｅxec(v)", "ᵥ", "v\u2028q", "v\x0bq", "v\x0cq", "v\x00", "v\tq", "\\x76", "v\r\nq", "ſ", "v\u00a0+ q", "1_000_",
    "0777",
    "w", "os", "i", "j", "N", "__v", "v__", "_v", "xi_1", "pi", "inf", "nan", "self", "double", "std",
]  # fmt: skip

ARITHMETIC = [
    "v", "-v/tau_m + I", "exp(-v/(2*mV))", "v > q and not (q >= 2 or v != I)", "clip(v, 0, 1)", "v**2.5", "v**-3",
    "q**tau_m",
    "int(v > -10*mV)*(q - I)", "1e-6 + .5 - 3.", "t/ms + dt/second", "xi/tau_m**0.5", "v % 2", "+v", "exprel(v)",
    "0x10*v",
    "1_000*v", "((((v))))",
]  # fmt: skip


@pytest.mark.parametrize("text", ATTACKS)
def test_anything_but_arithmetic_over_declared_names_raises_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        check_expression(text, NAMES)


@pytest.mark.parametrize("text", ARITHMETIC)
def test_arithmetic_is_accepted(text: str) -> None:
    check_expression(text, NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "place",
    [
        "dv/dt = {} : 1",
        "v = {} : 1",
        "{} : 1",
        "d{}/dt = v : 1",
        "v : {}",
        "dv/dt = -v/ms : 1 ({})",
        "dv/dt = v/ms : 1 {}",
    ],
)
def test_no_part_of_an_equation_accepts_an_attack(place: str, attack: str) -> None:
    """The text raises an error, or what was read holds it only as a name, number or comment."""
    try:
        equations = parse_equations(place.format(attack))
    except ExpressionError:
        return
    for equation in equations:
        assert_arithmetic(equation.expression or "v")
        assert check_name(equation.name) and equation.name.isascii()
        check_unit(equation.unit)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9", "2**1000000", "v**9**9", "v**(10**10)", "v**100", "(v + 1)**65", "v**1e9", "v**(q + 1)", "v**v**v",
        "2.0**q", "1e308*10**400", "1" * 5000, "v" + "+v" * 3000, "(" * 300 + "v" + ")" * 300, "-" * 1000 + "v",
        "1" * 4500,
        "exp(" * 250 + "v" + ")" * 250, "9" * 400 + "*v",
    ],
)  # fmt: skip
def test_an_expression_that_would_take_forever_raises_an_error(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check_expression(text, NAMES)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"x{k + 1} = sin(x{k}) + cos(x{k}) : 1" for k in range(50)) + "\nx0 : 1",
        "\n".join(f"x{k + 1} = x{k}*(x{k} + 1) : 1" for k in range(20)) + "\nx0 : 1",
        "dv/dt = (v + a + b + c)**40/second : 1",
        "dv/dt = " + "*".join(["(v + a)"] * 40) + "/second : 1",
        "x = y : 1\ny = x : 1",
        "x = x + 1 : 1",
        "\n".join(f"x{k} : 1" for k in range(300)),
    ],
    ids=["laughs", "squares", "power", "product", "circle", "itself", "many"],
)
def test_circular_or_exploding_definitions_raise_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_equations(text)


def test_many_equations_that_stay_small_are_accepted() -> None:
    text = "\n".join(f"x{k + 1} = sin(x{k}) : 1" for k in range(50)) + "\nx0 : 1\ndv/dt = (v + x50)**3/second : 1"
    assert len(parse_equations(text)) == 52


def assert_arithmetic(text: str) -> None:
    """Checked by Python's tokens: names, numbers and arithmetic operators; only known functions are called."""
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text.strip()).readline) if token.string]
    operators = {"+", "-", "*", "/", "%", "**", "(", ")", ",", "<", "<=", ">", ">=", "==", "!="}
    for token, following in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        assert token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.OP), token
        if token.type == tokenize.OP:
            assert token.string in operators
        if token.type == tokenize.NAME:
            assert token.string.isascii() and "__" not in token.string
            if following.string == "(" and token.string not in ("and", "or", "not"):
                assert token.string in FUNCTIONS
            assert token.string not in (
                "lambda",
                "if",
                "else",
                "for",
                "in",
                "is",
                "await",
                "yield",
                "None",
                "True",
                "False",
            )


SOUP = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="vqI tau_m+-*/%()<>=!.,0123456789e:#;\n'\"[]{}@&|^~\\", max_size=60),
    st.lists(st.sampled_from([*ATTACKS, *ARITHMETIC, *"+-*/()<>=,.:", " and ", "**", " ", "\n"]),
    max_size=8).map("".join),
)  # fmt: skip


@settings(max_examples=examples(600))
@given(SOUP)
@example("v" * 4000)
def test_any_text_raises_an_error_or_is_arithmetic(text: str) -> None:
    try:
        check_expression(text, NAMES)
    except ExpressionError:
        return
    assert_arithmetic(text)


CHECKS: list[Callable[[str], Any]] = [
    check_name,
    check_unit,
    names_in,
    split_quantity,
    parse_equations,
    lambda text: check_statements(text, NAMES, NAMES),
    lambda text: parse_equations(f"dv/dt = {text} : 1"),
    lambda text: parse_equations(f"v : {text}"),
    lambda text: split_quantity(f"1 {text}"),
    lambda text: check_statements(f"v = {text}", NAMES, NAMES),
]


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
@settings(max_examples=examples(300))
@given(text=SOUP)
def test_any_text_is_parsed_or_raises_an_expression_error(check: Callable[[str], Any], text: str) -> None:
    try:
        check(text)
    except ExpressionError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("-70 mV", -70.0, "mV"), ("0.4*nA", 0.4, "nA"), ("20ms", 20.0, "ms"), ("2", 2.0, "1"), ("1e-3", 1e-3, "1"),
        ("1 s", 1.0, "second"), ("3 mS/cm**2", 3.0, "mS/cm**2"), ("1 S/m**2", 1.0, "siemens/metre**2"), (".5 V",
        0.5, "volt"),
        ("5 1/ms", 5.0, "1/ms"), ("+2 Hz", 2.0, "Hz"), ("  7  ms  ", 7.0, "ms"), ("1e3 ohm", 1000.0, "ohm"),
    ],
)  # fmt: skip
def test_a_quantity_is_split_into_number_and_unit(text: str, number: float, unit: str) -> None:
    assert split_quantity(text) == (number, unit)


@pytest.mark.parametrize(
    "text",
    ["", "mV", "ten mV", "1 parsec", "1 mV + 2 mV", "1 mV 2", "1e999 mV", "nan mV", "inf", "1 volt**volt", "1 -mV",
     "1 mV**",
     "1 exp(mV)", "0x10 mV", "1,5 mV", "1 mV > 2", "1 2*mV", "1 mV-1", "1 __import__('os')", "1 mV; mV", "1 (mV",
     "1 volt**1j"],
)  # fmt: skip
def test_anything_but_a_quantity_raises_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        split_quantity(text)


@pytest.mark.parametrize(
    "text",
    ["v", "v = ", "= 0", "v == 0", "v := 0", "v **= 2", "v //= 2", "v %= 2", "v @= q", "v = q = 0", "tau_m = 0",
     "w = 0",
     "import os", "del v", "v.x = 0", "v[0] = 0", "v, q = 0, 1", "v = 0 # q = 0", "v = 0, q = 1", "v++",
     "v = exec(q)",
     "global v", "v: int = 0", "if v: q = 0", "v = 0\x0cq = 0", "v = 0\rq = 0", "v = __import__('os')"],
)  # fmt: skip
def test_a_reset_of_anything_but_assignments_raises_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        check_statements(text, ["v", "q"], NAMES)


def test_a_reset_of_assignments_is_accepted() -> None:
    check_statements("v = 0; q += I*2\n v -= clip(q, 0, 1) ; q *= 2; v /= 3;\n", ["v", "q"], NAMES)


# https://en.cppreference.com/w/cpp/keyword, without the module words that are no keywords
CPP = """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype
default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline
int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template
this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t
while xor xor_eq""".split()


@pytest.mark.parametrize("name", [*CPP, "lambda", "None", "mV", "exp", "t", "dt", "xi", "xi_2", "i", "print",
"v_post", "a__b",
                                  "_v", "v_", "2v", "v-w", "v w", "é", "", "v\n", "v\x00"])  # fmt: skip
def test_a_reserved_or_invalid_name_raises_an_error(name: str) -> None:
    with pytest.raises(ExpressionError):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["v", "w", "g_Na", "V_T", "Ca", "s", "m", "h", "alpha_m", "E_L", "x2", "I_injected", "Delta_T"]
)
def test_the_names_of_papers_are_valid(name: str) -> None:
    assert check_name(name) == name


def test_equations_may_have_comments_and_span_lines() -> None:
    equations = parse_equations(
        """
        # a comment: with a colon
        dv/dt = (g_L*(E_L - v)
                 + I)/C : volt (unless refractory)   # another
        u = a*v : volt/second
        z : 1 (constant, shared)
        """
    )
    assert [str(equation) for equation in equations] == [
        "dv/dt = (g_L*(E_L - v) + I)/C : volt (unless refractory)",
        "u = a*v : volt/second",
        "z : 1 (constant, shared)",
    ]
    assert [equation.differential for equation in equations] == [True, False, False]


@pytest.mark.parametrize("text", ["dv/dt = -v/tau", "v : 1\nv : 1", "v : furlong", "v : 1 (sometimes)", "dv/dt : 1",
"v = : 1",
                                  "dv/dt == v : 1", "v = 1 : 1 : 1", "dv/dq = 1 : 1", "v + 1 : 1"])  # fmt: skip
def test_a_line_that_is_not_an_equation_raises_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse_equations(text)


@settings(max_examples=examples(200))
@given(
    number=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.sampled_from(["mV", "nA", "mS/cm**2", "1", "volt*second**-1"]),
)
def test_a_printed_quantity_is_read_unchanged(number: float, unit: str) -> None:
    value, name = split_quantity(f"{number!r} {unit}")
    assert (value, name) == (number, unit) and math.copysign(1, value) == math.copysign(1, number)
