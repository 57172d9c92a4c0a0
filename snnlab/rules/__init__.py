"""Published learning rules."""
