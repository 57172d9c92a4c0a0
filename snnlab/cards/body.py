"""The part that all model cards share: equations, parameters and functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from snnlab.cards.equation import Equation, check_equation, parse_equations
from snnlab.cards.functions import Function, check_functions, parse_function
from snnlab.cards.names import check_name
from snnlab.cards.parsing import split_quantity
from snnlab.cards.toml_table import TomlTable


@dataclass(frozen=True)
class Body:
    """Equations, parameters and functions of a card, and all names that its expressions may read."""

    equations: tuple[Equation, ...]
    parameters: Mapping[str, str]
    functions: Mapping[str, Function]
    names: frozenset[str]

    @property
    def variables(self) -> set[str]:
        """The variables of the equations."""
        return {equation.name for equation in self.equations}

    @property
    def states(self) -> set[str]:
        """The variables with a differential equation."""
        return {equation.name for equation in self.equations if equation.differential}

    @property
    def stored(self) -> set[str]:
        """The variables that hold a value of their own, which can be assigned."""
        return {equation.name for equation in self.equations if not equation.is_definition}


def read_body(table: TomlTable, external: Collection[str]) -> Body:
    """The body of a card, whose expressions may also read the `external` names. Raises InputError."""
    parameters = table.mapping("parameters")
    functions = _functions(table, parameters)
    # not stripped, so that line numbers are those of the file
    equations = table.check("equations", parse_equations, table.take("equations", str), functions)
    variables = {equation.name for equation in equations}
    for name, value in parameters.items():
        table.check(f"parameters.{name}", check_name, name)
        table.check(f"parameters.{name}", split_quantity, value)
        if name in variables:
            raise table.error(f"parameters.{name}", "also defined in the equations", "keep one of the two")
    names = variables | set(parameters) | set(external)
    table.check("functions", check_functions, functions, names)
    for equation in equations:
        if equation.expression:
            table.check("equations", check_equation, equation, names)
    return Body(equations, parameters, functions, frozenset(names))


def _functions(table: TomlTable, parameters: Collection[str]) -> Mapping[str, Function]:
    """The functions that a card defines, by name; they may read its parameters."""
    functions: dict[str, Function] = {}
    for signature, expression in table.mapping("functions").items():
        function = table.check(f"functions.{signature}", parse_function, signature, expression, parameters)
        if function.name in functions:
            raise table.error(f"functions.{signature}", f"{function.name!r} is defined twice", "keep one of the two")
        functions[function.name] = function
    return MappingProxyType(functions)
