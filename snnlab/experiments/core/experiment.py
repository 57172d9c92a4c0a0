"""A result to reproduce, as a value: network, rule, encoder, data, budget and the published number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from snnlab import cards, datasets, engine
from snnlab.data.fields import documented, option
from snnlab.data.samples import Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.encoders import ENCODERS, Encoder, Poisson, SimulatedCamera
from snnlab.errors import InputError, one_of
from snnlab.experiments.core.options import option_of, options_of, parse, with_changes
from snnlab.networks.circuit import Circuit
from snnlab.rules.rule import Rule
from snnlab.training.augmentation import Elastic
from snnlab.training.config import TrainingConfig, check_budget

_NOT_OPTIONS = ("name", "summary", "reference", "reported", "dataset", "tested_on")


class Network(Protocol):
    """A network of an experiment: FeedForward, MLP, Microcircuit, CorInfoMaxNetwork or TwoStream."""

    @property
    def hidden(self) -> tuple[Any, ...]:
        """The hidden layers, in the notation of `15C5-P2-300`."""

    def circuit(self, shape: tuple[int, ...], classes: int, dt: float) -> Circuit:
        """The circuit for samples of this shape. Raises InputError if they do not fit."""

    def digests(self) -> dict[str, str]:
        """Path -> digest of its cards."""


@dataclass(frozen=True)
class Experiment:
    """A published result, and what is needed to reproduce it."""

    name: str
    summary: str
    reference: str = field(metadata=documented("publication of the result, and where it is in there"))
    reported: float | None = field(metadata=documented("published test accuracy, 0 to 1; None without one"))
    dataset: str
    network: Network
    encoder: Encoder
    rule: Rule
    epochs: int = field(metadata=documented("passes over the training set"))
    batch: int = field(metadata=documented("samples per batch"))
    augment: Elastic = option(Elastic(), "augmentation of training images, resampled in every epoch")
    boosting: float = option(
        0.0,
        "strength of sample boosting, see training/boosting.py; 0 for none, 0.05 in the authors' code of HM2-BP",
    )
    tested_on: str = option("", "dataset whose part `test` it is tested on; empty for the same dataset")

    def __post_init__(self) -> None:
        check_budget(self.epochs, self.batch, self.boosting)

    def config(
        self,
        *,
        seed: int,
        folder: Path | None = None,
        threads: int | None = None,
        progress: ProgressCallback = no_progress,
    ) -> TrainingConfig:
        """The training config with data. Raises InputError for missing or corrupt data.

        folder    data folder
        threads   None for all cores; the result does not depend on it
        progress  called while samples are encoded into the cache
        """
        if not 0 <= seed < 2**32:
            raise InputError("seed", f"got {seed}", "must be 0 to 2**32 - 1")
        parts = (datasets.load(self.source(split), split, folder=folder) for split in ("train", "test"))
        with engine.threads(threads):
            train, test = (self.prepare(part, progress=progress) for part in parts)
        circuit = self.network.circuit(train.shape, len(train.classes), self.encoder.dt)
        budget = (self.epochs, self.batch, seed, threads)
        return TrainingConfig(self.rule, circuit, self.encoder, train, test, *budget, self.augment, self.boosting)

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Samples:
        """The encoder's `prepare`. Raises InputError that names the option to change."""
        try:
            return self.encoder.prepare(samples, progress=progress)
        except InputError as error:
            if error.field == "encode: samples":
                raise InputError("--set encoder", error.problem, error.hint) from error
            if name := option_of(error, self.encoder):
                raise InputError(f"--set encoder.{name}", error.problem, error.hint) from error
            raise

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of the experiment."""
        used: list[cards.Card | cards.Dataset] = [*map(cards.dataset, sorted({self.dataset, self.source("test")}))]
        used += self.encoder.cards()
        return {card.path: card.digest for card in used} | self.network.digests()

    def source(self, split: str) -> str:
        """The dataset of a split."""
        return self.tested_on if split == "test" and self.tested_on else self.dataset

    # Options

    @property
    def encoding(self) -> str:
        """The name of the encoder."""
        return self.encoder.name

    def options(self) -> dict[str, Any]:
        """All options by dotted name; `encoder` is the encoder's name, left out for "poisson"."""
        encoder = {} if self.encoding == Poisson.name else {"encoder": self.encoding}
        return encoder | {each.name: each.value for each in options_of(self, skip=_NOT_OPTIONS)}

    def option_help(self) -> dict[str, str]:
        """The documentation of each option, by the same names."""
        encoder = f"encoder from samples to spikes or rates, one of {', '.join(ENCODERS)} for the kind of samples"
        if self.encoding not in ENCODERS:
            encoder = "encoder of both images and recordings, which cannot be replaced: encoder.camera records images, "
            encoder += "and encoder.sensor encodes events"
        text = {"encoder": encoder} | {each.name: each.help for each in options_of(self, skip=_NOT_OPTIONS)}
        return {name: text[name] for name in self.options()}

    def with_options(self, changes: Mapping[str, Any], where: str = "--set") -> Experiment:
        """The experiment with some options changed; texts are parsed. Raises InputError at `where`.

        `encoder` replaces the encoder by one of ENCODERS, which keeps the values of common options; its own options
        may be changed in the same call.
        """
        changes = dict(changes)
        experiment = self
        if "encoder" in changes:
            experiment = self._with_encoder(changes.pop("encoder"), f"{where} encoder")
        known = experiment.options()
        for name, value in changes.items():
            if not name:
                raise InputError(where, f"got '={value}'", "must be NAME=VALUE, such as epochs=5")
            if name not in known:
                raise InputError(f"{where} {name}", f"no such option of {self.name}", experiment._suggestion(name))
        return with_changes(experiment, changes, where)

    def _suggestion(self, name: str) -> str:
        """A hint for an unknown option: the encoders that have it, or the closest name."""
        part, _, own = name.partition(".")
        encoders = [each for each, kind in ENCODERS.items() if own in {known.name for known in fields(kind)}]
        if part == "encoder" and encoders:
            owners = " or ".join(encoders)
            return f"an option of the encoder {owners}: set encoder={encoders[0]} too; this one is {self.encoding}"
        return one_of(name, {"encoder": self.encoding} | self.options())

    def _with_encoder(self, given: Any, where: str) -> Experiment:
        name = parse(given, str, where)
        if name == self.encoding:
            return self
        if self.tested_on:
            problem = f"got {name!r}, but {self.name} is tested on recordings of {self.tested_on}"
            raise InputError(where, problem, f"must be {self.encoding!r}, the only one for both kinds of samples")
        if name == SimulatedCamera.name:
            hint = f"only experiments that have it by default support it; known: {', '.join(ENCODERS)}"
            raise InputError(where, f"got {name!r}", hint)
        if name not in ENCODERS:
            raise InputError(where, f"got {name!r}", one_of(name, ENCODERS))
        kind = ENCODERS[name]
        encoder: Any = self.encoder
        types = {each.name: each.type for each in fields(encoder)} if is_dataclass(encoder) else {}
        common = [each.name for each in fields(kind) if types.get(each.name) == each.type]
        try:
            return replace(self, encoder=kind(**{each: getattr(encoder, each) for each in common}))
        except InputError as error:
            raise InputError(where, f"{name}: {error}") from error
