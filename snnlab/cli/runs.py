"""Commands on a trained network: evaluate, certify and plot."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from snnlab.cli import output, progress_bars
from snnlab.cli.options import AsJson, DataFolder, RunPath, Threads, check_at_least

if TYPE_CHECKING:
    from snnlab.training.cost import Cost


def evaluate(run: RunPath, as_json: AsJson = False, data: DataFolder = None, threads: Threads = None) -> None:
    """Test a trained network: accuracy, speed, and operations per sample.

    Operations are spikes or rates times the nonzero weights that they reach, for one test sample; "dense" counts every
    synapse in every time step. --json adds the confusion matrix, with one row for each true class.

    \b
    snnlab evaluate runs/hm2bp-digits-seed0
    """
    check_at_least(1, threads=threads)
    from snnlab.experiments.core.run import Run
    from snnlab.rules.rule import SpikingRule
    from snnlab.training.evaluation import evaluate as test

    opened = Run.open(run, folder=data, threads=threads)
    config = opened.config
    state, progress = opened.restore()
    evaluation = test(config, state)
    cost, speed = evaluation.cost, evaluation.samples_per_s
    if as_json:
        values = {
            "run": str(run),
            "experiment": opened.experiment.name,
            "seed": config.seed,
            "epochs": len(progress.rows),
            "samples": len(config.test),
            "accuracy": evaluation.accuracy,
            "reported": opened.experiment.reported,
            "spikes_per_sample": sum(cost.spikes.values()),
            "cost": asdict(cost),
            "samples_per_s": speed,
            "classes": list(config.test.classes),
            "confusion": evaluation.confusion.tolist(),
        }
        print(json.dumps(values, indent=2, ensure_ascii=False))
        return
    tested = f"{len(config.test)} test samples, after {output.trained(progress)}"
    output.fields(
        [
            ("accuracy", f"{output.percent(evaluation.accuracy)} of {tested}"),
            ("reported", output.reported(opened.experiment)),
            ("speed", f"{speed:.0f} samples/s"),
            *_cost_fields(cost, spiking=isinstance(config.rule, SpikingRule)),
        ]
    )


def _cost_fields(cost: Cost, *, spiking: bool) -> list[tuple[str, str]]:
    spikes = {"input": cost.input_spikes, **cost.spikes} if spiking else {}
    operations = f"{cost.effective_acs:,.0f} accumulates per sample"
    if not spiking:
        macs = f"{cost.effective_macs:,.0f} multiply-accumulates per sample"
        operations = f"{macs} and {cost.effective_acs:,.0f} accumulates (rates of 1)"
    activations, connections = output.percent(cost.activation_sparsity), output.percent(cost.connection_sparsity)
    return [
        *((f"spikes of {name}", f"{count:.1f} per sample") for name, count in spikes.items()),
        ("operations", f"{operations}; {cost.dense:,.0f} dense"),
        ("sparsity", f"{activations} of activations, {connections} of weights are zero"),
        ("size", f"{cost.parameters:,} parameters; {cost.footprint_bytes:,} bytes of weights and neuron states"),
    ]


def certify(
    run: RunPath,
    samples: Annotated[
        int | None, typer.Option("--samples", metavar="N", help="Number of test samples.  [default: 20]")
    ] = None,
    data: DataFolder = None,
    threads: Threads = None,
) -> None:
    """Compare the spikes of a trained network with Brian2. The exit code is 1 if any spike differs.

    \b
    snnlab certify runs/hm2bp-digits-seed0 --samples 50
    """
    check_at_least(1, threads=threads)
    from snnlab.certify import certify as compare
    from snnlab.experiments.core.run import Run

    opened = Run.open(run, folder=data, threads=threads)
    state, progress = opened.restore()
    samples = min(20, len(opened.config.test)) if samples is None else samples
    with progress_bars.counter("samples in Brian2", samples) as advance:
        certificate = compare(opened.config, state, samples, progress=advance)
    print(f"{run} after {output.trained(progress)}, on {output.counted(samples, 'test sample')}")
    print("\n".join(certificate.summary()))
    if not certificate.passed:
        raise typer.Exit(1)


def plot(
    run: RunPath,
    sample: Annotated[int, typer.Option("--sample", metavar="N", help="Test sample to plot.")] = 0,
    data: DataFolder = None,
) -> None:
    """Plot a run into its figures folder.

    The figures show the learning curve, the confusion matrix, the weights, and the activity of one test sample.

    \b
    snnlab plot runs/hm2bp-digits-seed0 --sample 7
    """
    from snnlab.experiments.core.run import Run
    from snnlab.report.run_figures import plot_run

    for path in plot_run(Run.open(run, folder=data), sample=sample):
        print(path)
