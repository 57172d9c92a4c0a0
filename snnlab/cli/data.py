"""Where the data is, and whether it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from snnlab import cards
from snnlab.cli import printed

Folder = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Look there instead of in $SNNLAB_DATA.")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A dataset; all of them if left out.")]


def list_all(data: Folder = None) -> None:
    """List the datasets, and where each is.

    \b
    snnlab data list
    """
    rows = []
    for card in cards.datasets().values():
        samples = " + ".join(f"{split.samples} {name}" for name, split in card.splits.items())
        rows.append([card.id, card.name, samples, card.licence.split(";")[0], _place(card.id, data)])
    printed.table(["id", "name", "samples", "licence", "where"], rows)


def where(name: Name = None, data: Folder = None) -> None:
    """Say where each file of a dataset is. The exit code is 1 if one is missing.

    \b
    snnlab data where mnist
    """
    from snnlab import loaders

    missing = False
    for one in _chosen(name):
        places = loaders.where(one, folder=data)
        if not places:
            print(f"{one}: ships with scikit-learn")
        for place in places:
            missing |= place.path is None
            print(f"{one}: {place.path or f'{place.file}: not in ' + ', '.join(map(str, place.searched))}")
    raise typer.Exit(int(missing))


def verify(name: Name = None, data: Folder = None) -> None:
    """Check the files of a dataset. Reads each and compares it with its card; the exit code is 1 if one differs.

    \b
    snnlab data verify mnist
    """
    from snnlab import loaders

    failed = False
    for one in _chosen(name):
        checks = loaders.verify(one, folder=data)
        if not checks:
            print(f"{one}: ships with scikit-learn")
        for check in checks:
            failed |= check.state != "ok"
            print(f"{one}: {check.path or check.file}: {check.state}" + (f": {check.reason}" if check.reason else ""))
    raise typer.Exit(int(failed))


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A dataset.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Put it there, not in $SNNLAB_DATA.")
    ] = None,
) -> None:
    """Download a dataset. Only files that are not there already; no other command uses the network.

    \b
    snnlab data fetch mnist
    """
    from snnlab import loaders

    card = cards.dataset(name)
    new = loaders.fetch(name, folder=data)
    for path in new:
        print(path)
    if not new:
        print(f"{name}: ships with scikit-learn" if not card.files else f"{name}: all files are there already")


def _chosen(name: str | None) -> list[str]:
    return [name] if name is not None else list(cards.datasets())


def _place(name: str, data: Path | None) -> str:
    from snnlab import loaders

    places = loaders.where(name, folder=data)
    if not places:
        return "ships with scikit-learn"
    folders = sorted({str(place.path.parent) for place in places if place.path})
    missing = sum(place.path is None for place in places)
    if not folders:
        return "not found"
    return ", ".join(folders) + (f", {missing} of {len(places)} files missing" if missing else "")
