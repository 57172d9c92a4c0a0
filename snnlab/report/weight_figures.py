"""Figure of the weights of the first trained layer, and of how training changed them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab import plots
from snnlab.encoders import Encoder
from snnlab.networks.weights import Convolution, Pooling
from snnlab.plots.axes import si_prefix, typeset, with_unit
from snnlab.rules.rule import State
from snnlab.training.config import TrainingConfig
from snnlab.training.loop import initial_state

_NEURONS = 25
_IMAGE_ROWS = 4  # layers with fewer rows are plotted as a matrix


def weights_figure(config: TrainingConfig, state: State) -> tuple[Any, str]:
    """Weights and weight changes of the neurons that changed most, and a caption.

    Weights are plotted as images if the presynaptic layer has at least four rows, otherwise as a matrix.
    """
    circuit, initial = config.circuit, initial_state(config)
    number, first = next((k, each) for k, each in enumerate(circuit.projections) if each.name in state.weights)
    previous = circuit.projections[number - 1].weights if number else None
    shape = previous.out if isinstance(previous, Pooling) else config.test.shape
    weights = state.weights[first.name]
    change = weights - initial.weights[first.name]
    size_of_change = np.linalg.norm(change.reshape(-1, change.shape[-1]), axis=0)
    neurons = np.argsort(-size_of_change, kind="stable")[:_NEURONS]
    column = "kernel" if isinstance(first.weights, Convolution) else "neuron"
    figure, axes = plots.figure(1, 2, size=(8, 3.9))
    scale, unit = si_prefix(weights, typeset(circuit.unit(first)))
    panels = {with_unit("weight", unit): scale * weights, with_unit("change since the start", unit): scale * change}
    for ax, (label, values) in zip(axes[0], panels.items(), strict=True):
        options: dict[str, Any] = {"neurons": neurons, "label": label, "column": column}
        if values.ndim == 4 or (len(shape) > 1 and shape[0] >= _IMAGE_ROWS):
            pixels, image = _as_images(values, shape)
            columns = math.ceil(math.sqrt(len(neurons) * image[0] / image[1]))
            plots.weight_images(pixels, ax, shape=image, columns=columns, **options)
        else:
            plots.weight_matrix(values, ax, **_row_labels(config.encoder, shape, is_input=number == 0), **options)
    caption = f": {first.pre} to {first.post}, the {column}s that changed most"
    return figure, caption + _channel_caption(config.encoder, weights, shape)


def _as_images(weights: NDArray[np.floating], shape: tuple[int, ...]) -> tuple[NDArray[np.floating], tuple[int, int]]:
    """Weights (inputs, neurons) or kernels as (pixels, neurons), and the rows and columns of one image.

    shape  of the presynaptic layer; its channels are placed side by side
    """
    if weights.ndim == 2 and len(shape) == 3:
        weights = weights.reshape(*shape, -1)
    if weights.ndim == 4:
        rows, columns, channels, number = weights.shape
        return weights.transpose(0, 2, 1, 3).reshape(-1, number), (rows, channels * columns)
    return weights, (shape[0], math.prod(shape[1:]))


def _channel_caption(encoder: Encoder, weights: NDArray[np.floating], shape: tuple[int, ...]) -> str:
    """Which channels are placed side by side in each image; empty for a single channel."""
    rows, channels = shape[0], shape[2] if len(shape) == 3 else 1
    if channels == 1 or (weights.ndim == 2 and rows < _IMAGE_ROWS):
        return ""
    if channels == len(encoder.channel_names) == 2:
        left, right = encoder.channel_names
        return f"\nin each image, {left} events on the left and {right} events on the right"
    return f"\nin each image, {channels} channels side by side"


def _row_labels(encoder: Encoder, shape: tuple[int, ...], *, is_input: bool) -> dict[str, Any]:
    """Options of the weight matrix that name its rows: centre frequencies, channels or inputs."""
    if not is_input or max(shape) != math.prod(shape):
        return {"row": "input"}
    centres = encoder.centre_frequencies
    return {"centres": centres} if centres is not None and len(centres) == math.prod(shape) else {}
