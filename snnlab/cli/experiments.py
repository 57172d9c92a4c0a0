"""The command that lists experiments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab.cli import output
from snnlab.cli.options import AsJson, experiment_named

if TYPE_CHECKING:
    from snnlab.experiments import Experiment


def experiments(
    name: Annotated[
        str | None, typer.Argument(metavar="EXPERIMENT", help="Show this experiment and its options.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the experiments, or show one of them with all its options.

    \b
    snnlab experiments
    snnlab experiments hm2bp-mnist
    """
    from snnlab.experiments import EXPERIMENTS

    if name is not None:
        experiment = experiment_named(name)
        if as_json:
            print(json.dumps(_as_dict(experiment), indent=2, ensure_ascii=False))
        else:
            _show(experiment)
    elif as_json:
        print(json.dumps([_as_dict(each) for each in EXPERIMENTS.values()], indent=2, ensure_ascii=False))
    else:
        rows = [
            [each.name, each.dataset, str(each.epochs), output.percent(each.reported), each.summary]
            for each in EXPERIMENTS.values()
        ]
        output.table(["id", "data", "epochs", "reported", "summary"], rows)


def _as_dict(experiment: Experiment) -> dict[str, Any]:
    names = ("name", "summary", "reference", "reported", "dataset")
    values = {"id": experiment.name} | {name: getattr(experiment, name) for name in names}
    return values | {"options": experiment.options(), "option_help": experiment.option_help()}


def _show(experiment: Experiment) -> None:
    """Print an experiment, and its options with their help."""
    from snnlab.experiments.core.options import to_text

    help_of = experiment.option_help()
    indent = 2 + max(map(len, help_of))
    head = {"summary": experiment.summary, "reference": experiment.reference}
    head |= {"reported": output.percent(experiment.reported), "data": experiment.dataset}
    for name, text in head.items():
        output.prose(name, text, indent)
    print("\nOptions, changed by --set NAME=VALUE:\n")
    for name, value in experiment.options().items():
        output.prose(name, to_text(value), indent)
        if help_of[name]:
            output.prose("", help_of[name], 4)
