"""Figures of a training run: learning curve, confusion matrix, weights, and the activity of one test sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from snnlab import plots
from snnlab.errors import InputError
from snnlab.experiments.core.run import Run
from snnlab.report.compartment_figures import compartments_figure
from snnlab.report.rate_figures import rates_figure
from snnlab.report.spike_figures import potentials_figure, raster_figure, simulate_sample
from snnlab.report.weight_figures import weights_figure
from snnlab.rules.rule import RecordableRule, SpikingRule, State
from snnlab.training.checkpoints import Progress
from snnlab.training.config import TrainingConfig
from snnlab.training.evaluation import evaluate

Captioned: TypeAlias = tuple[Any, str]
"""A figure, and what its title says after the names of the experiment and the seed."""


def plot_run(run: Run, *, sample: int = 0) -> list[Path]:
    """Draw the figures of a run into its figures folder, and return their paths.

    sample  number of the test sample whose activity is plotted; spiking networks are simulated in Brian2

    Raises InputError for a sample outside the test set, and if a figure cannot be written.
    """
    config = run.config
    if not 0 <= sample < len(config.test):
        raise InputError("--sample", f"got {sample}", f"must be 0 to {len(config.test) - 1}")
    state, progress = run.restore()
    activity, has_targets = _activity(config, state, sample)
    figures = {
        "learning": (_learning_figure(run, progress, with_correlation=has_targets), ""),
        "confusion": _confusion_figure(config, state),
        "weights": weights_figure(config, state),
        **activity,
    }
    title = f"{run.experiment.name}, seed {config.seed}"
    return [
        plots.save(plots.titled(figure, title + caption), run.directory.figures / f"{name}.png")
        for name, (figure, caption) in figures.items()
    ]


def _activity(config: TrainingConfig, state: State, sample: int) -> tuple[dict[str, Captioned], bool]:
    """Figures of one test sample, by file name; and True if the rule has target spike trains."""
    if isinstance(config.rule, RecordableRule):
        return {"compartments": compartments_figure(config, config.rule, state, sample)}, False
    if not isinstance(config.rule, SpikingRule):
        return {"rates": rates_figure(config, state, sample)}, False
    activity = simulate_sample(config, config.rule, state, sample)
    figures = {"raster": raster_figure(config, activity), "potentials": potentials_figure(config, activity)}
    return figures, activity.targets is not None


def _learning_figure(run: Run, progress: Progress, *, with_correlation: bool) -> Any:
    """Accuracy over epochs; below it, for rules with target spike trains, the correlation with them."""
    figure, axes = plots.figure(2 if with_correlation else 1, size=(8, 6 if with_correlation else 4))
    plots.learning_curve(progress.rows, axes[0, 0], reported=run.experiment.reported, source="paper")
    if with_correlation:
        with plots.style():
            plots.correlation_curve(progress.rows, axes[1, 0])
    return figure


def _confusion_figure(config: TrainingConfig, state: State) -> Captioned:
    evaluation = evaluate(config, state)
    figure, axes = plots.figure(size=(7, 5.8))
    plots.confusion(evaluation.confusion, axes[0, 0], classes=config.test.classes)
    return figure, f": {100 * evaluation.accuracy:.2f} % of {len(config.test)} test samples correct"
