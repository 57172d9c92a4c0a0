"""The exponential weight regularisation of HM2-BP (Jin, Zhang and Li, NeurIPS 2018, arXiv:1805.07866)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.rules.common.validation import check_not_negative, check_positive


@dataclass(frozen=True)
class Penalty:
    """A penalty on the mean square of the weights onto each neuron, or of each kernel; it rises exponentially.

    With n weights w_j onto a neuron it is ``strength * (n * limit / 2) * exp(beta * (mean_j (w_j / limit)^2 - 1))``,
    summed over neurons, so that its derivative is the term that the authors' code adds to the gradient of a batch:
    ``strength * beta * (w_j / limit) * exp(beta * (mean_j (w_j / limit)^2 - 1))``.

    strength  lambda, of the whole penalty: 10 for the authors' networks of full layers; 0 for none, as for their
              convolutional one
    beta      how steeply it rises: 0.04 on MNIST, 0.01 on N-MNIST
    limit     the scale of weights; they are not clipped
    """

    strength: float = 0.0
    beta: float = 0.04
    limit: float = 8.0

    def __post_init__(self) -> None:
        check_not_negative(self, "strength")
        check_positive(self, "beta", "limit")

    def gradient(self, weights: NDArray[np.floating]) -> NDArray[np.floating]:
        """Its derivative by weights whose last axis is the neuron, or the kernel, that they lead to."""
        onto = weights.reshape(-1, weights.shape[-1])
        square = np.einsum("ji,ji->i", onto, onto) / len(onto) / self.limit**2
        return weights * (self.strength * self.beta / self.limit * np.exp(self.beta * (square - 1)))
