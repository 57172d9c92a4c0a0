"""The shelf of models, and one cell at a time in Brian2."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab import cards
from snnlab.cards import Card, Cell
from snnlab.cli import injections, output
from snnlab.cli.injections import Injection
from snnlab.errors import InputError, one_of

if TYPE_CHECKING:
    from snnlab.data.recording import Recording

Inject = typer.Option(
    metavar="WHERE=CURRENT[@FROM:TO]", help="Into a compartment or point, all the time or part of it; repeatable."
)


def models(
    card: Annotated[str | None, typer.Argument(metavar="[CARD]", help="Print this card.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the cards of cells, synapses and plastic connections. With a CARD, print it, to be copied and changed.

    \b
    snnlab models
    snnlab models lif > my_lif.toml
    """
    known = cards.all_models()
    if card is not None:
        if card not in known:
            raise InputError("models", f"no card {card!r}", one_of(card, known))
        print((cards.library_folder("models") / f"{card}.toml").read_text(encoding="utf-8"), end="")
    elif as_json:
        print(json.dumps([_told(one) for one in known.values()], indent=2, ensure_ascii=False))
    else:
        output.table(
            ["id", "kind", "name", "source"],
            [[one.id, cards.kind(one), one.name, output.short(one.reference)] for one in known.values()],
        )


def _told(card: Card) -> dict[str, Any]:
    told: dict[str, Any] = {"id": card.id, "kind": cards.kind(card)}
    told |= {key: getattr(card, key) for key in ("name", "summary", "reference", "digest")}
    told |= {"equations": [str(one) for one in card.equations], "parameters": dict(card.parameters)}
    if isinstance(card, Cell):
        told["compartments"] = {name: part.unit for name, part in card.compartments.items()}
        told["receptors"] = list(card.receptors)
        told["rate"] = card.rate
        told["example"] = {"inject": dict(card.example["inject"]), "duration": card.example["duration"]}
    return told


def simulate(
    card: Annotated[
        str | None, typer.Argument(metavar="[CARD]", help="Id of a cell card, or path of your own .toml.")
    ] = None,
    inject: Annotated[list[str] | None, Inject] = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Else as in the card's example.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw to this .png, .pdf or .svg.")] = None,
    dt: Annotated[str | None, typer.Option(metavar="TIME", help="Time step; else the card's.")] = None,
    record: Annotated[
        list[str] | None, typer.Option(metavar="VAR", help="A further variable, or point; repeatable.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the card; repeatable.")
    ] = None,
    morphology: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An .swc whose whole membrane is CARD's, or passive.")
    ] = None,
    resistivity: Annotated[
        str | None, typer.Option(metavar="OHM*CM", help="Of the cytoplasm of a morphology; else 150 ohm*cm.")
    ] = None,
    compartment: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="The longest of a morphology; else 20 um.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the noise, where the equations have any.")] = 0,
) -> None:
    """Run one cell under injected currents, in Brian2. Without --inject, under those of its card's example.

    With --morphology the places of --inject and --record are the points of an SWC file, by id, and soma, root and
    farthest.

    \b
    snnlab simulate pinsky_rinzel --plot cell.png
    snnlab simulate lif --inject "soma=0.2*nA@50*ms:150*ms" --for "200 ms" --record I
    snnlab simulate --morphology cell.swc --inject "soma=0.2*nA" --record 117 --plot cell.png
    """
    from snnlab.cli import morphology as on_morphology  # imports NumPy, which listing the cards must not wait for

    parameters = on_morphology.changes(sets or [])
    if morphology is not None:
        options = {"duration": duration, "dt": dt, "resistivity": resistivity, "max_compartment_length": compartment}
        on_morphology.simulate(morphology, card, inject, record or [], parameters, plot, options, seed)
        return
    for option, value in (("--resistivity", resistivity), ("--compartment", compartment)):
        if value is not None:
            raise InputError(option, f"found {value!r}", "it is of a morphology: name one with --morphology FILE.swc")
    if card is None:
        raise InputError(
            "simulate", "no card", "name one of those that `snnlab models` lists, or --morphology FILE.swc"
        )
    _simulate(cards.cell(card), card, inject, parameters, duration, dt, record or [], plot, seed)


def _simulate(
    cell: Cell,
    card: str,
    inject: list[str] | None,
    parameters: dict[str, str],
    duration: str | None,
    dt: str | None,
    record: list[str],
    plot: Path | None,
    seed: int,
) -> None:
    injected = [_injection(cell, text) for text in inject or []]
    if inject is None:
        injected = [Injection(name, current) for name, current in cell.example["inject"].items()]
    from snnlab.brian import simulate as run
    from snnlab.brian.card_checks import check_card
    from snnlab.brian.quantities import to_seconds
    from snnlab.networks import circuit

    if plot is not None:
        from snnlab.plots import check_path
        from snnlab.report.run_figures import plot_cell

        check_path(plot)
    if card.endswith(".toml"):
        check_card(cell)
    alone = circuit.unconnected(cell, dt=dt, parameters=parameters)
    length = to_seconds(cell.example["duration"] if duration is None else duration, "--for")
    like = {name: part.unit for name, part in cell.compartments.items()}
    currents = injections.in_steps(injected, like, to_seconds(alone.dt, "--dt"), length)
    entering = [f"{cell.compartments[name].current}_injected" for name in currents]
    recording = run(
        alone,
        {f"cell.{name}": values for name, values in currents.items()},
        length,
        record={"cell": [*(part.potential for part in cell.compartments.values()), *record, *entering]},
        seed=seed,
        progress=sys.stderr.isatty(),
    )
    rows = [("cell", f"{cell.name} ({cell.id}), {1e3 * recording.duration:g} ms in steps of {1e3 * recording.dt:g} ms")]
    rows += [*(one.told for one in injected), *_seen(cell, recording, record)]
    if plot is not None:
        rows.append(("plot", str(plot_cell(cell, recording, plot, injections.units(injected)))))
    output.fields(rows)


def _injection(cell: Cell, text: str) -> Injection:
    injection = injections.parse(text)
    if injection.place not in cell.compartments:
        found = f"no compartment {injection.place!r} on {cell.path}"
        raise InputError(f"--inject {text}", found, one_of(injection.place, cell.compartments))
    return injection


def _seen(cell: Cell, recording: Recording, record: Sequence[str]) -> list[tuple[str, str]]:
    """Spikes, and between what the potentials and further variables moved."""
    rows = []
    if "cell" in recording.spikes:
        train = recording.spikes["cell"].train(0)
        rate = f", {len(train) / recording.duration:.4g} Hz, the first at {1e3 * train[0]:.6g} ms" if len(train) else ""
        rows.append(("spikes", f"{len(train)}{rate}"))
    names = {part.potential: f"{part.name} potential" for part in cell.compartments.values()}
    for variable, name in (names | {one: one for one in record}).items():
        trace = recording.trace("cell", variable)
        rows.append((name, output.span(float(trace.values.min()), float(trace.values.max()), trace.unit)))
    return rows
