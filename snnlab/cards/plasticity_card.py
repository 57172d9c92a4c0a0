"""Cards of plasticity: learning rules of connections between continuous cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snnlab.cards.body import Body, read_body
from snnlab.cards.equation import Equation, check_no_sampling
from snnlab.cards.names import IMPLICIT, UNITS
from snnlab.cards.parsing import names_in
from snnlab.cards.toml_table import TomlTable

PRODUCT = "product"
"""The name by which equations of a plastic connection read the product of `pre` and `post`."""


@dataclass(frozen=True)
class Plasticity:
    """A plastic connection between continuous cells.

    pre, post  expressions over variables of the presynaptic and of the postsynaptic cell
    equations  of the weight and of further state variables; they may read ``product``, which is pre times post
    weight     the state variable that is the weight
    """

    id: str
    name: str
    summary: str
    reference: str
    pre: str
    post: str
    equations: tuple[Equation, ...]
    parameters: Mapping[str, str]
    weight: str
    digest: str
    path: str


def read_plasticity(table: TomlTable) -> Plasticity:
    """The plasticity in a table. Raises InputError."""
    body = read_body(table, {PRODUCT})
    table.check("equations", check_no_sampling, body.equations)
    _check_body(table, body)
    fields = table.head() | {"equations": body.equations, "parameters": body.parameters}
    fields |= {"weight": table.choice("weight", body.states)}
    return table.close(Plasticity, fields | {side: _cell_expression(table, side, body) for side in ("pre", "post")})


def _check_body(table: TomlTable, body: Body) -> None:
    if PRODUCT in body.parameters:
        raise table.error(f"parameters.{PRODUCT}", "the name of pre times post", "choose another name")
    for equation in body.equations:
        if equation.name == PRODUCT:
            raise table.error("equations", f"{PRODUCT!r} is the name of pre times post", "choose another name")
        if equation.is_input:
            raise table.error("equations", f"{equation.name!r} has no definition", "a connection has no inputs")
        if "xi" in equation.names:
            raise table.error("equations", f"{equation.name!r} reads xi", "only cells may have noise")


def _cell_expression(table: TomlTable, side: str, body: Body) -> str:
    """The expression `pre` or `post`, over variables of a cell."""
    text = table.text(side)
    names = table.check(side, names_in, text)
    if not names - UNITS:
        raise table.error(side, f"got {text!r}", "must be an expression over variables of the cell")
    if names & (IMPLICIT | set(body.parameters)):
        raise table.error(side, f"got {text!r}", "must read only variables of the cell")
    return text
