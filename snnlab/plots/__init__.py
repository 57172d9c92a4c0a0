"""Plots: each function takes a value and an Axes, draws, and returns the Axes. Nothing here simulates or trains."""

from snnlab.plots.accuracies import accuracies
from snnlab.plots.confusion import confusion
from snnlab.plots.curves import Curve, curves
from snnlab.plots.events import event_frames, event_raster
from snnlab.plots.histograms import cv_histogram, histogram, rate_histogram
from snnlab.plots.images import images
from snnlab.plots.learning_curves import correlation_curve, learning_curve, solved_curve
from snnlab.plots.morphology import morphology
from snnlab.plots.neuron_traces import neuron_traces
from snnlab.plots.population_rate import population_rate
from snnlab.plots.raster import raster
from snnlab.plots.rate_bars import rate_bars
from snnlab.plots.sound import cochleagram, wave
from snnlab.plots.style import STYLE, check_path, figure, panels, save, style, titled
from snnlab.plots.traces import traces
from snnlab.plots.weights import weight_images, weight_matrix

__all__ = [
    "STYLE",
    "Curve",
    "accuracies",
    "check_path",
    "cochleagram",
    "confusion",
    "correlation_curve",
    "curves",
    "cv_histogram",
    "event_frames",
    "event_raster",
    "figure",
    "histogram",
    "images",
    "learning_curve",
    "morphology",
    "neuron_traces",
    "panels",
    "population_rate",
    "raster",
    "rate_bars",
    "rate_histogram",
    "save",
    "solved_curve",
    "style",
    "titled",
    "traces",
    "wave",
    "weight_images",
    "weight_matrix",
]
