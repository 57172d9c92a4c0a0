"""Contents and checksums of files."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from snnlab.cards import DataFile
from snnlab.errors import InputError

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


def digests_of(file: IO[bytes], names: Iterable[str]) -> dict[str, str]:
    """Hexadecimal digests of the rest of a file, by their names in hashlib; reads the file once."""
    # checksums only: many datasets publish MD5
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    while chunk := file.read(_CHUNK):
        for hash_ in hashes.values():
            hash_.update(chunk)
    return {name: hash_.hexdigest() for name, hash_ in hashes.items()}


def verify_content(path: Path, content: bytearray, file: DataFile) -> str:
    """Compare the plain content of a file with its card; returns what could not be verified, empty if all was.

    Raises InputError if the size or a digest differs.
    """
    if len(content) != file.bytes:
        raise InputError(path, f"{len(content)} bytes of content", f"expected {file.bytes}: download it again")
    if file.sha256:
        # of the plain content, so that an archive that somebody compressed again is valid
        digest = hashlib.sha256(content).hexdigest()
        if digest != file.sha256:
            raise InputError(path, f"content has sha256 {digest}", f"expected {file.sha256}: download it again")
        return ""
    if path.suffix == ".gz" and file.sha256_gz:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != file.sha256_gz:
            raise InputError(path, f"sha256 {digest}", f"expected {file.sha256_gz}: download it again")
        return ""
    return "only its size was checked, because no digest of it is published"


def read_content(path: Path, max_bytes: int) -> bytearray:
    """The bytes of a file, decompressed if it is gzipped.

    Raises InputError for more than `max_bytes`, and for a file that is corrupt or cannot be read.
    """
    content = bytearray()
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.open(raw) if is_gzip else raw as file:
                while chunk := file.read(_CHUNK):
                    content += chunk
                    if len(content) > max_bytes:
                        raise InputError(path, f"more than {max_bytes} bytes", "is it another file with this name?")
    except EOFError as error:
        problem = f"gzip archive truncated after {len(content)} bytes of content"
        raise InputError(path, problem, "download it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(path, f"corrupt gzip archive: {error}", "download it again") from error
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "must be a readable file") from error
    return content
