"""The shelf of models, and one cell at a time in Brian2."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab import cards
from snnlab.cards import Cell, Synapse
from snnlab.cli import printed
from snnlab.errors import Refused, one_of
from snnlab.grammar import split_quantity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snnlab.recording import Recording

_INJECTION = re.compile(r"(?P<part>\w+)=(?P<current>[^=@]+)(?:@(?P<start>[^:@]*):(?P<stop>[^:@]*))?")

Inject = typer.Option(
    metavar="WHERE=CURRENT[@FROM:TO]", help="Into a compartment, all the time or part of it; repeatable."
)


def models(
    card: Annotated[str | None, typer.Argument(metavar="[CARD]", help="Print this card.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the cards of cells and synapses. With a CARD, print it, to be copied and changed.

    \b
    snnlab models
    snnlab models lif > my_lif.toml
    """
    known = cards.models()
    if card is not None:
        if card not in known:
            raise Refused("models", f"no card {card!r}", one_of(card, known))
        print((cards.shelf("models") / f"{card}.toml").read_text(encoding="utf-8"), end="")
    elif as_json:
        print(json.dumps([_told(one) for one in known.values()], indent=2, ensure_ascii=False))
    else:
        printed.table(
            ["id", "kind", "name", "source"],
            [[one.id, _kind(one), one.name, printed.short(one.reference)] for one in known.values()],
        )


def _kind(card: Cell | Synapse) -> str:
    return "cell" if isinstance(card, Cell) else "synapse"


def _told(card: Cell | Synapse) -> dict[str, Any]:
    told: dict[str, Any] = {"id": card.id, "kind": _kind(card)}
    told |= {key: getattr(card, key) for key in ("name", "summary", "reference", "digest")}
    told |= {"equations": [str(one) for one in card.equations], "parameters": dict(card.parameters)}
    if isinstance(card, Cell):
        told["compartments"] = {name: part.unit for name, part in card.compartments.items()}
        told["receptors"] = list(card.receptors)
        told["example"] = {"inject": dict(card.example["inject"]), "duration": card.example["duration"]}
    return told


def simulate(
    card: Annotated[str, typer.Argument(metavar="CARD", help="Id of a cell card, or path of your own .toml.")],
    inject: Annotated[list[str] | None, Inject] = None,
    duration: Annotated[
        str | None, typer.Option("--for", metavar="TIME", help="Else as in the card's example.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw to this .png, .pdf or .svg.")] = None,
    dt: Annotated[str | None, typer.Option(metavar="TIME", help="Time step; else the card's.")] = None,
    record: Annotated[list[str] | None, typer.Option(metavar="VAR", help="A further variable; repeatable.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the noise, where the equations have any.")] = 0,
) -> None:
    """Run one cell under injected currents, in Brian2. Without --inject, under those of its card's example.

    \b
    snnlab simulate pinsky_rinzel --plot cell.png
    snnlab simulate lif --inject "soma=0.2*nA@50*ms:150*ms" --for "200 ms" --record I
    """
    cell = cards.cell(card)
    injected = [_injection(cell, text) for text in inject or []]
    if inject is None:
        injected = [(name, current, "", "") for name, current in cell.example["inject"].items()]
    from snnlab import circuit, equations
    from snnlab.simulate import simulate as run

    if plot is not None:
        from snnlab.pictures import draw_cell
        from snnlab.plots import check_path

        check_path(plot)
    if card.endswith(".toml"):
        equations.check(cell)
    alone = circuit.alone(cell, dt=dt)
    length = cell.example["duration"] if duration is None else duration
    currents = _currents(cell, injected, equations.seconds(alone.dt, "--dt"), equations.seconds(length, "--for"))
    entering = [f"{cell.compartments[name].current}_injected" for name in currents]
    variables = [*(part.potential for part in cell.compartments.values()), *(record or []), *entering]
    recording = run(
        alone,
        {f"cell.{name}": values for name, values in currents.items()},
        length,
        record={"cell": variables},
        seed=seed,
        progress=sys.stderr.isatty(),
    )
    rows = [("cell", f"{cell.name} ({cell.id}), {1e3 * recording.duration:g} ms in steps of {1e3 * recording.dt:g} ms")]
    rows += [("into " + name, current + (f" from {start or 0} to {stop or 'the end'}" if start or stop else ""))
             for name, current, start, stop in injected]  # fmt: skip
    rows += _seen(cell, recording, record or [])
    if plot is not None:
        rows.append(("plot", str(draw_cell(cell, recording, plot, _units(injected)))))
    printed.fields(rows)


def _injection(cell: Cell, text: str) -> tuple[str, str, str, str]:
    """Compartment, current, and from when to when, as texts; the times are empty where they are left out."""
    match = _INJECTION.fullmatch(text.strip())
    if match is None:
        right = "needs WHERE=CURRENT, such as soma=0.4*nA, or WHERE=CURRENT@FROM:TO, such as soma=0.4*nA@100*ms:400*ms"
        raise Refused("--inject", f"found {text!r}", right)
    if match["part"] not in cell.compartments:
        raise Refused(
            f"--inject {text}",
            f"no compartment {match['part']!r} on {cell.path}",
            one_of(match["part"], cell.compartments),
        )
    return match["part"], match["current"].strip(), match["start"] or "", match["stop"] or ""


def _currents(
    cell: Cell, injected: Sequence[tuple[str, str, str, str]], dt: float, duration: float
) -> dict[str, NDArray[np.float64]]:
    """Compartment -> the current that enters it in each step, the sum of all that are injected there (steps,)."""
    import numpy as np

    from snnlab.equations import si, whole_steps
    from snnlab.simulate.task import switched

    steps = whole_steps(duration, dt, "--for")
    currents: dict[str, NDArray[np.float64]] = {}
    for name, current, start, stop in injected:
        where = f"--inject {name}"
        amplitude = si(current, cell.compartments[name].unit, where)
        times = si(start or 0.0, "second", where), si(stop or duration, "second", where)
        if not 0 <= times[0] < min(times[1], duration):
            right = f"needs 0 <= FROM < TO, and FROM before the end at {duration:g} s"
            raise Refused(where, f"from {times[0]:g} s to {times[1]:g} s", right)
        currents[name] = currents.get(name, np.zeros(steps)) + switched(amplitude, *times, steps, dt)
    return currents


def _units(injected: Sequence[tuple[str, str, str, str]]) -> dict[str, str]:
    """Compartment -> the unit in which the current into it was typed, the first of several."""
    return {name: split_quantity(current)[1] for name, current, _, _ in reversed(injected)}


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
        rows.append((name, printed.span(float(trace.values.min()), float(trace.values.max()), trace.unit)))
    return rows
