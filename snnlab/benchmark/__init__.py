"""Experiments over seeds: runner, records, suites and tables."""
