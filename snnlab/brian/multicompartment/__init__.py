"""Simulation of single cells with the morphology of an SWC file."""
