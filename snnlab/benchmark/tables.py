"""Table of results: one line for each experiment and set of options, with the accuracy reported in the paper."""

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
from snnlab.experiments.core.options import to_text


@dataclass(frozen=True)
class Line:
    """All seeds of one experiment with the same options, cards and number of samples.

    differences  from the experiment's current definition; empty for none
    """

    experiment: str
    differences: str
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        return self.experiment + (f", {self.differences}" if self.differences else "")

    @property
    def accuracies(self) -> list[float]:
        return [row.test_accuracy for row in self.rows]

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation of the accuracies; None for a single seed."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.rows) > 1 else None

    def mean(self, of: Callable[[Row], float]) -> float:
        return float(np.mean([of(row) for row in self.rows]))

    def cost(self, key: str) -> float:
        """Mean over seeds of a field of `snnlab.training.cost.Cost`."""
        return self.mean(lambda row: row.cost[key])


def lines(rows: Sequence[Row]) -> list[Line]:
    """Rows grouped by experiment, options, cards and number of samples; unchanged experiments come first."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        without_seed = key_of(row.experiment, row.options, row.cards, 0)
        groups.setdefault((without_seed, _samples(row)), []).append(row)
    sizes: dict[tuple[str, str], set[str]] = {}
    for group in groups.values():
        sizes.setdefault((group[0].experiment, _differences(group[0])), set()).add(_samples(group[0]))
    result: list[Line] = []
    seen: Counter[tuple[str, str]] = Counter()
    for group in groups.values():
        name, differences = group[0].experiment, _differences(group[0])
        if len(sizes[name, differences]) > 1:
            differences += f"{', ' if differences else ''}{_samples(group[0])} samples"
        seen[name, differences] += 1
        if seen[name, differences] > 1:  # two lines with other cards than today's, each with different ones
            differences += f" ({seen[name, differences]})"
        result.append(Line(name, differences, tuple(sorted(group, key=lambda row: row.seed))))
    return sorted(result, key=lambda line: (line.experiment, bool(line.differences)))


def _differences(row: Row) -> str:
    """Options and cards in which a row differs from the current experiment of its name."""
    if row.experiment not in EXPERIMENTS:
        return "an experiment of another version"
    current, differences = EXPERIMENTS[row.experiment], []
    encoder = row.options.get("encoder")
    if isinstance(encoder, str) and encoder in ENCODERS and encoder != current.encoding:
        current = current.with_options({"encoder": encoder})
        differences.append(f"encoder={encoder}")
    options = plain(current.options())
    differences += [f"{name}={to_text(_as_tuple(row.options[name]))}" for name in row.options
                    if name in options and row.options[name] != options[name]]  # fmt: skip
    differences += [f"without {name}" for name in options if name not in row.options]
    differences += [f"with {name}" for name in row.options if name not in options]
    if row.cards != current.with_options({k: v for k, v in row.changes.items() if k in options}).digests():
        differences.append("other cards")
    return ", ".join(differences)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


HEAD = ["experiment", "network", "samples", "seeds", "epochs", "test accuracy", "paper", "spikes", "operations",
        "wall time", "reference"]  # fmt: skip


def table(lines: Sequence[Line]) -> list[list[str]]:
    """The lines as texts under HEAD; numbers are means over seeds, costs are those of one test sample."""
    return [_cells(line) for line in lines]


def _cells(line: Line) -> list[str]:
    last, deviation = line.rows[-1], line.deviation
    plus_minus = "" if deviation is None else f" +- {100 * deviation:.2f}"
    return [
        line.name,
        last.network,
        _samples(last),
        str(len(line.rows)),
        str(last.epochs),
        f"{100 * line.mean(lambda row: row.test_accuracy):.2f}{plus_minus} %",
        "none" if last.reported is None else f"{100 * last.reported:.2f} %",
        f"{line.mean(lambda row: row.spikes):,.0f}",
        f"{line.cost('effective_acs') + line.cost('effective_macs'):,.0f}",
        duration(line.mean(lambda row: row.wall_s)),
        "" if last.reported is None else last.reference,
    ]


def _samples(row: Row) -> str:
    return f"{row.samples['train']:,} / {row.samples['test']:,}"


COST_HEAD = ["experiment", "dense", "effective ACs", "activation sparsity", "connection sparsity", "parameters",
             "bytes", "training samples/s", "test samples/s"]  # fmt: skip


def costs(lines: Sequence[Line]) -> list[list[str]]:
    """The lines as texts under COST_HEAD, means over seeds."""
    return [_cost_cells(line) for line in lines]


def _cost_cells(line: Line) -> list[str]:
    numbers = {key: line.cost(key) for key in ("dense", "effective_acs", "parameters", "footprint_bytes")}
    dense, effective, parameters, size = (f"{number:,.0f}" for number in numbers.values())
    sparsities = [f"{100 * line.cost(key):.2f} %" for key in ("activation_sparsity", "connection_sparsity")]
    speeds = [line.mean(lambda row: row.train_samples_per_s), line.mean(lambda row: row.test_samples_per_s)]
    if macs := line.cost("effective_macs"):
        effective += f", and {macs:,.0f} MACs"
    return [line.name, dense, effective, *sparsities, parameters, size, *(f"{speed:,.0f}" for speed in speeds)]


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def markdown(lines: Sequence[Line], figure: str = "") -> str:
    """The results as Markdown: tables, notes on their columns, software versions and machines.

    figure  path to show as an image, or to link for a .pdf, which Markdown cannot show
    """
    rows = [row for line in lines for row in line.rows]
    parts = [
        "# Results",
        "Written by `snnlab bench --table --markdown FILE`. To repeat a line, with NAME and each OPTION=VALUE of its "
        "first\ncolumn: `snnlab bench --experiments NAME --seeds N --set OPTION=VALUE`.",
        _as_markdown(HEAD, table(lines)),
        _NOTES,
        _as_markdown(COST_HEAD, costs(lines)),
        _COST_NOTES,
        "Measured with:\n\n" + "\n".join(f"- {text}" for text in dict.fromkeys(map(_environment, rows))),
    ]
    if figure:
        image = "" if figure.lower().endswith(".pdf") else "!"
        parts.insert(3, f"{image}[Test accuracy of each seed, their mean, and the paper's accuracy]({quote(figure)})")
    return "\n\n".join(parts) + "\n"


def _as_markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[text.replace("|", "\\|").replace("+-", "±") for text in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells))


_NOTES = """\
- *samples*: in the training set / in the test set.
- *test accuracy*: after the last epoch, not the best; mean over seeds ± sample standard deviation. *paper*: the
  accuracy reported there; *reference* says for which network.
- *spikes*: of all layers except the input, for one test sample. *operations*: effective operations of NeuroBench for
  one test sample, input included: a spike times each nonzero weight that it reaches is one accumulate (AC). In
  networks of rate-based neurons, a nonzero rate times a nonzero weight is one multiply-accumulate (MAC), or an AC if
  the rate is 1; networks that relax to a steady state count every relaxation step, with the rates of the last one.
- *wall time*: of one training, with a test after each epoch."""


_COST_NOTES = """\
- As defined by NeuroBench (arXiv:2304.04640), for one test sample. *dense*: every synapse in every time step or
  relaxation step. *activation sparsity*: share of neurons times steps without a spike, over all layers. *connection
  sparsity*: share of weights that are zero. *parameters*: number of trained values. *bytes*: of the weights as stored,
  and of each state variable of each neuron."""


def _environment(row: Row) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in row.versions.items() if version)
    system = str(row.machine.get("platform")).partition("-")[0]
    processor, cores = row.machine.get("processor"), row.machine.get("cores")
    return f"{system}, {processor}, {cores} cores, {row.threads} per training; {packages}"
