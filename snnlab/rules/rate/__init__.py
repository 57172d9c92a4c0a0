"""Rules for rate neurons."""
