"""The batch engine: a circuit of cards over many stimuli at once, in C++ generated from the cards."""

from snnlab.engine.blas import one_blas_thread
from snnlab.engine.codegen import refractory_steps
from snnlab.engine.credit import Events, Kernel, Window, error_products, sent_back
from snnlab.engine.engine import Precision, Response, pack_raster, run
from snnlab.engine.rates import RateResponse, Running, run_rates
from snnlab.engine.traces import Credit, products, transition
from snnlab.native import cores

__all__ = [
    "Credit",
    "Events",
    "Kernel",
    "Precision",
    "RateResponse",
    "Response",
    "Running",
    "Window",
    "cores",
    "error_products",
    "one_blas_thread",
    "pack_raster",
    "products",
    "refractory_steps",
    "run",
    "run_rates",
    "sent_back",
    "transition",
]
