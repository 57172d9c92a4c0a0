"""The command that trains experiments with several seeds and prints the table of results."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab.cli import output, progress_bars
from snnlab.cli.options import DataFolder, Settings, check_at_least, experiment_named, key_values
from snnlab.cli.signals import interruptible
from snnlab.errors import InputError, one_of

if TYPE_CHECKING:
    from snnlab.benchmark.runner import Failure, Plan
    from snnlab.benchmark.suites import Suite
    from snnlab.benchmark.tables import Line

_SEEDS = 3


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="EXPERIMENT", help="Names of experiments.  [default: all]")
    ] = None,
    experiments: Annotated[
        str | None,
        typer.Option("--experiments", metavar="NAME,NAME", help="Names of experiments, separated by commas."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option("--suite", metavar="NAME", help="Compare the experiments of a suite: credit.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", help=f"Train with seeds 0 to N-1.  [default: {_SEEDS}]")
    ] = None,
    sets: Settings = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Results.")] = Path("runs/bench.jsonl"),
    jobs: Annotated[
        int | None, typer.Option("--jobs", metavar="N", help="Number of trainings at a time.  [default: 1]")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="Threads of each training.  [default: all cores / jobs]"),
    ] = None,
    data: DataFolder = None,
    table: Annotated[bool, typer.Option("--table", help="Print the results in --out without training.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Plot to this .png, .pdf or .svg file.  [default: next to --out]"),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the table as Markdown.")
    ] = None,
) -> None:
    """Train with several seeds and compare with the papers.

    Each finished training is appended to --out; an interrupted command continues if it is repeated. The run directories
    are in FILE.runs, for `snnlab evaluate` and other commands.

    \b
    snnlab bench hm2bp-digits --seeds 2
    snnlab bench hm2bp-digits --seeds 2 --set rule.self_term=false
    snnlab bench --table --markdown results.md
    """
    selected = _suite(suite, names, experiments)
    chosen = [entry.experiment for entry in selected.entries] if selected else _names(names or [], experiments)
    # with --table, --set selects rows of a suite
    training_options = {"--seeds": seeds, "--set": None if selected else sets, "--jobs": jobs, "--threads": threads}
    _check(training_options, table=table, plot=plot, markdown=markdown)
    changes = key_values(sets)
    failures: list[Failure] = []
    if not table:
        from snnlab.benchmark.runner import plans, suite_plans

        number = seeds or _SEEDS
        planned = suite_plans(selected, number, changes) if selected else plans(chosen, number, changes)
        failures = _train(planned, out, jobs or 1, threads, data)
        plot = plot or out.with_suffix(".png")
    if selected:
        _show_suite(out, selected, changes, plot, markdown)
    else:
        _show(out, chosen if names or experiments else [], plot, markdown)
    for failure in failures:
        print(f"{failure.plan.name}: {failure.error}", file=sys.stderr)
    if failures:
        raise typer.Exit(2)


def _check(training_options: Mapping[str, Any], *, table: bool, plot: Path | None, markdown: Path | None) -> None:
    """Raises InputError for invalid options, before any training."""
    if table:
        for name, value in training_options.items():
            if value not in (None, []):
                raise InputError(name, "given with --table, which does not train", "omit one of the two")
    else:
        check_at_least(
            1, **{name.removeprefix("--"): training_options[name] for name in ("--seeds", "--jobs", "--threads")}
        )
    if plot is not None:
        from snnlab.plots import check_path

        check_path(plot)
    if markdown is not None and not markdown.parent.is_dir():
        raise InputError(markdown, f"no folder {markdown.parent}", "choose another --markdown")


def log(line: str) -> None:
    """Print progress to stderr; stdout is for the table."""
    sys.stderr.write(f"{line}\n")  # in one call: print() may be interrupted before the line break
    sys.stderr.flush()


def _names(names: Sequence[str], separated: str | None) -> list[str]:
    """Unique names of the experiments, all by default. Raises InputError for unknown names."""
    from snnlab.experiments import EXPERIMENTS

    if not names and separated is None:
        return list(EXPERIMENTS)
    given = [name.strip() for text in (*names, separated or "") for name in text.split(",") if name.strip()]
    if not given:
        option = "EXPERIMENT" if separated is None else "--experiments"
        raise InputError(option, "empty", "must be names of `snnlab experiments`, separated by commas")
    return [experiment_named(name).name for name in dict.fromkeys(given)]


def _suite(name: str | None, names: Sequence[str] | None, separated: str | None) -> Suite | None:
    """The suite of this name. Raises InputError for unknown names, and if experiments are given too."""
    if name is None:
        return None
    from snnlab.benchmark.suites import SUITES

    if names or separated is not None:
        raise InputError("--suite", "given with experiments", "omit one of the two: a suite has its own experiments")
    if name not in SUITES:
        raise InputError("--suite", f"got {name!r}", one_of(name, SUITES))
    return SUITES[name]


def _train(planned: Sequence[Plan], out: Path, jobs: int, threads: int | None, data: Path | None) -> list[Failure]:
    """Run the trainings that are not in `out`, logging each result; returns the failures."""
    from snnlab.benchmark.runner import Failure
    from snnlab.benchmark.runner import bench as run

    failures = []
    with interruptible(f"stopped; resume with: {shlex.join(['snnlab', *sys.argv[1:]])}"):
        for outcome in run(
            out, planned, folder=data, jobs=jobs, threads=threads, log=log, progress_bar=progress_bars.epochs
        ):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                log(f"{outcome.plan.name}: failed")
            else:
                accuracy = f"{output.percent(outcome.test_accuracy)} after {output.epochs(outcome.epochs)}"
                log(f"{outcome.experiment} seed {outcome.seed}: finished, {accuracy}")
    return failures


def _show(out: Path, names: Sequence[str], plot: Path | None, markdown: Path | None) -> None:
    """Print, plot and write the results of the experiments, of all if there are no names."""
    from snnlab.benchmark import records, tables

    lines = [line for line in tables.lines(records.read(out)) if not names or line.experiment in names]
    if not lines:
        print(f"{out}: no results{' of ' if names else ''}{', '.join(names)}")
        return
    _print(lines)
    if plot is not None:
        from snnlab.report.result_figures import plot_results

        print(f"figure: {plot_results(lines, plot)}")
    if markdown is not None:
        print(f"table: {_write(markdown, lines, plot)}")


def _show_suite(out: Path, suite: Suite, changes: Mapping[str, str], plot: Path | None, markdown: Path | None) -> None:
    """Print, plot and write the results of a suite."""
    from snnlab.benchmark import records, tables

    rows = suite.rows_of(records.read(out), changes)
    if not rows:
        print(f"{out}: no results of suite {suite.name} with these options; --set selects other options")
        return
    lines = tables.lines([row for of_entry in rows.values() for row in of_entry])
    _print(lines)
    if missing := [entry.label for entry in suite.entries if entry.label not in rows]:
        print(f"no results with these options: {', '.join(missing)}")
    if plot is not None:
        from snnlab.report.result_figures import plot_suite

        print(f"figure: {plot_suite(suite, rows, plot)}")
    if markdown is not None:
        print(f"table: {_write(markdown, lines, plot)}")


def _print(lines: Sequence[Line]) -> None:
    from snnlab.benchmark import tables

    rows = tables.table(lines)
    # the last column, the reference, is long and the same for all lines of an experiment
    output.table(tables.HEAD[:-1], [row[:-1] for row in rows])
    for name, reference in dict.fromkeys((line.experiment, row[-1]) for line, row in zip(lines, rows, strict=True)):
        if reference:
            output.prose(f"paper of {name}: ", reference, 4)


def _write(path: Path, lines: Sequence[Line], plot: Path | None) -> Path:
    from snnlab.benchmark import tables

    figure = Path(os.path.relpath(plot, path.parent)).as_posix() if plot is not None else ""
    try:
        path.write_text(tables.markdown(lines, figure), encoding="utf-8")
    except OSError as error:
        raise InputError(path, f"cannot be written: {error.strerror or error}", "choose another --markdown") from error
    return path
