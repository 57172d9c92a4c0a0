"""The software and the machine of a run."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any

_PACKAGES = ("snnlab-brian", "brian2", "numpy", "scipy", "matplotlib", "scikit-learn")


def environment() -> dict[str, Any]:
    """Versions, machine and command line."""
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "command": sys.argv,
    }


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that affect results; None if not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None  # a source checkout has no version
