"""The Brian2 door: a circuit and its input in, a recording out."""

from snnlab.brian.inputs import Input, Pulse
from snnlab.brian.multicompartment.run import simulate_morphology
from snnlab.brian.run import TARGETS, simulate, simulate_each

__all__ = ["TARGETS", "Input", "Pulse", "simulate", "simulate_each", "simulate_morphology"]
