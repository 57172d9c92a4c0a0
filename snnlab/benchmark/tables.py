"""The table of results: a line for each experiment and each set of its options, beside the paper's number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from snnlab.benchmark.records import Row, key_of, plain
from snnlab.encoders import ENCODERS
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.options import shown


@dataclass(frozen=True)
class Line:
    """All seeds of one experiment with the same options, on the same cards and as many samples.

    differs  what tells it from the experiment as it is today, empty for nothing
    """

    experiment: str
    differs: str
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        return self.experiment + (f", {self.differs}" if self.differs else "")

    @property
    def accuracies(self) -> list[float]:
        return [row.test_accuracy for row in self.rows]

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the accuracies, of n - 1 degrees of freedom; None for a single seed."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.rows) > 1 else None

    def mean(self, of: Callable[[Row], float]) -> float:
        return float(np.mean([of(row) for row in self.rows]))

    def cost(self, key: str) -> float:
        """Mean over seeds of one of the numbers of `snnlab.training.cost.Cost`."""
        return self.mean(lambda row: row.cost[key])


def lines(rows: Sequence[Row]) -> list[Line]:
    """A line for each experiment, set of its options and number of samples, by experiment.

    The experiment as it is comes first.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        alike = key_of(row.experiment, row.options, row.cards, 0)
        groups.setdefault((alike, _samples(row)), []).append(row)
    sizes: dict[tuple[str, str], set[str]] = {}
    for group in groups.values():
        sizes.setdefault((group[0].experiment, _differs(group[0])), set()).add(_samples(group[0]))
    made: list[Line] = []
    seen: Counter[tuple[str, str]] = Counter()
    for group in groups.values():
        name, differs = group[0].experiment, _differs(group[0])
        if len(sizes[name, differs]) > 1:
            differs += f"{', ' if differs else ''}{_samples(group[0])} samples"
        seen[name, differs] += 1
        if seen[name, differs] > 1:  # of other cards than other cards
            differs += f" ({seen[name, differs]})"
        made.append(Line(name, differs, tuple(sorted(group, key=lambda row: row.seed))))
    return sorted(made, key=lambda line: (line.experiment, bool(line.differs)))


def _differs(row: Row) -> str:
    """In which options and cards a row is not the experiment that has its name today."""
    if row.experiment not in EXPERIMENTS:
        return "an experiment of another version"
    now, found = EXPERIMENTS[row.experiment], []
    encoder = row.options.get("encoder")
    if isinstance(encoder, str) and encoder in ENCODERS and encoder != now.encoding:
        now = now.with_options({"encoder": encoder})
        found.append(f"encoder={encoder}")
    options = plain(now.options())
    found += [f"{name}={shown(_value(row.options[name]))}" for name in row.options
              if name in options and row.options[name] != options[name]]  # fmt: skip
    found += [f"without {name}" for name in options if name not in row.options]
    found += [f"with {name}" for name in row.options if name not in options]
    if row.cards != now.with_options({k: v for k, v in row.changes.items() if k in options}).digests():
        found.append("other cards")
    return ", ".join(found)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


HEAD = ["experiment", "network", "samples", "seeds", "epochs", "test accuracy", "paper", "spikes", "operations",
        "wall time", "what the paper's number is"]  # fmt: skip


def table(made: Sequence[Line]) -> list[list[str]]:
    """The lines as texts under HEAD: means over seeds, spikes and operations of a sample, wall time of a training."""
    return [_cells(line) for line in made]


def _cells(line: Line) -> list[str]:
    last, deviation = line.rows[-1], line.deviation
    spread = "" if deviation is None else f" +- {100 * deviation:.2f}"
    return [
        line.name,
        last.network,
        _samples(last),
        str(len(line.rows)),
        str(last.epochs),
        f"{100 * line.mean(lambda row: row.test_accuracy):.2f}{spread} %",
        "none" if last.reported is None else f"{100 * last.reported:.2f} %",
        f"{line.mean(lambda row: row.spikes):,.0f}",
        f"{line.cost('effective_acs') + line.cost('effective_macs'):,.0f}",
        duration(line.mean(lambda row: row.wall_s)),
        "" if last.reported is None else last.reference,
    ]


