"""A dataset card into samples: finding the files, checking them, reading them; downloading only when asked.

parts.py has the one call for all formats, and each format has a file of its own. tonic enters here and nowhere else.
"""

from snnlab.datasets.as_tonic import as_tonic, default_ear
from snnlab.datasets.fetching import fetch
from snnlab.datasets.files import Place, where
from snnlab.datasets.formats.idx import read_idx
from snnlab.datasets.loading import PARTIAL, events, load
from snnlab.datasets.verifying import Check, verify

__all__ = [
    "PARTIAL",
    "Check",
    "Place",
    "as_tonic",
    "default_ear",
    "events",
    "fetch",
    "load",
    "read_idx",
    "verify",
    "where",
]
