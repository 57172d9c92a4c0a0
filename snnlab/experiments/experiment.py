"""A result that we reproduce, as a value: network, rule, data, budget, and the number that was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from snnlab import cards, loaders
from snnlab.circuit import Circuit, Population, Source, layered
from snnlab.encode import Poisson
from snnlab.errors import Refused, one_of
from snnlab.rules.rule import Rule
from snnlab.train import Trial

_TOLD_APART = ("name", "summary", "reference", "reported", "dataset")  # what an experiment is, not how it is run


@dataclass(frozen=True)
class Layers:
    """A chain of fully connected layers of one cell card, the last with a neuron for each class.

    hidden  neurons in each hidden layer
    v_th    threshold of every layer, the output's last
    """

    cell: str = "lif_exp_euler"
    hidden: tuple[int, ...] = (800,)
    v_th: tuple[float, ...] = (20.0, 8.0)
    receptor: str = "synapse"

    def circuit(self, inputs: int, classes: int, dt: float) -> Circuit:
        sizes = (*self.hidden, classes)
        if len(self.v_th) != len(sizes):
            raise Refused("network.v_th", f"{len(self.v_th)} thresholds", f"needs one for each of {len(sizes)} layers")
        names = [*(f"hidden{k}" for k in range(1, len(sizes))), "output"]
        card = cards.cell(self.cell)
        layers = [
            Population(name, card, size, {"v_th": v_th}) for name, size, v_th in zip(names, sizes, self.v_th, strict=True)
        ]
        return layered(Source("input", inputs), layers, self.receptor, dt)


@dataclass(frozen=True)
class Experiment:
    """A published result, and what it takes to reproduce it.

    reported  the test accuracy in the paper, 0 to 1, and in `reference` where it stands; None where there is none
    """

    name: str
    summary: str
    reference: str
    reported: float | None
    dataset: str
    network: Layers
    encoder: Poisson
    rule: Rule
    epochs: int
    batch: int

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise Refused(name, f"found {getattr(self, name)}", "needs at least 1")

    def trial(self, *, seed: int, folder: Path | None = None, threads: int | None = None) -> Trial:
        """The experiment with its data, ready to train."""
        train = loaders.load(self.dataset, "train", folder=folder)
        test = loaders.load(self.dataset, "test", folder=folder)
        circuit = self.network.circuit(train.values.shape[1], len(train.classes), self.encoder.dt)
        rule = replace(self.rule, threads=threads) if threads else self.rule  # type: ignore[type-var]
        return Trial(rule, circuit, self.encoder, train, test, self.epochs, self.batch, seed, threads)

    def options(self) -> dict[str, Any]:
        """Everything that --set can change, by dotted name."""
        return _flat(self, skip=_TOLD_APART)

    def with_options(self, changes: Mapping[str, Any]) -> Experiment:
        """The experiment with some options changed; texts are read as the option's type. Raises Refused."""
        changed = self
        for name, value in changes.items():
            if name not in self.options():
                raise Refused(f"--set {name}", "no such option", one_of(name, self.options()))
            changed = _changed(changed, name.split("."), value, name)
        return changed


def _flat(value: Any, prefix: str = "", skip: tuple[str, ...] = ()) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for field in fields(value):
        inner = getattr(value, field.name)
        if field.name in skip:
            continue
        if is_dataclass(inner):
            flat |= _flat(inner, f"{prefix}{field.name}.")
        elif field.name != "threads":
            flat[f"{prefix}{field.name}"] = inner
    return flat


def _changed(value: Any, path: list[str], text: Any, name: str) -> Any:
    field, *rest = path
    inner = getattr(value, field)
    return replace(value, **{field: _changed(inner, rest, text, name) if rest else _read(text, inner, name)})


def _read(text: Any, like: Any, name: str) -> Any:
    """`text` as a value of the type of `like`."""
    if isinstance(like, tuple):
        parts = text.split(",") if isinstance(text, str) else text
        return tuple(_read(part, like[0] if like else 0, name) for part in parts if part != "")
    if isinstance(like, bool):
        known = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
        if str(text).lower() not in known:
            raise Refused(f"--set {name}", f"found {text!r}", "needs true or false")
        return known[str(text).lower()]
    if isinstance(text, type(like)) and not isinstance(text, str):
        return text
    try:
        return type(like)(text)
    except ValueError:
        word = {int: "a whole number", float: "a number"}.get(type(like), type(like).__name__)
        raise Refused(f"--set {name}", f"found {text!r}", f"needs {word}") from None
