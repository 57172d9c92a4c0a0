"""Rules that learn from spike counts."""
