"""Figures of runs, cells, datasets and benchmark results."""
