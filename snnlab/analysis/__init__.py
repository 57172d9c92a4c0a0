"""Spike-train statistics and distances."""
