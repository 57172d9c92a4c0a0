"""A result that we reproduce, as a value: network, rule, data, budget, and the number that was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from snnlab import cards, datasets, engine
from snnlab.data.samples import Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.encoders import ENCODERS, Encoder, Poisson, SimulatedCamera
from snnlab.errors import InputError, one_of
from snnlab.experiments.core.options import changed, explained, flat, option_of, read
from snnlab.networks.circuit import Circuit
from snnlab.rules.rule import Rule
from snnlab.training.augmentation import Elastic
from snnlab.training.loop import TrainingConfig, check_budget

# what an experiment is, not how it is run
_TOLD_APART = ("name", "summary", "reference", "reported", "dataset", "tested_on")


class Network(Protocol):
    """Network of an experiment: FeedForward, MLP, Microcircuit, CorInfoMaxNetwork or TwoStream."""

    @property
    def hidden(self) -> tuple[Any, ...]:
        """The layers between input and output, as they are called in `15C5-P2-300`."""

    def circuit(self, shape: tuple[int, ...], classes: int, dt: float) -> Circuit:
        """The circuit for samples of this shape. Raises InputError where they do not fit."""

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards that it is made of."""


@dataclass(frozen=True)
class Experiment:
    """A published result, and what it takes to reproduce it.

    reported   the test accuracy in the paper, 0 to 1, and in `reference` where it stands; None where there is none
    tested_on  the dataset whose part "test" it is tested on, where that is another than the one it learns from
    augment    what is done to training images, anew in every epoch; nothing unless said otherwise
    epochs     passes over the training set
    batch      samples that are learned from at once
    boosting   how fast samples that were answered wrongly come to count for more, see training/boosting.py; 0 for
               samples that all count alike, 0.05 in the authors' code of HM2-BP
    """

    name: str
    summary: str
    reference: str
    reported: float | None
    dataset: str
    network: Network
    encoder: Encoder
    rule: Rule
    epochs: int
    batch: int
    augment: Elastic = Elastic()
    boosting: float = 0.0
    tested_on: str = ""

    def __post_init__(self) -> None:
        check_budget(self.epochs, self.batch, self.boosting)

    def trial(
        self,
        *,
        seed: int,
        folder: Path | None = None,
        threads: int | None = None,
        progress: ProgressCallback = no_progress,
    ) -> TrainingConfig:
        """The experiment with its data, ready to train. Raises InputError for missing or corrupt data.

        folder    data folder
        threads   None for all cores; the result does not depend on it
        progress  called while recordings are encoded
        """
        if not 0 <= seed < 2**32:
            raise InputError("seed", f"found {seed}", "needs 0 to 2**32 - 1")
        parts = (datasets.load(self.source(split), split, folder=folder) for split in ("train", "test"))
        with engine.threads(threads):
            train, test = (self.prepare(part, progress=progress) for part in parts)
        circuit = self.network.circuit(train.shape, len(train.classes), self.encoder.dt)
        budget = (self.epochs, self.batch, seed, threads)
        return TrainingConfig(self.rule, circuit, self.encoder, train, test, *budget, self.augment, self.boosting)

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Samples:
        """The samples in the form that the encoder takes. Raises InputError that names the option to change."""
        try:
            return self.encoder.prepare(samples, progress=progress)
        except InputError as refusal:
            if refusal.field == "encode: samples":
                raise InputError("--set encoder", refusal.problem, refusal.hint) from refusal
            if option := option_of(refusal, self.encoder):
                raise InputError(f"--set encoder.{option}", refusal.problem, refusal.hint) from refusal
            raise

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards that the experiment is made of."""
        found: list[cards.Card | cards.Dataset] = [
            cards.dataset(name) for name in sorted({self.dataset, self.source("test")})
        ]
        found += self.encoder.cards()
        return {card.path: card.digest for card in found} | self.network.digests()

    def source(self, split: str) -> str:
        """The dataset that one part of the data is taken from."""
        return self.tested_on if split == "test" and self.tested_on else self.dataset

    @property
    def encoding(self) -> str:
        """The name of the encoder."""
        return self.encoder.name

    def options(self) -> dict[str, Any]:
        """Everything that can be changed, by dotted name; `encoder` is its name, left out where that is "poisson"."""
        named = {} if self.encoding == Poisson.name else {"encoder": self.encoding}
        return named | flat(self, skip=_TOLD_APART)

    def explanations(self) -> dict[str, str]:
        """What each of the options is, by the same names."""
        of_encoder = f"encoder from samples to spikes or rates, one of {', '.join(ENCODERS)} for the kind of samples"
        if self.encoding not in ENCODERS:
            of_encoder = "encoder of both images and recordings, which cannot be replaced: encoder.camera records "
            of_encoder += "images, and encoder.sensor encodes events"
        told = {"encoder": of_encoder} | explained(self, skip=_TOLD_APART)
        return {name: told[name] for name in self.options()}

    def with_options(self, changes: Mapping[str, Any], where: str = "--set") -> Experiment:
        """The experiment with some options changed; texts are read as the option's type. Raises InputError at `where`.

        `encoder` chooses one of ENCODERS, which takes over the options that the one before has too; those of the new
        one may be changed beside it.
        """
        changes = dict(changes)
        experiment = self
        if "encoder" in changes:
            experiment = self._encoded(changes.pop("encoder"), f"{where} encoder")
        known = experiment.options()
        for name, value in changes.items():
            if not name:
                raise InputError(where, f"found '={value}'", "needs NAME=VALUE, such as epochs=5")
            if name not in known:
                raise InputError(f"{where} {name}", f"no such option of {self.name}", experiment._nearest(name))
        return changed(experiment, changes, where)

    def _nearest(self, name: str) -> str:
        """What could be meant by an option that there is not."""
        part, _, field = name.partition(".")
        others = [one for one, kind in ENCODERS.items() if field in {known.name for known in fields(kind)}]
        if part == "encoder" and others:
            return f"the encoder {' or '.join(others)} has it: set encoder={others[0]} too; this one is {self.encoding}"
        return one_of(name, {"encoder": self.encoding} | self.options())

    def _encoded(self, given: Any, where: str) -> Experiment:
        name = read(given, str, where)
        if name == self.encoding:
            return self
        if self.tested_on:
            found = f"found {name!r}, and {self.name} is tested on recordings of {self.tested_on}"
            raise InputError(where, found, f"only {self.encoding!r} takes both them and what it learns from")
        if name == SimulatedCamera.name:
            known = f"only experiments that begin with it have it; known: {', '.join(ENCODERS)}"
            raise InputError(where, f"found {name!r}", known)
        if name not in ENCODERS:
            raise InputError(where, f"found {name!r}", one_of(name, ENCODERS))
        kind = ENCODERS[name]
        encoder: Any = self.encoder
        had = {one.name: one.type for one in fields(encoder)} if is_dataclass(encoder) else {}
        alike = [one.name for one in fields(kind) if had.get(one.name) == one.type]
        kept = {name: getattr(self.encoder, name) for name in alike}
        try:
            return replace(self, encoder=kind(**kept))
        except InputError as refusal:
            raise InputError(where, f"{name}: {refusal}") from refusal
