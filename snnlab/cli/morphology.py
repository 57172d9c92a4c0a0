"""A cell with its morphology from the command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snnlab import cards
from snnlab.cli import injections, output
from snnlab.cli.injections import Injection
from snnlab.errors import InputError
from snnlab.networks.morphology import SOMA, Morphology, read_swc

if TYPE_CHECKING:
    from snnlab.data.recording import Recording

_UNTOLD = "0.1 nA"  # what is injected where nobody says what, for half of the time
_DURATION = "200 ms"
_OPTIONS = {"resistivity": "--resistivity", "max_compartment_length": "--compartment"}


def simulate(
    path: Path,
    card: str | None,
    inject: Sequence[str] | None,
    record: Sequence[str],
    parameters: Mapping[str, str],
    plot: Path | None,
    options: Mapping[str, str | None],
    seed: int,
) -> None:
    """Run the morphology in an SWC file with a card's membrane, or a passive one, and print what was seen.

    options  duration, dt, resistivity and max_compartment_length, where they are given
    """
    morphology = read_swc(path)
    from snnlab.brian import simulate_morphology
    from snnlab.brian.card_checks import check_card
    from snnlab.brian.multicompartment.membrane import PASSIVE
    from snnlab.brian.multicompartment.run import MAX_COMPARTMENT_LENGTH, RESISTIVITY
    from snnlab.brian.quantities import to_seconds

    cell = PASSIVE if card is None else cards.cell(card)
    centre = "soma" if SOMA in morphology.types else "root"
    length = to_seconds(options["duration"] or _DURATION, "--for")
    untold = Injection(centre, _UNTOLD, *(f"{1e3 * part * length:g} ms" for part in (0.1, 0.6)))
    injected = [_placed(morphology, text) for text in inject or []] or [untold]
    recorded = _recorded(morphology, centre, injected, record)
    if plot is not None:
        from snnlab.plots import check_path
        from snnlab.report.run_figures import plot_morphology

        check_path(plot)
    if card is not None and card.endswith(".toml"):
        check_card(cell)
    dt = to_seconds(options["dt"] or cell.dt, "--dt")
    max_length = options["max_compartment_length"] or MAX_COMPARTMENT_LENGTH
    currents = injections.in_steps(injected, dict.fromkeys((one.place for one in injected), "amp"), dt, length)
    try:
        recording = simulate_morphology(
            morphology,
            dict(currents),
            length,
            cell=cell,
            parameters=parameters,
            record=list(recorded),
            resistivity=options["resistivity"] or RESISTIVITY,
            max_compartment_length=max_length,
            dt=dt,
            seed=seed,
            progress=sys.stderr.isatty(),
        )
    except InputError as refusal:
        raise InputError(_OPTIONS.get(refusal.field, refusal.field), refusal.problem, refusal.hint) from refusal
    rows = _about(f"{cell.name} ({cell.id})", recording, morphology, max_length)
    rows += [one.told for one in injected]
    if "cell" in recording.spikes:
        rows.append((f"spikes at the {centre}", str(len(recording.spikes["cell"].ids))))
    for place, told in recorded.items():
        values = recording.trace("cell", place).values
        rows.append((f"{told} potential", output.span(float(values.min()), float(values.max()), "V")))
    if plot is not None:
        title = f"{cell.name} ({cell.id}) on {path.name}"
        where = plot_morphology(title, morphology, recording, recorded, plot, injections.units(injected))
        rows.append(("plot", str(where)))
    output.fields(rows)


def _about(name: str, recording: Recording, morphology: Morphology, max_length: str) -> list[tuple[str, str]]:
    """What was run: the membrane, and the size of the morphology and of its parts."""
    from snnlab.brian.multicompartment.discretization import discretize
    from snnlab.brian.quantities import to_si

    cable = discretize(morphology, to_si(max_length, "metre", "--compartment"))
    size = f"{output.counted(len(morphology), 'point')}, {1e6 * cable.length:,.4g} um of cable"
    size += f" and a soma of {1e6 * cable.soma_diameter:.4g} um" if cable.soma_diameter else ""
    size += f", {1e12 * cable.area:,.5g} um2 of membrane in {output.counted(cable.n_compartments, 'compartment')}"
    steps = f"{1e3 * recording.duration:g} ms in steps of {1e3 * recording.dt:g} ms"
    return [("membrane", f"{name}, {steps}"), ("morphology", f"{morphology.path}: {size}")]


def _placed(morphology: Morphology, text: str) -> Injection:
    injection = injections.parse(text)
    morphology.point(injection.place, f"--inject {text}")
    return injection


def _recorded(
    morphology: Morphology, centre: str, injected: Sequence[Injection], record: Sequence[str]
) -> dict[str, str]:
    """The places to be recorded, and how they are told: the soma, where currents enter, and those asked for.

    Where none is asked for, the farthest point is one of them.
    """
    asked = [centre, *(one.place for one in injected), *(record or ["farthest"])]
    found: dict[int, str] = {}
    for place in asked:
        found.setdefault(morphology.point(place, f"--record {place}"), place)
    return {place: _told(morphology, point, place) for point, place in found.items()}


def _told(morphology: Morphology, point: int, place: str) -> str:
    if place in ("soma", "root"):
        return place
    # not from the root: a soma of many points has its root on one of its sides
    soma = morphology.points[morphology.point("soma", "")] if SOMA in morphology.types else morphology.points[0]
    away = float(np.linalg.norm(morphology.points[point] - soma))
    return f"point {morphology.ids[point]} ({1e6 * away:.3g} um)"


def changes(texts: Sequence[str]) -> dict[str, str]:
    """Parameter -> value, of every --set."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}", "no value", "needs PARAMETER=VALUE, such as g_L=0.05*mS/cm**2")
        found[name.strip()] = value.strip()
    return found
