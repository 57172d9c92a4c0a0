"""Sums of postsynaptic potentials that spiking rules learn from."""
