"""Whether a dataset is whole: every file held against the card, as far as anybody has published digests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from snnlab import cards
from snnlab.cards import Archive, DataFile, Dataset, Listing
from snnlab.errors import Refused
from snnlab.loaders.audio import READER
from snnlab.loaders.download import digests_of
from snnlab.loaders.files import Place, archives, check_sum, content_of, nowhere, packed_at, places
from snnlab.loaders.parts import events, samples_of
from snnlab.samples import Files


@dataclass(frozen=True)
class Check:
    """What is known of a file, folder or archive after reading it.

    state   "ok", "bad" or "missing"
    reason  why it is not ok; or, where it is, what could not be checked
    """

    file: str
    path: Path | None
    state: str
    reason: str = ""


def verify(name: str | Path, *, folder: Path | None = None) -> tuple[Check, ...]:
    """Read every file of a dataset and hold it against its card; empty for a dataset that ships with a package.

    Recordings that nobody has published digests of are decoded and counted; a part of them will do. Archives that lie
    there are checked as well.
    """
    card = cards.dataset(name)
    found = tuple(places(card, folder))
    checks = [check(card, place, folder) for place in found]
    if found:
        checks += [check_archive(archive, path) for archive, path in archives(card, found[0].searched)]
    return tuple(checks)


def check(card: Dataset, place: Place, folder: Path | None) -> Check:
    """What is to be said of one file of a card, or of the file or folder of one of its parts."""
    if place.path is None:
        packed = packed_at(card, place)
        hint = f"; {packed} is there: `snnlab data fetch {card.id}` unpacks it" if packed else ""
        return Check(place.file, None, "missing", nowhere(place) + hint)
    if place.file in card.files:
        return _check_file(card.files[place.file], place.path)
    if card.listing is not None and card.listing.sha256:
        wrong = differs(card.listing, place.path.parents[len(Path(place.file).parts) - 1])
        return Check(place.file, place.path, "bad" if wrong else "ok", wrong)
    return _check_recordings(card, place, folder)


def differs(listing: Listing, root: Path) -> str:
    """What is different from a listing about the files below a folder; empty where nothing is."""
    names = sorted(path.relative_to(root).as_posix() for path in root.glob(listing.pattern))
    if len(names) != listing.files:
        return f"{len(names):,} files; the card says {listing.files:,}"
    lines = "".join(f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    if hashlib.sha256(lines.encode()).hexdigest() != listing.sha256:
        return "some of the files are not those of the release that the card names"
    return ""


def _check_recordings(card: Dataset, place: Place, folder: Path | None) -> Check:
    """Every recording of the parts that lie at one place, decoded."""
    wanted = found = 0
    try:
        for name, split in card.splits.items():
            if split.path == place.file:
                samples = samples_of(card, name, folder)
                wanted, found = wanted + split.samples, found + len(samples)
                if isinstance(samples, Files):
                    _decode(card, samples)
    except Refused as refusal:
        return Check(place.file, place.path, "bad", str(refusal))
    many = f"{found:,}" if found == wanted else f"{found:,} of {wanted:,}"
    return Check(place.file, place.path, "ok", f"{many} recordings can be read; nobody has published digests of them")


def _decode(card: Dataset, samples: Files) -> None:
    if samples.reader == READER:
        # imported here, because it brings scipy.signal, which takes a second
        from snnlab.sound.files import read

        for path in samples.paths():
            read(path, rate=card.rate)
        return
    for _ in events(samples):
        pass


def check_archive(archive: Archive, path: Path) -> Check:
    """What is to be said of an archive."""
    digests = {name: value for name, value in (("sha256", archive.sha256), ("md5", archive.md5)) if value}
    try:
        with path.open("rb") as file:
            found = digests_of(file, digests)
    except OSError as error:
        return Check(archive.name, path, "bad", error.strerror or str(error))
    for name, value in digests.items():
        if found[name] != value:
            return Check(archive.name, path, "bad", f"{name} {found[name]}; the card says {value}: get the file anew")
    return Check(archive.name, path, "ok", "" if digests else "nobody has published a digest of it")


def _check_file(file: DataFile, path: Path) -> Check:
    try:
        unknown = check_sum(path, content_of(path, file.bytes), file)
    except Refused as refusal:
        return Check(file.name, path, "bad", "; ".join(filter(None, (refusal.found, refusal.right))))
    return Check(file.name, path, "ok", unknown)
