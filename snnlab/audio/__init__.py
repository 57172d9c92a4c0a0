"""Sounds: read from files, heard by a model of the ear, turned into spikes. Arrays in, arrays out."""
