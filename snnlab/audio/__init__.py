"""Sounds: reading files, cochlea models, and spike codes of their channels."""
