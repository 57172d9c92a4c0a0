"""Evaluation of a network on the test set."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.encoders import TEST, TRAIN
from snnlab.rules.common import gradient_angle
from snnlab.rules.rule import Batch, GradientRule, RateRule, State
from snnlab.training.config import TrainingConfig
from snnlab.training.cost import ActivityCounter, Cost
from snnlab.training.prefetching import prefetch

_CHUNK = 100  # samples at a time; affects only cells that fire at random
_ANGLE_SAMPLES = 500  # the first training samples, for the angle between update and gradient


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results on the test set.

    confusion  int64 (classes, classes)  rows are the true classes
    cost       per sample, including spikes
    """

    accuracy: float
    confusion: NDArray[np.int64]
    samples_per_s: float
    cost: Cost


def evaluate(config: TrainingConfig, state: State) -> Evaluation:
    """Predict the test set, encoded with the config's seed."""
    start = time.monotonic()
    classes, number, source = len(config.test.classes), len(config.test), config.circuit.input.name
    confusion = np.zeros((classes, classes), dtype=np.int64)
    counter = ActivityCounter(config.circuit)
    chunks = (config.test.take(slice(first, first + _CHUNK)) for first in range(0, number, _CHUNK))
    with engine.threads(config.threads):
        for samples, inputs in prefetch((chunk, config.encode(chunk, 0, TEST)) for chunk in chunks):
            prediction = config.rule.predict(config.circuit, state, inputs)
            np.add.at(confusion, (samples.labels, prediction.labels), 1)
            counter.add(source, inputs, prediction.activity)
    speed = number / (time.monotonic() - start)
    circuit, steps = config.circuit.with_weights(state.weights), 1
    if isinstance(config.rule, RateRule):
        inference = config.rule.inference(circuit)
        circuit, steps = circuit.subcircuit(inference.projections), inference.steps
    cost = counter.cost(circuit, samples=number, trained=state.weights, relaxation_steps=steps)
    return Evaluation(float(np.trace(confusion) / confusion.sum()), confusion, speed, cost)


def angles(config: TrainingConfig, state: State, epoch: int) -> dict[str, float] | None:
    """Angle in degrees between the rule's update and the gradient, by projection; None if the rule has no gradient."""
    if not isinstance(config.rule, GradientRule):
        return None
    samples = config.train.take(slice(_ANGLE_SAMPLES))
    batch = Batch(config.encode(samples, 0, TRAIN), samples.labels, epoch, config.epochs)
    return gradient_angle.angles(config.rule, config.circuit, state, batch)
