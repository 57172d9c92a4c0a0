"""A dataset of five images in idx files, for the tests of the loaders."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab import datasets
from snnlab.data.samples import Images

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
LABELS = np.array([0, 1, 2, 1, 0], dtype=np.uint8)
CONTENT = {"pictures-idx3": IMAGES, "answers-idx1": LABELS}


def idx(array: NDArray[np.uint8], kind: int = 8) -> bytes:
    """An idx file by LeCun's description: magic number, big-endian sizes, bytes in C order."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


class Toy:
    """The card and the files of the dataset, which a test may change."""

    def __init__(self, folder: Path) -> None:
        self.card, self.data = folder / "toy.toml", folder / "data"
        self.folder = self.data / "toy" / "raw"
        self.folder.mkdir(parents=True)
        self.contents = {file: idx(array) for file, array in CONTENT.items()}
        self.samples, self.mirrors = 5, list[str]()
        for file in self.contents:
            self.put(file)
        self.write_card()

    def put(self, file: str, content: bytes | None = None, suffix: str = "") -> Path:
        path = self.folder / (file + suffix)
        path.write_bytes(self.contents[file] if content is None else content)
        return path

    def write_card(self) -> None:
        head = f"""
            kind = "dataset"
            name = "Toy"
            summary = "Five samples"
            reference = "none"
            source = "https://example.org/toy"
            licence = "CC0"
            format = "idx"
            classes = ["a", "b", "c"]
            shape = [2, 3]
            folders = ["toy/raw", "raw", "."]
            mirrors = {self.mirrors}
            [splits.all]
            samples = {self.samples}
            images = "pictures-idx3"
            labels = "answers-idx1"
            """
        tables = [
            f'[files.{file}]\nbytes = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
            f'sha256_gz = "{hashlib.sha256(gzipped(content)).hexdigest()}"\n'
            for file, content in self.contents.items()
        ]
        self.card.write_text("\n".join([head, *tables]), encoding="utf-8")

    def rewrite(self, file: str, array: NDArray[np.uint8]) -> None:
        """Replace the content of a file, and its digest on the card."""
        self.contents[file] = idx(array)
        self.put(file)
        self.write_card()

    def load(self) -> Images:
        samples = datasets.load(self.card, "all", folder=self.data)
        assert isinstance(samples, Images)
        return samples
