"""Samples into spikes: one file for each way, and what they have in common in encoder.py.

Every draw has its own place in one stream of random numbers, so what is drawn does not depend on the batch, the order
or the number of threads, and a run that is resumed sees the spikes it would have seen.
"""

from snnlab.encode.encoder import TEST, TRAIN, Encoder, Tell, silent
from snnlab.encode.poisson import Poisson

__all__ = ["TEST", "TRAIN", "Encoder", "Poisson", "Tell", "silent"]
