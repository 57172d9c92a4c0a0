"""Whether a dataset is whole: every file held against the card, as far as anybody has published digests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from snnlab import cards
from snnlab.cards import Archive, DataFile, Dataset, Listing
from snnlab.data.samples import Files
from snnlab.datasets.downloading import digests_of
from snnlab.datasets.files import Place, archives, check_sum, content_of, hidden, nowhere, packed_at, places, searched
from snnlab.datasets.formats.audio import READER
from snnlab.datasets.loading import events, samples_of
from snnlab.errors import InputError


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
    """Read every file of a dataset and hold it against its card; empty for one that has none.

    Recordings are decoded and counted where there are only some of them, or where nobody has published digests; a part
    of them will do. Decoding cannot find a wrong label, nor a recording whose end is missing if the file still has
    whole events or samples. Archives that lie there are checked as well.
    """
    card = cards.dataset(name)
    checks = [check(card, place, folder) for place in places(card, folder)]
    return (*checks, *(check_archive(archive, path) for archive, path in archives(card, searched(card, folder))))


def check(card: Dataset, place: Place, folder: Path | None) -> Check:
    """What is to be said of one file of a card, or of the file or folder of one of its parts."""
    if place.path is None:
        packed = packed_at(card, place)
        hint = f"; {packed} is there: `snnlab data fetch {card.id}` unpacks it" if packed else ""
        return Check(place.file, None, "missing", nowhere(place) + hint)
    if place.file in card.files:
        return _check_file(card.files[place.file], place.path)
    if card.listing is None or not card.listing.sha256:
        return _check_recordings(card, place, folder, "nobody has published digests of them")
    root = _root(place.path, place.file)
    many = len(_listed(card.listing, root))
    if many < card.listing.files:
        return _check_recordings(card, place, folder, "only all of them can be held against the release's digest")
    try:
        wrong = differs(card.listing, root)
    except InputError as refusal:
        return Check(place.file, place.path, "bad", str(refusal))
    if not wrong:
        return Check(place.file, place.path, "ok")
    if many == card.listing.files:
        # a file that cannot be decoded is worth more than the news that one of thousands differs
        spoilt = _check_recordings(card, place, folder, "")
        if spoilt.state == "bad":
            return spoilt
    return Check(place.file, place.path, "bad", wrong)


def complete(card: Dataset, place: Place, folder: Path | None) -> bool:
    """Whether a file of a card, or the recordings of one of its parts, are all there and right."""
    if place.path is None or place.file in card.files or card.listing is None or not card.listing.sha256:
        return check(card, place, folder).state == "ok"
    return not differs(card.listing, _root(place.path, place.file))


def differs(listing: Listing, root: Path) -> str:
    """What is different from a listing about the files below a folder; empty where nothing is.

    Names in upper case are as good as those in lower case. Raises InputError for a file that cannot be read.
    """
    names = _listed(listing, root)
    if len(names) != listing.files:
        return f"{len(names):,} files; the card says {listing.files:,}"
    digests = {name: _sha256(root / name) for name in names}
    for written in (str, str.lower):
        lines = sorted((written(name), digest) for name, digest in digests.items())
        text = "".join(f"{digest}  {name}\n" for name, digest in lines)
        if hashlib.sha256(text.encode()).hexdigest() == listing.sha256:
            return ""
    return "some of the files are not those of the release that the card names"


def _root(path: Path, file: str) -> Path:
    """The folder below which `file` lies at `path`."""
    return path.parents[len(Path(file).parts) - 1]


def _listed(listing: Listing, root: Path) -> list[str]:
    """The files that a listing is of, in upper or lower case, apart from those that systems hide."""
    either = "".join(f"[{one.lower()}{one.upper()}]" if one.isalpha() else one for one in listing.pattern)
    found = (path for path in root.glob(either) if not hidden(path.name) and path.is_file())
    return sorted(path.relative_to(root).as_posix() for path in found)


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "needs a readable file") from error


def _check_recordings(card: Dataset, place: Place, folder: Path | None, unknown: str) -> Check:
    """Every recording of the parts that lie at one place, decoded; `unknown` is what that leaves open."""
    wanted = found = 0
    try:
        for name, split in card.splits.items():
            if split.path == place.file:
                samples = samples_of(card, name, folder)
                wanted, found = wanted + split.samples, found + len(samples)
                if isinstance(samples, Files):
                    _decode(card, samples)
    except InputError as refusal:
        return Check(place.file, place.path, "bad", str(refusal))
    many = f"{found:,}" if found == wanted else f"{found:,} of {wanted:,}"
    return Check(place.file, place.path, "ok", f"{many} recordings can be read; {unknown}")


def _decode(card: Dataset, samples: Files) -> None:
    if samples.reader == READER:
        # imported here, because it brings scipy.signal, which takes a second
        from snnlab.audio.files import read

        for path in samples.paths():
            read(path, sample_rate=card.rate)
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
    except InputError as refusal:
        return Check(file.name, path, "bad", "; ".join(filter(None, (refusal.problem, refusal.hint))))
    return Check(file.name, path, "ok", unknown)
