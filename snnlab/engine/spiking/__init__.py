"""Spiking circuits over a batch of stimuli."""
