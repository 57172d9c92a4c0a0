"""The batch engine: a circuit of cards over many stimuli at once, in C++ generated from the cards."""

from snnlab.engine.blas import one_blas_thread
from snnlab.engine.engine import Precision, Response, pack_raster, run
from snnlab.engine.traces import Credit, products, transition
from snnlab.native import cores

__all__ = [
    "Credit",
    "Precision",
    "Response",
    "cores",
    "one_blas_thread",
    "pack_raster",
    "products",
    "run",
    "transition",
]
