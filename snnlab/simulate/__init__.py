"""The Brian2 door: a circuit and its input in, a recording out."""

from snnlab.simulate.morphology import simulate_morphology
from snnlab.simulate.run import TARGETS, simulate, simulate_each
from snnlab.simulate.task import Input, Pulse

__all__ = ["TARGETS", "Input", "Pulse", "simulate", "simulate_each", "simulate_morphology"]
