"""Simulation in Brian2: model cards become Brian2 models, circuits and their inputs become recordings."""

from snnlab.brian.inputs import Input, Pulse
from snnlab.brian.multicompartment.run import simulate_morphology
from snnlab.brian.run import TARGETS, simulate, simulate_batch

__all__ = ["TARGETS", "Input", "Pulse", "simulate", "simulate_batch", "simulate_morphology"]
