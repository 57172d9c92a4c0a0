"""Progress on stderr: bars in a terminal; elsewhere nothing, or lines for long preparations."""

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
    from snnlab.training.config import TrainingConfig
    from snnlab.training.loop import Report

_FIRST, _EVERY = 10.0, 30.0  # seconds until the first line of a preparation, and longest time between lines


@contextmanager
def counter(label: str, total: int) -> Iterator[Callable[[], object]]:
    """A bar, and the function to call after each of `total` items."""
    with _counting_bar() as bars:
        bar = bars.add_task(label, total=total)
        yield lambda: bars.advance(bar)


@dataclass
class Preparation:
    """Progress of a long preparation; call it with the number of finished items and their total."""

    label: str
    total: int
    show: Callable[[int, int], object]
    done: int = 0
    start: float = field(default_factory=time.monotonic)

    def __call__(self, done: int, total: int) -> None:
        if done < self.done:  # a new part
            self.start = time.monotonic()
        self.done, self.total = done, total
        self.show(done, total)

    def line(self, now: float) -> str:
        """Progress as text, with the remaining time at the mean speed so far."""
        text = f"{self.label}: {self.done:,} of {self.total:,}"
        if not self.done:
            return text
        left = (now - self.start) * (self.total - self.done) / self.done
        return text + (f", about {math.ceil(left / 60)} min left" if left > 60 else ", less than a minute left")


@contextmanager
def preparing(label: str, total: int) -> Iterator[Preparation]:
    """A bar; without a terminal, a line every half minute."""
    with _counting_bar() as bars:
        bar = bars.add_task(label, total=total)
        preparation = Preparation(label, total, lambda done, total: bars.update(bar, completed=done, total=total))
        with _lines(preparation) if bars.disable else nullcontext():
            yield preparation


@contextmanager
def loading() -> Iterator[Preparation]:
    """A status line while data is loaded and encoded; without a terminal, lines for encoding only."""
    console = Console(stderr=True)
    console.quiet = not console.is_terminal
    with console.status("loading data, compiling") as status:
        preparation = Preparation(
            "encoding samples into the cache", 0, lambda *_: status.update(preparation.line(time.monotonic()))
        )
        with _lines(preparation) if console.quiet else nullcontext():
            yield preparation


@contextmanager
def _lines(preparation: Preparation) -> Iterator[None]:
    """Print progress from a thread of its own, because a single item may take minutes."""
    ended = Event()

    def print_lines() -> None:
        pause = _FIRST
        while not ended.wait(pause):
            if preparation.total:
                print(preparation.line(time.monotonic()), file=sys.stderr, flush=True)
            pause = min(pause + _FIRST, _EVERY)

    thread = Thread(target=print_lines, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def transfers() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each file, and the function that takes its name, the amount done and the total (0 if unknown)."""
    with _bars(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[amount]}")) as bars:
        known: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in known:
                known[name] = bars.add_task(name, amount="")
            if name.startswith("unpacking"):
                amount = f"{done}/{total}"
            else:
                amount = f"{done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f}" if total else "")
            bars.update(known[name], completed=done, total=total or None, amount=amount)

        yield show


@contextmanager
def training(config: TrainingConfig) -> Iterator[Callable[[Report], None]]:
    """A bar for each epoch, and one line on stdout after each epoch."""
    from snnlab.rules.rule import SpikingRule

    spiking = isinstance(config.rule, SpikingRule)
    with epochs(config) as show_bar:

        def show(report: Report) -> None:
            if report.row is not None:
                print(_epoch_line(report.row, config.epochs, spiking), flush=True)
            show_bar(report)

        yield show


@contextmanager
def epochs(config: TrainingConfig) -> Iterator[Callable[[Report], None]]:
    """A bar for each epoch, with speed and accuracy so far."""
    columns = (
        TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[text]}"),
        TimeRemainingColumn(),
    )
    with _bars(*columns) as bars:
        bar = bars.add_task("", total=len(config.train), epoch=1, epochs=config.epochs, text="")

        def show(report: Report) -> None:
            now = report.progress
            if report.row is not None:
                epoch = min(now.epoch, config.epochs)
                bars.reset(bar, total=len(config.train), epoch=epoch, epochs=config.epochs, text="")
                return
            text = f"{now.samples / now.seconds:.0f} samples/s, train {100 * now.correct / now.samples:.2f} %"
            testing = ", testing" if now.batch == report.batches else ""
            bars.update(bar, completed=now.samples, epoch=now.epoch, text=text + testing)

        yield show


def _epoch_line(row: dict[str, float | int], epochs: int, spiking: bool) -> str:
    return (
        f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}  train {100 * row['train_accuracy']:6.2f} %  "
        f"test {100 * row['test_accuracy']:6.2f} %  {row['train_samples_per_s']:.0f} samples/s"
        + (f"  {row['spikes_per_sample']:.0f} spikes/sample" if spiking else "")
    )


def _counting_bar() -> Progress:
    return _bars(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def _bars(*columns: Any) -> Progress:
    console = Console(stderr=True)
    return Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # in a terminal, printed lines go above the bar; if stdout is redirected, they must go there
        redirect_stdout=sys.stdout.isatty(),
    )
