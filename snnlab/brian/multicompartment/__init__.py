"""Cells with the morphology of an SWC file."""
