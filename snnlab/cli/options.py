"""Arguments and options that several commands share, and their checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab.errors import InputError, one_of

if TYPE_CHECKING:
    from snnlab.experiments import Experiment

ExperimentName = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="Name of an experiment, see `snnlab experiments`.")
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Directory of the run.")]
DataFolder = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data folder.  [default: $SNNLAB_DATA]")]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="Number of threads.  [default: all cores]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change an option; may be repeated.")
]


def experiment_named(name: str) -> Experiment:
    """The experiment of this name. Raises InputError for unknown names."""
    from snnlab.experiments import EXPERIMENTS

    if name not in EXPERIMENTS:
        raise InputError("EXPERIMENT", f"got {name!r}", one_of(name, EXPERIMENTS))
    return EXPERIMENTS[name]


def key_values(settings: Sequence[str] | None, example: str = "epochs=5") -> dict[str, Any]:
    """Key -> value of each --set. Raises InputError for texts without an equals sign."""
    values: dict[str, Any] = {}
    for text in settings or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}", "no value", f"must be KEY=VALUE, such as {example}")
        values[key.strip()] = value.strip()
    return values


def check_at_least(smallest: int, **values: float | None) -> None:
    """Raises InputError for a value below `smallest`; None is valid.

    values  name of the option, with underscores for hyphens -> value
    """
    for name, value in values.items():
        if value is not None and not value >= smallest:
            raise InputError(f"--{name.replace('_', '-')}", f"got {value}", f"must be at least {smallest}")
