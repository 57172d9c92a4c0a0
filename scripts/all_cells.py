#!/usr/bin/env python3
"""Plot the response of every spiking cell model to the example current of its card."""

from snnlab.brian import Pulse, simulate
from snnlab.cards import Cell, all_models
from snnlab.cli.script import script_parser
from snnlab.networks.circuit import unconnected
from snnlab.plots import figure, save, traces


def run(cell):
    """Simulate a cell with the currents of its example, and record the potentials of all compartments."""
    currents = {f"cell.{name}": Pulse(value, start="10 ms") for name, value in cell.example["inject"].items()}
    potentials = [part.potential for part in cell.compartments.values()]
    return simulate(unconnected(cell), currents, cell.example["duration"], record={"cell": potentials})


def main():
    parser = script_parser(__doc__, "cells.png")
    options = parser.parse_args()
    cells = [card for card in all_models().values() if isinstance(card, Cell) and card.threshold]
    plot, axes = figure((len(cells) + 1) // 2, 2, size=(11, 2.4 * ((len(cells) + 1) // 2)))
    for cell, ax in zip(cells, axes.flat, strict=False):
        recording = run(cell)
        labels = {part.potential: part.name for part in cell.compartments.values()}
        traces(recording, ax, "cell", list(labels), labels=labels if len(labels) > 1 else None)
        ax.set_title(cell.name, loc="left", fontsize=10)
        if len(labels) > 1:
            ax.legend(loc="center")
        else:
            ax.get_legend().remove()
        inject = ", ".join(f"{value} into {name}" for name, value in cell.example["inject"].items())
        print(f"{cell.id:16} {inject:40} {recording.rates('cell')[0]:7.1f} Hz")
    for ax in axes.flat[len(cells) :]:
        ax.remove()
    print(save(plot, options.plot))


if __name__ == "__main__":
    main()
