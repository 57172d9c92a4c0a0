"""Where the data is, whether it is whole, how to get it, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from snnlab import cards
from snnlab.cards import Dataset
from snnlab.cli import output, progress_bars
from snnlab.cli.signals import interruptible
from snnlab.errors import InputError, one_of
from snnlab.paths import cache_path

if TYPE_CHECKING:
    from snnlab.data.samples import Samples
    from snnlab.experiments.core.experiment import Experiment

Folder = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Look there instead of in $SNNLAB_DATA.")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A dataset; all of them if left out.")]
One = Annotated[str, typer.Argument(metavar="NAME", help="A dataset.")]

_LISTED = 20  # new files that are printed one by one
_NO_FILES = {  # by format, where the data is
    "scikit-learn": "ships with scikit-learn",
    "table": "on its card",
    "synthetic": "generated from the seeds on its card",
}


def list_all(data: Folder = None) -> None:
    """List the datasets, and where each is. Of recordings in a file each, it says how many are there if not all are.

    \b
    snnlab data list
    """
    rows = []
    for card in cards.all_datasets().values():
        samples = " + ".join(f"{split.samples:,} {name}" for name, split in card.splits.items())
        rows.append([card.id, card.name, samples, card.licence.split(";")[0], _place(card, data)])
    output.table(["id", "name", "samples", "licence", "where"], rows)


def where(name: Name = None, data: Folder = None) -> None:
    """Say where each file of a dataset is, and the cache. The exit code is 1 if a file is missing.

    \b
    snnlab data where mnist
    """
    from snnlab import datasets

    missing = False
    for one in _chosen(name):
        places = datasets.locate(one, folder=data)
        if not places:
            print(f"{one}: {_NO_FILES[cards.dataset(one).format]}")
        for place in places:
            missing |= place.path is None
            print(f"{one}: {place.path or f'{place.file}: not in ' + ', '.join(map(str, place.searched))}")
        if obtain := any(place.path is None for place in places) and cards.dataset(one).obtain:
            print(f"{one}: {obtain}")
    print(f"cache: {cache_path()}")
    raise typer.Exit(int(missing))


def verify(name: Name = None, data: Folder = None) -> None:
    """Check the files of a dataset. Reads each and compares it with its card; the exit code is 1 if one differs.

    Recordings are decoded and counted where only some are there, or where nobody has published digests of them; a part
    will do. It cannot find a wrong label (N-MNIST's labels are its folders' names), nor events missing at the end of a
    recording.

    \b
    snnlab data verify mnist
    """
    from snnlab import datasets

    failed = False
    for one in _chosen(name):
        checks = datasets.verify(one, folder=data)
        if not checks:
            print(f"{one}: {_NO_FILES[cards.dataset(one).format]}")
        for check in checks:
            failed |= check.state != "ok"
            print(f"{one}: {check.path or check.file}: {check.state}" + (f": {check.reason}" if check.reason else ""))
    raise typer.Exit(int(failed))


def fetch(
    name: One,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Put it there, not in $SNNLAB_DATA.")
    ] = None,
) -> None:
    """Download a dataset. Only files that are not there already; no other command uses the network.

    What was stopped is gone on with. An archive that lies there already is unpacked.

    \b
    snnlab data fetch mnist
    """
    from snnlab import datasets

    card = cards.dataset(name)
    with interruptible("run it again to go on"), progress_bars.transfers() as progress:
        new = datasets.fetch(name, folder=data, progress=progress)
    if len(new) <= _LISTED:
        for path in new:
            print(path)
    else:
        _count(new, [place.path for place in datasets.locate(name, folder=data) if place.path])
    if not new:
        print(f"{name}: {_NO_FILES.get(card.format, 'all files are there already')}")


def _count(new: Sequence[Path], places: Sequence[Path]) -> None:
    for place in places:
        if many := sum(path.is_relative_to(place) for path in new):
            print(f"{place}: {output.counted(many, 'file')}")


def pack(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="One of `snnlab experiments`.")],
    data: Folder = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change an option; repeatable.")
    ] = None,
) -> None:
    """Turn the recordings of an experiment into spikes, and keep them, so that training starts at once.

    They are kept in the folder spikes of the cache: $SNNLAB_CACHE, or ~/.cache/snnlab. What is there already is not
    made again, and any of it can be deleted. An experiment whose images are filmed (hm2bp-camera) is packed too.

    \b
    snnlab data pack hm2bp-nmnist
    """
    from snnlab import datasets
    from snnlab.cli.training import changes_of, named

    chosen = named(experiment).with_options(changes_of(set_ or [], None))
    if chosen.tested_on:
        print(f"{experiment}: learns from {chosen.source('train')}; its test part needs {chosen.source('test')}")
    # both are looked for before the first is packed, which may take long
    for samples in [datasets.load(chosen.source(split), split, folder=data) for split in ("train", "test")]:
        _pack(samples, chosen)


def _pack(samples: Samples, experiment: Experiment) -> None:
    """Prints what there is to do before it is done, and then what there is and where."""
    from snnlab.data.samples import CachedSpikes, Images
    from snnlab.encoders import SimulatedCamera

    what = f"{samples.dataset} {samples.split}"
    if isinstance(samples, Images):
        filmed = ", to be filmed by a modelled camera" if isinstance(experiment.encoder, SimulatedCamera) else ""
        print(f"{what}: {output.counted(len(samples), 'image')}{filmed}", flush=True)
    else:
        print(f"{what}: {output.counted(len(samples), 'recording')}", flush=True)
    with interruptible("nothing was kept of this part"), progress_bars.preparing(what, len(samples)) as told:
        ready = experiment.prepare(samples, progress=told)
    if not isinstance(ready, CachedSpikes):
        print("  turned into spikes as they are used, nothing to keep")
        return
    print(f"  {len(ready.ids):,} spikes in {ready.steps} steps of {ready.dt * 1e3:g} ms")
    print(f"  {'made' if told.done else 'there already'}, {_size(ready.path)}: {ready.path}")


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def show(
    name: One,
    plot: Annotated[Path, typer.Option("--plot", metavar="FILE", help="A .png, .pdf or .svg file.")],
    part: Annotated[str, typer.Option("--part", metavar="PART", help="As in `snnlab data list`.")] = "test",
    sample: Annotated[int, typer.Option("--sample", metavar="N", help="The sample, counted from 0.")] = 0,
    data: Folder = None,
) -> None:
    """Draw samples of a dataset: images, a camera's events over time, or a sound beside its spikes.

    \b
    snnlab data show nmnist --sample 3 --plot digit.png
    """
    from snnlab.report.dataset_figures import plot_samples

    parts = cards.dataset(name).splits
    if part not in parts:
        raise InputError("--part", f"found {part!r}", one_of(part, parts))
    print(plot_samples(name, part, plot, sample=sample, folder=data))


def _chosen(name: str | None) -> list[str]:
    return [name] if name is not None else list(cards.all_datasets())


def _place(card: Dataset, data: Path | None) -> str:
    from snnlab import datasets

    try:
        places = datasets.locate(card.id, folder=data)
    except InputError as refusal:
        return str(refusal)
    if not places:
        return _NO_FILES[card.format]
    folders = sorted({str(place.path.parent) for place in places if place.path})
    missing = sum(place.path is None for place in places)
    if not folders:
        return "not found" + (", must be bought" if card.obtain else "")
    told = f", {missing} of {len(places)} missing" if missing else _partly(card, data)
    return ", ".join(folders) + told


def _partly(card: Dataset, data: Path | None) -> str:
    """How many recordings there are, where they lie in a file each and not all are there."""
    from snnlab import datasets

    if not datasets.FORMATS[card.format].may_be_partial:
        return ""
    try:
        found = sum(len(datasets.load(card.id, split, folder=data)) for split in card.splits)
    except InputError:
        return f", not as it should be: see `snnlab data verify {card.id}`"
    wanted = sum(split.samples for split in card.splits.values())
    return f", {found:,} of {wanted:,} recordings" if found < wanted else ""
