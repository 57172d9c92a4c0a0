"""The public names of the package: one table, in snnlab/__init__.pyi, for type checkers and for imports."""

from __future__ import annotations

import ast
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import snnlab

STUB = Path(snnlab.__file__).with_suffix(".pyi")
NAMES = dir(snnlab)


def test_the_table_has_no_name_twice_and_no_name_of_a_module() -> None:
    """A module of the same name would replace the public name as soon as it is imported."""
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    names = [alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert all(isinstance(node, ast.ImportFrom) for node in tree.body)
    assert sorted(map(str, names)) == NAMES and len(set(names)) == len(names)
    modules = {path.stem for path in STUB.parent.iterdir()}
    assert not modules & set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_resolves_and_is_in_the_overview(name: str) -> None:
    value = getattr(snnlab, name)
    assert callable(value) or name == "EXPERIMENTS"
    overview = str(snnlab.__doc__).partition("A simulation:")[0]
    assert name in overview.replace(",", " ").replace(":", " ").replace(";", " ").split()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="forward"):
        _ = snnlab.forward


def test_help_fits_on_two_screens() -> None:
    assert len(pydoc.render_doc(snnlab).splitlines()) <= 80


def test_importing_snnlab_imports_no_large_package() -> None:
    program = "import sys, snnlab; print([name for name in ('numpy', 'brian2', 'sklearn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
