"""Rules that learn from errors in apical dendrites."""
