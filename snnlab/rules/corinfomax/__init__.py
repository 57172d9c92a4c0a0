"""Correlative information maximisation."""
