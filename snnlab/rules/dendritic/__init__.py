"""Learning from errors in apical dendrites."""
