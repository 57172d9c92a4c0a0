"""Commands that list the models and simulate a cell in Brian2."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab import cards
from snnlab.cards import Card, Cell
from snnlab.cli import injections, output
from snnlab.cli.injections import Injection
from snnlab.cli.options import AsJson, key_values
from snnlab.errors import InputError, one_of

if TYPE_CHECKING:
    from snnlab.data.recording import Recording


def models(
    card: Annotated[str | None, typer.Argument(metavar="CARD", help="Print this model card.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the model cards, or print one of them to copy and edit.

    \b
    snnlab models
    snnlab models lif > my_lif.toml
    """
    known = cards.all_models()
    if card is not None:
        if card not in known:
            raise InputError("CARD", f"got {card!r}", one_of(card, known))
        print((cards.library_folder("models") / f"{card}.toml").read_text(encoding="utf-8"), end="")
    elif as_json:
        print(json.dumps([_as_dict(model) for model in known.values()], indent=2, ensure_ascii=False))
    else:
        output.table(
            ["id", "kind", "name", "source"],
            [
                [model.id, cards.kind(model), model.name, output.short_reference(model.reference)]
                for model in known.values()
            ],
        )


def _as_dict(card: Card) -> dict[str, Any]:
    values: dict[str, Any] = {"id": card.id, "kind": cards.kind(card)}
    values |= {name: getattr(card, name) for name in ("name", "summary", "reference", "digest")}
    values |= {"equations": [str(equation) for equation in card.equations], "parameters": dict(card.parameters)}
    if isinstance(card, Cell):
        values["compartments"] = {name: part.unit for name, part in card.compartments.items()}
        values["receptors"] = list(card.receptors)
        values["rate"] = card.rate
        values["example"] = {"inject": dict(card.example["inject"]), "duration": card.example["duration"]}
    return values


def simulate(
    card: Annotated[
        str | None, typer.Argument(metavar="CARD", help="Id of a cell model, or path of a .toml card.")
    ] = None,
    inject: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE=CURRENT[@FROM:TO]", help="Current into a compartment or point; may be repeated."),
    ] = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Duration.  [default: the card's example]")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Plot to this .png, .pdf or .svg file.")] = None,
    dt: Annotated[str | None, typer.Option(metavar="TIME", help="Time step.  [default: the card's]")] = None,
    record: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Record another variable or point; may be repeated.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a parameter; may be repeated.")
    ] = None,
    morphology: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An .swc file; its membrane is CARD, or passive.")
    ] = None,
    resistivity: Annotated[
        str | None, typer.Option(metavar="OHM*CM", help="Axial resistivity of a morphology.  [default: 150 ohm*cm]")
    ] = None,
    compartment: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="Longest compartment of a morphology.  [default: 20 um]")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of noisy cells.")] = 0,
) -> None:
    """Simulate a cell with injected currents in Brian2. The default currents are those of the card's example.

    With --morphology, the places of --inject and --record are ids of points in the SWC file, soma, root or farthest.

    \b
    snnlab simulate pinsky_rinzel --plot cell.png
    snnlab simulate lif --inject "soma=0.2*nA@50*ms:150*ms" --for "200 ms" --record I
    snnlab simulate --morphology cell.swc --inject "soma=0.2*nA" --record 117 --plot cell.png
    """
    parameters = key_values(sets, "g_L=0.05*mS/cm**2")
    if plot is not None:
        from snnlab.plots import check_path

        check_path(plot)
    if morphology is not None:
        from snnlab.cli.morphology import simulate as simulate_morphology

        options = {"duration": duration, "dt": dt, "resistivity": resistivity, "max_compartment_length": compartment}
        simulate_morphology(morphology, card, inject or [], record or [], parameters, plot, options, seed)
        return
    for option, value in (("--resistivity", resistivity), ("--compartment", compartment)):
        if value is not None:
            raise InputError(option, f"got {value!r} without a morphology", "add --morphology FILE.swc")
    if card is None:
        raise InputError("CARD", "missing", "must be a model of `snnlab models`, unless --morphology is given")
    _simulate_card(card, inject, parameters, plot, duration, dt, record or [], seed)


def _simulate_card(
    card: str,
    inject: Sequence[str] | None,
    parameters: Mapping[str, str],
    plot: Path | None,
    duration: str | None,
    dt: str | None,
    record: Sequence[str],
    seed: int,
) -> None:
    """Simulate the cell of a card, print its spikes and values, and plot it if `plot` is given."""
    cell = cards.cell(card)
    injected = [_injection(cell, text) for text in inject or []]
    if inject is None:
        injected = [Injection(name, current) for name, current in cell.example["inject"].items()]
    if card.endswith(".toml"):
        from snnlab.brian.card_checks import check_card

        check_card(cell)
    recording = _run(cell, injected, parameters, duration, dt, record, seed)
    rows = [("cell", f"{cell.name} ({cell.id}), {1e3 * recording.duration:g} ms in steps of {1e3 * recording.dt:g} ms")]
    rows += [*(injection.field for injection in injected), *_results(cell, recording, record)]
    if plot is not None:
        from snnlab.report.cell_figures import plot_cell

        rows.append(("plot", str(plot_cell(cell, recording, plot, injections.units_as_given(injected)))))
    output.fields(rows)


def _run(
    cell: Cell,
    injected: Sequence[Injection],
    parameters: Mapping[str, str],
    duration: str | None,
    dt: str | None,
    record: Sequence[str],
    seed: int,
) -> Recording:
    """Record spikes, potentials, injected currents, and the variables in `record`."""
    from snnlab.brian import simulate as run
    from snnlab.brian.quantities import to_seconds
    from snnlab.networks import circuit

    unconnected = circuit.unconnected(cell, dt=dt, parameters=parameters)
    seconds = to_seconds(cell.example["duration"] if duration is None else duration, "--for")
    units = {name: part.unit for name, part in cell.compartments.items()}
    currents = injections.sampled(injected, units, to_seconds(unconnected.dt, "--dt"), seconds)
    potentials = [part.potential for part in cell.compartments.values()]
    entering = [f"{cell.compartments[name].current}_injected" for name in currents]
    return run(
        unconnected,
        {f"cell.{name}": values for name, values in currents.items()},
        seconds,
        record={"cell": [*potentials, *record, *entering]},
        seed=seed,
        progress=sys.stderr.isatty(),
    )


def _injection(cell: Cell, text: str) -> Injection:
    injection = injections.parse(text)
    if injection.place not in cell.compartments:
        hint = one_of(injection.place, cell.compartments)
        raise InputError(f"--inject {text}", f"no compartment {injection.place!r} in {cell.path}", hint)
    return injection


def _results(cell: Cell, recording: Recording, record: Sequence[str]) -> list[tuple[str, str]]:
    """Spike count and rate, and the ranges of the recorded variables."""
    rows = []
    if "cell" in recording.spikes:
        train = recording.spikes["cell"].train(0)
        rate = f", {len(train) / recording.duration:.4g} Hz, the first at {1e3 * train[0]:.6g} ms" if len(train) else ""
        rows.append(("spikes", f"{len(train)}{rate}"))
    names = {part.potential: f"{part.name} potential" for part in cell.compartments.values()}
    for variable, name in (names | {name: name for name in record}).items():
        trace = recording.trace("cell", variable)
        rows.append((name, output.value_range(float(trace.values.min()), float(trace.values.max()), trace.unit)))
    return rows
