"""Everything that determines what a training learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.samples import Images, Samples
from snnlab.encoders import TRAIN, Encoder
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.rules.rule import Batch, Inputs, Rule
from snnlab.training.augmentation import Elastic


def check_budget(epochs: int, batch: int, boosting: float) -> None:
    """Raises InputError for epochs or a batch size below 1, and for a negative or infinite strength of boosting."""
    for name, number in (("epochs", epochs), ("batch", batch)):
        if number < 1:
            raise InputError(name, f"got {number}", "must be at least 1")
    if not 0 <= boosting < float("inf"):
        raise InputError("boosting", f"got {boosting}", "must be finite and at least 0")


@dataclass(frozen=True, eq=False)
class TrainingConfig:
    """Rule, network, encoder, data and budget of a training.

    train, test  samples as the encoder's `prepare` returns them
    batch        samples per batch
    threads      None for all cores; the result does not depend on it
    augment      augmentation of training images, resampled in every epoch
    boosting     strength of sample boosting, see training/boosting.py; 0 for none, 1/20 in the authors' code

    Raises InputError for an empty part, labels that are not classes, and as `check_budget` does.
    """

    rule: Rule
    circuit: Circuit
    encoder: Encoder
    train: Samples
    test: Samples
    epochs: int
    batch: int
    seed: int
    threads: int | None = None
    augment: Elastic = Elastic()
    boosting: float = 0.0

    def __post_init__(self) -> None:
        check_budget(self.epochs, self.batch, self.boosting)
        for part, samples in (("train", self.train), ("test", self.test)):
            if not len(samples):
                raise InputError(f"{part}: samples", "got none", "must be at least one")
            lowest, highest, classes = samples.labels.min(), samples.labels.max(), len(samples.classes)
            if not 0 <= lowest <= highest < classes:
                raise InputError(f"{part}: labels", f"got {lowest} to {highest}", f"must be 0 to {classes - 1}")

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.train) // self.batch)

    def encode(self, samples: Samples, epoch: int, stream: int) -> Inputs:
        """The encoded samples of an epoch, with random numbers of a stream (TRAIN or TEST)."""
        with engine.threads(self.threads):
            return self.encoder.encode(samples, seed=self.seed, epoch=epoch, stream=stream)

    def augmented(self, samples: Samples, epoch: int) -> Samples:
        """The augmented samples of an epoch. Raises InputError if samples that are not images would be augmented."""
        if self.augment.idle:
            return samples
        if not isinstance(samples, Images):
            hint = "must be off, or with features set encoder.cached=false"
            raise InputError("augment", f"samples of {samples.dataset} are no images", hint)
        seed = {"seed": self.seed, "epoch": epoch}
        return replace(samples, values=self.augment.distort(samples.values, samples.pixels, samples.numbers, **seed))

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Indices of the training samples in the order of an epoch; determined by seed and epoch."""
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.train))

    def batches(self, epoch: int, first: int = 0, weights: NDArray[np.floating] | None = None) -> Iterator[Batch]:
        """The batches of an epoch, from batch number `first` on.

        weights  weight of each training sample in the loss (samples,), None for 1
        """
        order = self.order(epoch)
        for start in range(first * self.batch, len(order), self.batch):
            indices = order[start : start + self.batch]
            samples = self.train.take(indices)
            inputs = self.encode(self.augmented(samples, epoch), epoch, TRAIN)
            yield Batch(inputs, samples.labels, epoch, self.epochs, None if weights is None else weights[indices])

    def summary(self) -> dict[str, Any]:
        """Number and hash of the training and test samples, for experiment.json."""
        return {"train": self.train.summary(), "test": self.test.summary()}
