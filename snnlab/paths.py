"""Folders of the cache and of data."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import platformdirs

from snnlab.errors import InputError

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def cache_path() -> Path:
    """The path of the cache: $SNNLAB_CACHE, or snnlab in the user's cache folder; it need not exist."""
    return Path(os.environ.get("SNNLAB_CACHE") or platformdirs.user_cache_dir("snnlab")).expanduser()


def cache_folder() -> Path:
    """The cache folder at `cache_path`, created if missing.

    Raises InputError if it cannot be created.
    """
    folder = cache_path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cache_error(folder, error) from error
    return folder


def cache_error(folder: Path, error: OSError) -> InputError:
    """The error of a cache folder that cannot be created, written or read."""
    reason = error.strerror or str(error)
    if error.errno in _DISK_FULL:
        return InputError(f"cache folder {folder}", reason, "free some space, or set SNNLAB_CACHE to another folder")
    return InputError(f"cache folder {folder}", reason, "set SNNLAB_CACHE to a writable folder")


def data_folder() -> Path:
    """The user's data folder, the default for downloads; it need not exist."""
    return Path(platformdirs.user_data_dir("snnlab"))
