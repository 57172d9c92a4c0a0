"""A slow reference implementation of BSA."""

from __future__ import annotations

import math

import numpy as np


def slow_bsa(frames: np.ndarray, threshold: float = 0.6) -> np.ndarray:
    """Spikes (steps, channels) by the description of the paper with the parameters of HM2-BP, channel by channel."""
    kernel = [math.exp(-((i - 12) ** 2) / 25) for i in range(24)]
    total = 0.0
    for weight in kernel:
        total += weight
    fired = np.zeros((len(frames) * 10 + 1, frames.shape[1]), dtype=bool)
    for channel in range(frames.shape[1]):
        signal = [value * 2000 for value in frames[:, channel] for _ in range(10)] + [0.0] * 24
        for step in range(len(frames) * 10):
            with_spike = without = 0.0
            for delay, weight in enumerate(kernel):
                with_spike += abs(signal[step + delay] - weight / total)
                without += abs(signal[step + delay])
            if with_spike < without - threshold:
                fired[step + 1, channel] = True
                for delay, weight in enumerate(kernel):
                    signal[step + delay] -= weight / total
    return fired
