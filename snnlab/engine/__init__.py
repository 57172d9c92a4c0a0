"""The batch engine: a circuit of cards over many stimuli at once, in C++ generated from the cards."""

from snnlab.engine.blas import one_blas_thread
from snnlab.engine.psp.events import Events, Kernel, Window, error_products, sent_back
from snnlab.engine.psp.full import Credit, products, transition
from snnlab.engine.rate.run import RateResponse, Running, run_rates
from snnlab.engine.spiking.codegen import refractory_steps
from snnlab.engine.spiking.run import Precision, Response, pack_raster, run
from snnlab.native import cores, thread_count, threads

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
    "thread_count",
    "threads",
    "transition",
]
