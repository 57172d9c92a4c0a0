"""The exponential weight regularisation of HM2-BP (Jin, Zhang and Li, NeurIPS 2018, arXiv:1805.07866)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.rules.common.validation import check_not_negative, check_positive


@dataclass(frozen=True)
class Penalty:
    """An exponential penalty on the mean square of the weights onto each neuron, or of each kernel.

    For n weights w_j onto a neuron it is ``strength * (n * limit / 2) * exp(beta * (mean_j (w_j / limit)^2 - 1))``,
    summed over neurons. Its derivative is the term that the authors' code adds to the gradient of a batch:
    ``strength * beta * (w_j / limit) * exp(beta * (mean_j (w_j / limit)^2 - 1))``.
    """

    strength: float = option(
        0.0,
        "lambda, factor of the penalty: 10 in the authors' fully connected networks; 0 for none, as in their "
        "convolutional one",
    )
    beta: float = option(0.04, "steepness: 0.04 on MNIST, 0.01 on N-MNIST")
    limit: float = option(8.0, "scale of the weights, which are not clipped")

    def __post_init__(self) -> None:
        check_not_negative(self, "strength")
        check_positive(self, "beta", "limit")

    def gradient(self, weights: NDArray[np.floating]) -> NDArray[np.floating]:
        """Derivative of the penalty; the last axis of the weights is the postsynaptic neuron or the kernel."""
        onto = weights.reshape(-1, weights.shape[-1])
        square = np.einsum("ji,ji->i", onto, onto) / len(onto) / self.limit**2
        return weights * (self.strength * self.beta / self.limit * np.exp(self.beta * (square - 1)))
