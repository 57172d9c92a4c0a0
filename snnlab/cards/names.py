"""Names on a card: units, functions, and names that a card may not declare."""

from __future__ import annotations

import builtins
import keyword
import re

FUNCTIONS = frozenset(
    "abs arccos arcsin arctan ceil clip cos cosh exp exprel floor int log log10 sign sin sinh sqrt tan tanh".split()
)
"""Functions that a card may call; Brian2 has each in NumPy and C++."""

POISSON = "poisson"
"""Samples a Poisson count with this mean; valid only as the whole definition of a (constant over dt) variable."""

UNITS = frozenset(
    "volt mV amp mA uA nA pA siemens mS uS nS farad uF nF pF second ms us ohm kohm Mohm Gohm "
    "hertz Hz kHz metre meter cm mm um mmolar mM umolar uM nmolar nM molar mole mmole umole".split()
)
"""Units that a card may use, by Brian2's names."""

SYMBOLS = {"s": "second", "V": "volt", "A": "amp", "S": "siemens", "F": "farad", "m": "metre"}
"""Units by SI symbol, valid in a quantity; in an equation these are free names."""

IMPLICIT = frozenset({"t", "dt", "xi"})
"""Names that every expression may read: time, time step and white noise."""

_CPP_KEYWORDS = frozenset(
    "alignas alignof and_eq asm auto bitand bitor bool case catch char char8_t char16_t char32_t compl "
    "concept const consteval constexpr constinit const_cast co_await co_return co_yield decltype default "
    "delete do double dynamic_cast enum explicit export extern false float friend goto inline long "
    "mutable namespace new noexcept not_eq nullptr operator or_eq private protected public register "
    "reinterpret_cast requires restrict short signed sizeof static static_assert static_cast struct "
    "switch template this thread_local throw true typedef typeid typename union unsigned using virtual "
    "void volatile wchar_t xor xor_eq".split()
)
_BRIAN2_NAMES = frozenset(
    "i j N e pi inf rand randn poisson timestep t_in_timesteps lastspike not_refractory refractory variables brian "
    # functions and macros in its C++ code
    "std main pow fabs fmod expm1 isnan errno assert stdin stdout stderr NULL EOF NAN INFINITY".split()
)
# Brian2 looks up Python's built-in functions before a card's names.
RESERVED = _BRIAN2_NAMES | _CPP_KEYWORDS | FUNCTIONS | UNITS | IMPLICIT | frozenset(dir(builtins))
"""Names that a card may not declare."""


class ExpressionError(ValueError):
    """Text that is no valid expression, equation, quantity or name; the card adds file and field."""


def check_name(name: str) -> str:
    """Return `name` if a card may declare it. Raises ExpressionError."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and "__" not in name and not name.endswith("_")
    if not plain or keyword.iskeyword(name):
        raise ExpressionError(
            f"{name!r} is not a valid name: a letter, then letters, digits and single underscores between them"
        )
    # Brian2 reads xi_... as noise, and ..._pre and ..._post as the two sides of a synapse
    if name in RESERVED or name.startswith("xi_") or name.endswith(("_pre", "_post")):
        raise ExpressionError(f"{name!r} is reserved by a unit, a function, Python, C++ or Brian2: choose another name")
    return name
