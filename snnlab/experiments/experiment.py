"""A result that we reproduce, as a value: network, rule, data, budget, and the number that was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnlab import cards, loaders
from snnlab.augment import Elastic
from snnlab.encode import Encoder, Tell, silent
from snnlab.errors import Refused, one_of
from snnlab.experiments.options import changed, flat
from snnlab.network import Layers
from snnlab.rules.rule import Rule
from snnlab.train import Trial, check_budget

_TOLD_APART = ("name", "summary", "reference", "reported", "dataset")  # what an experiment is, not how it is run


@dataclass(frozen=True)
class Experiment:
    """A published result, and what it takes to reproduce it.

    reported  the test accuracy in the paper, 0 to 1, and in `reference` where it stands; None where there is none
    augment   what is done to training images, anew in every epoch; nothing unless said otherwise
    boosting  strength, see rules/boosting.py; 0 for samples that all count alike, 0.05 in the authors' code of HM2-BP
    """

    name: str
    summary: str
    reference: str
    reported: float | None
    dataset: str
    network: Layers
    encoder: Encoder
    rule: Rule
    epochs: int
    batch: int
    augment: Elastic = Elastic()
    boosting: float = 0.0

    def __post_init__(self) -> None:
        check_budget(self.epochs, self.batch, self.boosting)

    def trial(self, *, seed: int, folder: Path | None = None, threads: int | None = None, tell: Tell = silent) -> Trial:
        """The experiment with its data, ready to train. Raises Refused for data that is missing or spoilt.

        folder   where the data is looked for
        threads  None for all cores; what is learned does not depend on it
        tell     is told how far recordings are made ready, where there are any
        """
        if not 0 <= seed < 2**32:
            raise Refused("seed", f"found {seed}", "needs 0 to 2**32 - 1")
        parts = (loaders.load(self.dataset, split, folder=folder) for split in ("train", "test"))
        train, test = (self.encoder.prepared(part, threads=threads, tell=tell) for part in parts)
        circuit = self.network.circuit(train.shape, len(train.classes), self.encoder.dt)
        budget = (self.epochs, self.batch, seed, threads)
        return Trial(self.rule, circuit, self.encoder, train, test, *budget, self.augment, self.boosting)

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards that the experiment is made of."""
        used = (cards.dataset(self.dataset), cards.cell(self.network.cell))
        return {card.path: card.digest for card in used}

    def options(self) -> dict[str, Any]:
        """Everything that can be changed, by dotted name."""
        return flat(self, skip=_TOLD_APART)

    def with_options(self, changes: Mapping[str, Any], where: str = "--set") -> Experiment:
        """The experiment with some options changed; texts are read as the option's type. Raises Refused at `where`."""
        known = self.options()
        experiment = self
        for name, value in changes.items():
            if name not in known:
                raise Refused(f"{where} {name}", "no such option", one_of(name, known))
            experiment = changed(experiment, name, value, f"{where} {name}")
        return experiment
