"""A dataset of four recordings in a zip archive on a local mirror."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

from mirror_server import MirrorServer

# two events each
RECORDINGS = {f"Train/{number % 2}/{number:05}.bin": bytes([1, number, 0, 0, number] * 2) for number in (1, 2, 3, 4)}


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def digest_of(recordings: dict[str, bytes]) -> str:
    """The digest that a card's listing has for these files."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(recordings.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class ArchivedRecordings:
    """The card of the dataset, its data folder, and the mirror server."""

    def __init__(self, folder: Path, behaviour: str = "ranges") -> None:
        self.body = zipped(RECORDINGS | {"Train/README.txt": b"read me"})
        self.server = MirrorServer(lambda name: self.body)
        self.card, self.data = folder / "toy.toml", folder / "data"
        self.md5 = f'md5 = "{hashlib.md5(self.body).hexdigest()}"\n'
        self.card.write_text(
            f"""
            kind = "dataset"
            name = "Toy"
            summary = "Four recordings"
            reference = "none"
            licence = "CC0"
            format = "nmnist-bin"
            classes = ["0", "1"]
            sensor = [34, 34, 2]
            time_unit = "us"
            folders = ["toy"]
            [splits.train]
            samples = 4
            path = "Train"
            [archives."train.zip"]
            {self.md5}
            mirrors = ["{self.server.url(behaviour, "train.zip")}"]
            keep = ["Train/*/*.bin"]
            """,
            encoding="utf-8",
        )

    def add_listing(self, digest: str) -> None:
        """Add the digest of the unpacked files to the card."""
        listing = f'\n[listing]\npattern = "Train/*/*.bin"\nfiles = 4\nsha256 = "{digest}"\n'
        self.card.write_text(self.card.read_text(encoding="utf-8") + listing, encoding="utf-8")

    def existing(self) -> dict[str, bytes]:
        """The unpacked recordings."""
        root = self.data / "toy"
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.bin")}
