"""Pictures: each function takes a value and an Axes, draws, and returns the Axes. Nothing here runs anything."""

from snnlab.plots.confusion import confusion
from snnlab.plots.course import angle_course, course
from snnlab.plots.curve import correlation_curve, learning_curve, solved_curve
from snnlab.plots.events import event_frames, event_raster
from snnlab.plots.images import images
from snnlab.plots.neurons import neurons
from snnlab.plots.raster import raster
from snnlab.plots.rates import cv_histogram, histogram, population_rate, rate_histogram, rates
from snnlab.plots.results import accuracies
from snnlab.plots.shape import shape
from snnlab.plots.sound import cochleagram, wave
from snnlab.plots.spike_counts import counts
from snnlab.plots.style import STYLE, check_path, figure, panels, save, style
from snnlab.plots.traces import traces
from snnlab.plots.weights import weight_images, weight_matrix

__all__ = [
    "STYLE",
    "accuracies",
    "angle_course",
    "check_path",
    "cochleagram",
    "confusion",
    "correlation_curve",
    "counts",
    "course",
    "cv_histogram",
    "event_frames",
    "event_raster",
    "figure",
    "histogram",
    "images",
    "learning_curve",
    "neurons",
    "panels",
    "population_rate",
    "raster",
    "rate_histogram",
    "rates",
    "save",
    "shape",
    "solved_curve",
    "style",
    "traces",
    "wave",
    "weight_images",
    "weight_matrix",
]
