"""All experiments over several seeds, and the table of results."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab.cli import output, progress_bars
from snnlab.cli.signals import interruptible
from snnlab.cli.training import Data, at_least, changes_of, named
from snnlab.errors import InputError, one_of

if TYPE_CHECKING:
    from snnlab.benchmark.runner import Failure, Plan
    from snnlab.benchmark.suites import Suite
    from snnlab.benchmark.tables import Line

_SEEDS = 3


def bench(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="EXPERIMENT", help="Of `snnlab experiments`; all if left out.")
    ] = None,
    experiments: Annotated[
        str | None,
        typer.Option("--experiments", metavar="NAME,NAME", help="Experiments too, with commas between them."),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", metavar="NAME", help="Compare a set of experiments, with a figure of its own: credit."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", help=f"Train with seeds 0 to N-1; {_SEEDS} if left out.")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change an option of all of them; repeatable. It is a line of its own."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file of results.")] = Path("runs/bench.jsonl"),
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", help="Trainings at a time; 1 if left out, which uses all cores already."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", help="Of each training; else all cores, shared by --jobs.")
    ] = None,
    data: Data = None,
    table: Annotated[bool, typer.Option("--table", help="Train nothing: show what is in --out.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw to this .png, .pdf or .svg; else beside --out.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table there as Markdown.")
    ] = None,
) -> None:
    """Train with several seeds, and compare with the papers.

    Each network trained is a line in --out, appended as it is done. Stopped at any moment, the same command goes on
    where it was. The runs are in FILE.runs, for `snnlab evaluate` and the others.

    \b
    snnlab bench hm2bp-digits --seeds 2
    snnlab bench hm2bp-digits --seeds 2 --set rule.self_term=false
    snnlab bench --table --markdown results.md
    """
    chosen = _suite(suite, words, experiments)
    names = [entry.experiment for entry in chosen.entries] if chosen else _names(words or [], experiments)
    # of a suite --set says, beside --table, which rows are shown
    given = {"--seeds": seeds, "--set": None if chosen else sets, "--jobs": jobs, "--threads": threads}
    _check(given, table=table, plot=plot, markdown=markdown)
    failed: list[Failure] = []
    if not table:
        from snnlab.benchmark.runner import plans, plans_of

        changes = changes_of(sets or [], None)
        wanted = plans_of(chosen, seeds or _SEEDS, changes) if chosen else plans(names, seeds or _SEEDS, changes)
        failed = _train(wanted, out, jobs or 1, threads, data)
        plot = plot or out.with_suffix(".png")
    if chosen:
        _show_suite(out, chosen, changes_of(sets or [], None), plot, markdown)
    else:
        _show(out, names if words or experiments else [], plot, markdown)
    for failure in failed:
        print(f"{failure.plan.name}: {failure.refusal}", file=sys.stderr)
    if failed:
        raise typer.Exit(2)


def _check(given: Mapping[str, Any], *, table: bool, plot: Path | None, markdown: Path | None) -> None:
    """Raises InputError for what cannot be done, before anything is.

    given  option -> its value, of those by which networks are trained
    """
    if table:
        for name, value in given.items():
            if value not in (None, []):
                raise InputError(name, "found beside --table", "leave out one of the two: --table trains nothing")
    else:
        for name in ("--seeds", "--jobs", "--threads"):
            at_least(name, given[name], 1)
    if plot is not None:
        from snnlab.plots import check_path

        check_path(plot)
    if markdown is not None and not markdown.parent.is_dir():
        raise InputError(markdown, f"no folder {markdown.parent}", "choose another --markdown")


def tell(line: str) -> None:
    """How it goes, beside the table and not within it."""
    sys.stderr.write(f"{line}\n")  # at once: print() may be interrupted before the end of the line
    sys.stderr.flush()


def _names(words: Sequence[str], listed: str | None) -> list[str]:
    """The experiments asked for in both ways, each once; all of them if in neither.

    Raises InputError for unknown ones.
    """
    from snnlab.experiments import EXPERIMENTS

    if not words and listed is None:
        return list(EXPERIMENTS)
    names = [name.strip() for text in (*words, listed or "") for name in text.split(",") if name.strip()]
    if not names:
        where = "EXPERIMENT" if listed is None else "--experiments"
        raise InputError(where, "none", "needs names of `snnlab experiments`, with commas between them")
    return [named(name).name for name in dict.fromkeys(names)]


def _suite(name: str | None, words: Sequence[str] | None, listed: str | None) -> Suite | None:
    """The suite of this name. Raises InputError for none that there is, and beside experiments."""
    if name is None:
        return None
    from snnlab.benchmark.suites import SUITES

    if words or listed is not None:
        raise InputError("--suite", "found beside experiments", "leave out one of the two: a suite has its own")
    if name not in SUITES:
        raise InputError("--suite", f"found {name!r}", one_of(name, SUITES))
    return SUITES[name]


def _train(wanted: Sequence[Plan], out: Path, jobs: int, threads: int | None, data: Path | None) -> list[Failure]:
    """Train what is not in the file, and say of each network how it went; those that were refused."""
    from snnlab.benchmark.runner import Failure
    from snnlab.benchmark.runner import bench as run

    failed = []
    with interruptible(f"stopped; go on with: {shlex.join(['snnlab', *sys.argv[1:]])}"):
        for outcome in run(out, wanted, folder=data, jobs=jobs, threads=threads, tell=tell, watch=progress_bars.epochs):
            if isinstance(outcome, Failure):
                failed.append(outcome)
                tell(f"{outcome.plan.name}: refused")
            else:
                percent = f"{100 * outcome.test_accuracy:.2f} %"
                epochs = f"{outcome.epochs} epoch{'' if outcome.epochs == 1 else 's'}"
                tell(f"{outcome.experiment} seed {outcome.seed}: done, {percent} after {epochs}")
    return failed


def _show(out: Path, names: Sequence[str], plot: Path | None, markdown: Path | None) -> None:
    """The table of the file, of some experiments or of all; drawn and written where asked for."""
    from snnlab.benchmark import records, tables

    lines = [line for line in tables.lines(records.read(out)) if not names or line.experiment in names]
    if not lines:
        print(f"{out}: no results yet{' of ' if names else ''}{', '.join(names)}")
        return
    _print(lines)
    if plot is not None:
        from snnlab.report.run_figures import plot_results

        print(f"drawn to {plot_results(lines, plot)}")
    if markdown is not None:
        print(f"written to {_write(markdown, lines, plot)}")


def _show_suite(out: Path, suite: Suite, changes: Mapping[str, str], plot: Path | None, markdown: Path | None) -> None:
    """The table of a suite's rows in the file, with its own figure."""
    from snnlab.benchmark import records, tables
    from snnlab.report import comparison

    found = comparison.rows_of(suite, records.read(out), changes)
    if not found:
        print(f"{out}: no results yet of the suite {suite.name} with these options (--set tells it of others)")
        return
    lines = tables.lines([row for mine in found.values() for row in mine])
    _print(lines)
    if missing := [entry.label for entry in suite.entries if entry.label not in found]:
        print(f"no results yet with these options: {', '.join(missing)}")
    if plot is not None:
        print(f"drawn to {comparison.plot_suite(suite, found, plot)}")
    if markdown is not None:
        print(f"written to {_write(markdown, lines, plot)}")


def _print(lines: Sequence[Line]) -> None:
    from snnlab.benchmark import tables

    rows = tables.table(lines)
    # what the paper's number is, the last of each row, is long and the same for all rows of an experiment
    output.table(tables.HEAD[:-1], [row[:-1] for row in rows])
    for name, source in dict.fromkeys((line.experiment, row[-1]) for line, row in zip(lines, rows, strict=True)):
        if source:
            output.prose(f"paper of {name}: ", source, 4)


def _write(path: Path, lines: Sequence[Line], plot: Path | None) -> Path:
    from snnlab.benchmark import tables

    figure = Path(os.path.relpath(plot, path.parent)).as_posix() if plot is not None else ""
    try:
        path.write_text(tables.markdown(lines, figure), encoding="utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be written: {error.strerror or error}", "choose another --markdown") from error
    return path