def _samples(row: Row) -> str:
    return f"{row.samples['train']:,} / {row.samples['test']:,}"


COST_HEAD = ["experiment", "dense", "effective ACs", "activation sparsity", "connection sparsity", "parameters",
             "bytes", "trained samples/s", "tested samples/s"]  # fmt: skip


def costs(made: Sequence[Line]) -> list[list[str]]:
    """The lines as texts under COST_HEAD, means over seeds: operations of a sample, sparsity, size and speed."""
    return [_paid(line) for line in made]


def _paid(line: Line) -> list[str]:
    numbers = {key: line.cost(key) for key in ("dense", "effective_acs", "parameters", "footprint_bytes")}
    dense, crossed, parameters, size = (f"{number:,.0f}" for number in numbers.values())
    shares = [f"{100 * line.cost(key):.2f} %" for key in ("activation_sparsity", "connection_sparsity")]
    speeds = [line.mean(lambda row: row.train_samples_per_s), line.mean(lambda row: row.test_samples_per_s)]
    if macs := line.cost("effective_macs"):
        crossed += f", and {macs:,.0f} MACs"
    return [line.name, dense, crossed, *shares, parameters, size, *(f"{speed:,.0f}" for speed in speeds)]


def duration(seconds: float) -> str:
    """Seconds as a person reads them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def markdown(made: Sequence[Line], figure: str = "") -> str:
    """A page with the table, what its columns are, and on what it was measured.

    figure  a path to put into it: as a picture, or as a link where it is a .pdf, which Markdown cannot show
    """
    rows = [row for line in made for row in line.rows]
    parts = [
        "# Results",
        "Written by `snnlab bench --table --markdown FILE`. To measure a line again, with NAME and each OPTION=VALUE "
        "of its first\ncolumn: `snnlab bench --experiments NAME --seeds N --set OPTION=VALUE`.",
        _piped(HEAD, table(made)),
        _NOTES,
        _piped(COST_HEAD, costs(made)),
        _COST_NOTES,
        "Measured with:\n\n" + "\n".join(f"- {text}" for text in dict.fromkeys(map(_measured, rows))),
    ]
    if figure:
        shown = "" if figure.lower().endswith(".pdf") else "!"
        parts.insert(3, f"{shown}[Test accuracy of each seed, their mean, and the paper's number]({quote(figure)})")
    return "\n\n".join(parts) + "\n"


def _piped(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    cells = [[text.replace("|", "\\|").replace("+-", "±") for text in one] for one in rows]
    return "\n".join(f"| {' | '.join(one)} |" for one in (head, ["---"] * len(head), *cells))


_NOTES = """\
- *samples*: learned from in each epoch / tested on.
- *test accuracy*: of the last epoch, never of the best; mean over seeds ± standard deviation (n - 1). *paper* is the
  number reported there, and the last column says what it is.
- *spikes*: fired by all layers for a test sample, the input's not among them. *operations*: spikes that cross a weight
  other than zero, for a test sample, the input's among them (NeuroBench's effective accumulates, ACs). Cells that are
  heard by their rates fire none: there they are rates other than zero that cross such a weight, and all but rates of 1
  are multiplied by it (effective MACs); where cells hear one another until they rest, in every step of that,
  counted with the rates of the last.
- *wall time*: of one training with a test after every epoch."""


_COST_NOTES = """\
- As NeuroBench counts them (arXiv:2304.04640), for a test sample. *dense*: every synapse in every time step, or in
  every step in which cells come to rest. *activation sparsity*: share of neurons times steps without a spike, of all
  layers. *connection sparsity*: share of weights that are zero. *parameters*: numbers that are learned. *bytes*: of the
  weights as they are kept, and of each state variable of each neuron."""


def _measured(row: Row) -> str:
    known = ", ".join(f"{name} {version}" for name, version in row.versions.items() if version)
    machine = row.machine
    system = str(machine.get("platform")).partition("-")[0]
    place = f"{system}, {machine.get('processor')}, {machine.get('cores')} cores, {row.threads} for each training"
    return f"{place}; {known}"
