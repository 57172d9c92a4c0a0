"""Settings of Brian2 for the whole process, made at import."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import brian2
import numpy as np
import scipy.special
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.device import reset_device
from brian2.utils.logger import BrianLogger

# Brian2 logs Python's warnings, each in two lines; leave them to Python's own filters.
logging.captureWarnings(False)
# Errors are reported as one line, not as a request to report a bug of Brian2.
brian2.prefs.logging.display_brian_error_message = False
# An invalid circuit leaves unused objects behind; its InputError is enough.
BrianLogger.suppress_name("unused_brian_object")


def _exp(x: Any) -> Any:
    # a constant of the equations, computed once, must not differ in its last bit from the C++ result
    return math.exp(x) if isinstance(x, float) and x < 700 else np.exp(x)


for _name, _function in {"exp": _exp, "exprel": scipy.special.exprel}.items():
    # Brian2 has no exprel for NumPy, and otherwise checks the units of every argument in every step.
    DEFAULT_FUNCTIONS[_name].implementations.add_implementation(NumpyCodeGenerator, code=_function)


@contextmanager
def code_target(name: str) -> Iterator[None]:
    """Set Brian2's runtime code generation to "numpy" or "cython" for one block, whatever device is set outside it."""
    previous = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = name
    brian2.set_device("runtime")
    try:
        yield
    finally:
        reset_device()
        brian2.prefs.codegen.target = previous
