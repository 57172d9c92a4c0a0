"""Progress: bars on stderr where it is a terminal, and nothing of them in a file; of long preparations, lines there."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from snnlab.training.loop import Report, TrainingConfig

_FIRST, _EVERY = 10.0, 30.0  # seconds before the first line of a preparation, and at most between two of them


@contextmanager
def counter(what: str, total: int) -> Iterator[Callable[[], object]]:
    """A bar, and the function to be called as each of `total` is done."""
    with _progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bars:
        bar = bars.add_task(what, total=total)
        yield lambda: bars.advance(bar)


@dataclass
class Preparation:
    """How far something is that takes long; to be told how many are done, and of how many."""

    what: str
    total: int
    show: Callable[[int, int], object]
    done: int = 0
    begun: float = field(default_factory=time.monotonic)

    def __call__(self, done: int, total: int) -> None:
        if done < self.done:  # another part
            self.begun = time.monotonic()
        self.done, self.total = done, total
        self.show(done, total)

    def line(self, now: float) -> str:
        """The same in words, with the time that is left at the speed so far."""
        said = f"{self.what}: {self.done:,} of {self.total:,}"
        if not self.done:
            return said
        left = (now - self.begun) * (self.total - self.done) / self.done
        return said + (f", about {math.ceil(left / 60)} min left" if left > 60 else ", less than a minute left")


@contextmanager
def preparing(what: str, total: int) -> Iterator[Preparation]:
    """A bar, or where stderr is no terminal a line there every half minute, and what is to be told how far it is."""
    with _progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bars:
        bar = bars.add_task(what, total=total)
        told = Preparation(what, total, show=lambda done, of: bars.update(bar, completed=done, total=of))
        with _lines(told) if bars.disable else nullcontext():
            yield told


@contextmanager
def beginning() -> Iterator[Preparation]:
    """A sign that data is read, and what is to be told how far samples are that are made into spikes once and for all.

    Where stderr is no terminal, there are lines of that alone.
    """
    console = Console(stderr=True)
    console.quiet = not console.is_terminal
    with console.status("reading data, compiling") as sign:

        def show(done: int, total: int) -> None:
            sign.update(told.line(time.monotonic()))

        told = Preparation("samples made into spikes, once", 0, show)
        with _lines(told) if console.quiet else nullcontext():
            yield told


@contextmanager
def _lines(told: Preparation) -> Iterator[None]:
    """Lines from a thread of their own: a single step of the work may take minutes."""
    ended = Event()

    def speak() -> None:
        pause = _FIRST
        while not ended.wait(pause):
            if told.total:
                print(told.line(time.monotonic()), file=sys.stderr, flush=True)
            pause = min(pause + _FIRST, _EVERY)

    thread = Thread(target=speak, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def transfers() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each file, and the function that is told its name, how much is done, and of how much (0: unknown)."""
    with _progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}")) as bars:
        known: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in known:
                known[name] = bars.add_task(name, told="")
            unpacking = name.startswith("unpacking")
            told = (
                f"{done}/{total}" if unpacking else f"{done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f}" if total else "")
            )
            bars.update(known[name], completed=done, total=total or None, told=told)

        yield show


@contextmanager
def training(trial: TrainingConfig) -> Iterator[Callable[[Report], None]]:
    """A bar for each epoch, with speed and accuracy so far; a line for each epoch that is done, on stdout."""
    from snnlab.rules.rule import SpikingRule

    fires = isinstance(trial.rule, SpikingRule)
    with epochs(trial) as show:

        def told(report: Report) -> None:
            if report.row is not None:
                print(_line(report.row, trial.epochs, fires), flush=True)
            show(report)

        yield told


@contextmanager
def epochs(trial: TrainingConfig) -> Iterator[Callable[[Report], None]]:
    """A bar for each epoch, with speed and accuracy so far."""
    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with _progress(*columns) as bars:
        bar = bars.add_task("", total=len(trial.train), epoch=1, epochs=trial.epochs, told="")

        def show(report: Report) -> None:
            now = report.progress
            if report.row is not None:
                epoch = min(now.epoch, trial.epochs)
                bars.reset(bar, total=len(trial.train), epoch=epoch, epochs=trial.epochs, told="")
                return
            told = f"{now.samples / now.seconds:.0f} samples/s, {100 * now.correct / now.samples:.2f} % right"
            testing = ", testing" if now.batch == report.batches else ""
            bars.update(bar, completed=now.samples, epoch=now.epoch, told=told + testing)

        yield show


def _line(row: dict[str, float | int], epochs: int, fires: bool) -> str:
    return (
        f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}  train {100 * row['train_accuracy']:6.2f} %  "
        f"test {100 * row['test_accuracy']:6.2f} %  {row['train_samples_per_s']:.0f} samples/s"
        + (f"  {row['spikes_per_sample']:.0f} spikes/sample" if fires else "")
    )


def _progress(*columns: Any) -> Progress:
    console = Console(stderr=True)
    return Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # a line printed meanwhile stands above the bar; where stdout goes elsewhere, it must go there
        redirect_stdout=sys.stdout.isatty(),
    )
