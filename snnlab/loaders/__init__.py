"""A dataset card into samples: finding the files, checking them, reading them; downloading only when asked.

parts.py has the one call for all formats, and each format has a file of its own. tonic enters here and nowhere else.
"""

from snnlab.loaders.as_tonic import as_tonic, default_ear
from snnlab.loaders.checks import Check, verify
from snnlab.loaders.fetching import fetch
from snnlab.loaders.files import Place, where
from snnlab.loaders.idx import read_idx
from snnlab.loaders.parts import PARTIAL, events, load

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
