"""Experiments, their options and their runs."""
