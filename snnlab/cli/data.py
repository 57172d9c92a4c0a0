"""Commands that list, find, verify, download, encode and plot datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from snnlab import cards
from snnlab.cards import Dataset
from snnlab.cards.dataset_formats import FORMATS
from snnlab.cli import output, progress_bars
from snnlab.cli.options import DataFolder, ExperimentName, Settings, experiment_named, key_values
from snnlab.cli.signals import interruptible
from snnlab.errors import InputError, one_of
from snnlab.paths import cache_path

if TYPE_CHECKING:
    from snnlab.data.samples import Samples
    from snnlab.experiments.core.experiment import Experiment

OptionalName = Annotated[str | None, typer.Argument(metavar="NAME", help="Name of a dataset.  [default: all datasets]")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a dataset.")]

_MAX_LISTED = 20  # with more new files than this, their number is printed


def list_all(data: DataFolder = None) -> None:
    """List the datasets and where they are. Incomplete recordings are counted.

    \b
    snnlab data list
    """
    rows = []
    for card in cards.all_datasets().values():
        samples = " + ".join(f"{split.samples:,} {name}" for name, split in card.splits.items())
        rows.append([card.id, card.name, samples, card.licence.split(";")[0], _location(card, data)])
    output.table(["id", "name", "samples", "licence", "location"], rows)


def where(name: OptionalName = None, data: DataFolder = None) -> None:
    """Print the location of each file of a dataset, and of the cache. The exit code is 1 if a file is missing.

    \b
    snnlab data where mnist
    """
    from snnlab import datasets

    missing = False
    for dataset in _names(name):
        places = datasets.locate(dataset, folder=data)
        if not places:
            print(f"{dataset}: {FORMATS[cards.dataset(dataset).format].location}")
        for place in places:
            missing |= place.path is None
            print(f"{dataset}: {place.path or f'{place.file}: not in ' + ', '.join(map(str, place.searched))}")
        if obtain := any(place.path is None for place in places) and cards.dataset(dataset).obtain:
            print(f"{dataset}: {obtain}")
    print(f"cache: {cache_path()}")
    raise typer.Exit(int(missing))


def verify(name: OptionalName = None, data: DataFolder = None) -> None:
    """Verify the files of a dataset by their checksums. The exit code is 1 if a file differs.

    Recordings without published checksums, or of which only some are present, are decoded and counted. Wrong labels
    (N-MNIST's are its folder names) and missing events at the end of a recording are not detected.

    \b
    snnlab data verify mnist
    """
    from snnlab import datasets

    failed = False
    for dataset in _names(name):
        checks = datasets.verify(dataset, folder=data)
        if not checks:
            print(f"{dataset}: {FORMATS[cards.dataset(dataset).format].location}")
        for check in checks:
            failed |= check.state != "ok"
            reason = f": {check.reason}" if check.reason else ""
            print(f"{dataset}: {check.path or check.file}: {check.state}{reason}")
    raise typer.Exit(int(failed))


def fetch(
    name: Name,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Download to this folder.  [default: $SNNLAB_DATA]")
    ] = None,
) -> None:
    """Download the missing files of a dataset. No other command uses the network.

    An interrupted download is resumed. An archive that is present is unpacked.

    \b
    snnlab data fetch mnist
    """
    from snnlab import datasets

    card = cards.dataset(name)
    with interruptible("stopped; repeat the command to resume"), progress_bars.transfers() as progress:
        new = datasets.fetch(name, folder=data, progress=progress)
    if len(new) <= _MAX_LISTED:
        for path in new:
            print(path)
    else:
        _print_counts(new, [place.path for place in datasets.locate(name, folder=data) if place.path])
    if not new:
        print(f"{name}: {FORMATS[card.format].location or 'all files are present'}")


def _print_counts(new: Sequence[Path], folders: Sequence[Path]) -> None:
    for folder in folders:
        if number := sum(path.is_relative_to(folder) for path in new):
            print(f"{folder}: {output.counted(number, 'file')}")


def pack(experiment: ExperimentName, data: DataFolder = None, sets: Settings = None) -> None:
    """Encode the recordings of an experiment into the cache.

    Training then starts immediately. The cache is the folder spikes in $SNNLAB_CACHE (default: ~/.cache/snnlab) and can
    be deleted at any time. Images of experiments with a simulated camera are encoded too.

    \b
    snnlab data pack hm2bp-nmnist
    """
    from snnlab import datasets

    chosen = experiment_named(experiment).with_options(key_values(sets))
    if chosen.tested_on:
        print(f"{experiment}: trains on {chosen.source('train')} and tests on {chosen.source('test')}")
    # both are loaded before the first is encoded, which may take long
    for samples in [datasets.load(chosen.source(split), split, folder=data) for split in ("train", "test")]:
        _pack(samples, chosen)


def _pack(samples: Samples, experiment: Experiment) -> None:
    from snnlab.data.samples import CachedSpikes, Images

    name = f"{samples.dataset} {samples.split}"
    noun = "image" if isinstance(samples, Images) else "recording"
    print(f"{name}: {output.counted(len(samples), noun)}", flush=True)
    message = "stopped; nothing was cached of this split"
    with interruptible(message), progress_bars.preparing(name, len(samples)) as progress:
        prepared = experiment.prepare(samples, progress=progress)
    if not isinstance(prepared, CachedSpikes):
        print("  encoded during training, nothing to cache")
        return
    print(f"  {len(prepared.ids):,} spikes in {prepared.steps} steps of {prepared.dt * 1e3:g} ms")
    print(f"  {'written' if progress.done else 'already cached'}, {_file_size(prepared.path)}: {prepared.path}")


def _file_size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def show(
    name: Name,
    plot: Annotated[Path, typer.Option("--plot", metavar="FILE", help="A .png, .pdf or .svg file.")],
    part: Annotated[str, typer.Option("--part", metavar="PART", help="Split of the dataset.")] = "test",
    sample: Annotated[int, typer.Option("--sample", metavar="N", help="Number of the sample.")] = 0,
    data: DataFolder = None,
) -> None:
    """Plot images, recorded events, or a sound and its spikes.

    \b
    snnlab data show nmnist --sample 3 --plot digit.png
    """
    from snnlab.report.dataset_figures import plot_samples

    splits = cards.dataset(name).splits
    if part not in splits:
        raise InputError("--part", f"got {part!r}", one_of(part, splits))
    print(plot_samples(name, part, plot, sample=sample, folder=data))


def _names(name: str | None) -> list[str]:
    return [name] if name is not None else list(cards.all_datasets())


def _location(card: Dataset, data: Path | None) -> str:
    from snnlab import datasets

    try:
        places = datasets.locate(card.id, folder=data)
    except InputError as error:
        return str(error)
    if not places:
        return FORMATS[card.format].location
    folders = sorted({str(place.path.parent) for place in places if place.path})
    missing = sum(place.path is None for place in places)
    if not folders:
        return "not found" + (", must be bought" if card.obtain else "")
    return ", ".join(folders) + (f", {missing} of {len(places)} missing" if missing else _recordings(card, data))


def _recordings(card: Dataset, data: Path | None) -> str:
    """Number of recordings of an incomplete dataset; empty for other datasets."""
    from snnlab import datasets

    if not datasets.FORMATS[card.format].may_be_partial:
        return ""
    try:
        present = sum(len(datasets.load(card.id, split, folder=data)) for split in card.splits)
    except InputError:
        return f", invalid: see `snnlab data verify {card.id}`"
    total = sum(split.samples for split in card.splits.values())
    return f", {present:,} of {total:,} recordings" if present < total else ""
