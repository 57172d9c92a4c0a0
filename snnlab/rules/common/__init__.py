"""Functions and options that several rules share."""
