"""Datasets by their cards: locate, download, verify and load the files of a dataset.

`load` is the one function for all formats; snnlab/datasets/formats/ has a module per file format. Only `fetch` uses the
network. tonic is imported in formats/tonic_files.py only.
"""

from snnlab.datasets.as_tonic import as_tonic, default_ear
from snnlab.datasets.fetching import fetch
from snnlab.datasets.formats import FORMATS
from snnlab.datasets.formats.idx import read_idx
from snnlab.datasets.loading import kind_of, load, read_events
from snnlab.datasets.locating import FileLocation, locate
from snnlab.datasets.verifying import FileCheck, verify

__all__ = [
    "FORMATS",
    "FileCheck",
    "FileLocation",
    "as_tonic",
    "default_ear",
    "fetch",
    "kind_of",
    "load",
    "locate",
    "read_events",
    "read_idx",
    "verify",
]
