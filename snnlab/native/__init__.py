"""C++ as loaded libraries, compiled once and cached by a hash of their source, and the number of their threads."""

from snnlab.native.compiler import has_compiler
from snnlab.native.compiling import FLAGS, PROGRAM_FLAGS, array, kernel, library, precompile, program
from snnlab.native.threads import cores, thread_count, threads

__all__ = [
    "FLAGS",
    "PROGRAM_FLAGS",
    "array",
    "cores",
    "has_compiler",
    "kernel",
    "library",
    "precompile",
    "program",
    "thread_count",
    "threads",
]
