"""C++ as loaded libraries: compiled once, cached by a hash of all that goes into them."""

from snnlab.native.compiling import (
    FLAGS,
    PROGRAM_FLAGS,
    array,
    cores,
    has_compiler,
    kernel,
    library,
    precompile,
    program,
)

__all__ = ["FLAGS", "PROGRAM_FLAGS", "array", "cores", "has_compiler", "kernel", "library", "precompile", "program"]
