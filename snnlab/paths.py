"""Where snnlab keeps things on this machine: what it can make again, and data."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import platformdirs

from snnlab.errors import InputError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def cache_path() -> Path:
    """Where things are kept that can be made again: $SNNLAB_CACHE, or the user's cache folder; it need not exist."""
    return Path(os.environ.get("SNNLAB_CACHE") or platformdirs.user_cache_dir("snnlab")).expanduser()


def cache_folder() -> Path:
    """The folder of things that can be made again, see `cache_path`. Made if missing.

    Raises InputError where it cannot be made.
    """
    folder = cache_path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cache_error(folder, error) from error
    return folder


def cache_error(folder: Path, error: OSError) -> InputError:
    """The refusal of a cache folder that could not be made, written or read."""
    reason = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return InputError(f"cache folder {folder}", reason, "needs room; or set SNNLAB_CACHE to a folder elsewhere")
    return InputError(f"cache folder {folder}", reason, "set SNNLAB_CACHE to a folder that can be written to")


def data_folder() -> Path:
    """The user's own data folder, where downloads go unless told otherwise; it need not exist."""
    return Path(platformdirs.user_data_dir("snnlab"))
