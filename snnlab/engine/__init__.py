"""The batch engine: a circuit of cards over many stimuli at once, in C++ generated from the cards."""

from snnlab.engine.blas import one_blas_thread
from snnlab.engine.build import Precision
from snnlab.engine.psp.error_propagation import backpropagate, error_products
from snnlab.engine.psp.events import Events
from snnlab.engine.psp.kernels import Kernel, Window
from snnlab.engine.psp.products import PSPProducts, products, transition
from snnlab.engine.rate.run import RateResponse, RunState, run_rates
from snnlab.engine.spiking.codegen import refractory_steps
from snnlab.engine.spiking.raster import pack_raster
from snnlab.engine.spiking.run import Response, run
from snnlab.native import cores, thread_count, threads

__all__ = [
    "PSPProducts",
    "Events",
    "Kernel",
    "Precision",
    "RateResponse",
    "Response",
    "RunState",
    "Window",
    "cores",
    "error_products",
    "one_blas_thread",
    "pack_raster",
    "products",
    "refractory_steps",
    "run",
    "run_rates",
    "backpropagate",
    "thread_count",
    "threads",
    "transition",
]
