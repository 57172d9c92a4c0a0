"""Downloading the files of a dataset, when asked."""

from __future__ import annotations

from pathlib import Path

from snnlab import cards
from snnlab.cards import DataFile, Dataset
from snnlab.errors import Refused
from snnlab.loaders.files import check, folders, places, roots

_SECONDS = 30  # that a mirror may keep silent


def fetch(name: str | Path, *, folder: Path | None = None) -> tuple[Path, ...]:
    """Download the files of a dataset that are not there already, from its mirrors in turn; the paths of the new ones.

    They go where `load` looks first. A file appears under its name only once it is complete and its checksum is right.
    Raises Refused where no mirror has the file, and where the folder cannot be written.
    """
    card = cards.dataset(name)
    target = roots(folder)[0] / folders(card)[0]
    checks = [check(card.files[place.file], place) for place in places(card, folder)]
    wanted = [check.file for check in checks if check.state != "ok"]
    return tuple(_download(card, card.files[file], target) for file in wanted)


def _download(card: Dataset, file: DataFile, target: Path) -> Path:
    # imported here, because most runs download nothing
    import pooch

    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(target, error.strerror or str(error), "name a folder that can be written to") from error
    failures = []
    for mirror in card.mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        downloader = pooch.HTTPDownloader(timeout=_SECONDS)
        try:
            found = pooch.retrieve(
                url, f"sha256:{file.sha256_gz}", fname=f"{file.name}.gz", path=target, downloader=downloader
            )
        # pooch raises ValueError for a wrong checksum; the errors of requests are OSErrors
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
        else:
            return Path(found)
    raise Refused(
        f"{card.id}: {file.name}.gz", " / ".join(failures) or "no mirrors", f"or put it into {target} by hand"
    )
