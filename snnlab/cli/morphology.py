"""`snnlab simulate --morphology`: a cell with the morphology of an SWC file."""

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

_CURRENT = "0.1 nA"
_DURATION = "200 ms"
_OPTIONS = {"resistivity": "--resistivity", "max_compartment_length": "--compartment"}


def simulate(
    path: Path,
    card: str | None,
    inject: Sequence[str],
    record: Sequence[str],
    parameters: Mapping[str, str],
    plot: Path | None,
    options: Mapping[str, str | None],
    seed: int,
) -> None:
    """Simulate the morphology in an SWC file, with the membrane of a card or a passive one, and print the results.

    options  duration, dt, resistivity and max_compartment_length; None for defaults
    """
    morphology = read_swc(path)
    from snnlab.brian import simulate_morphology
    from snnlab.brian.card_checks import check_card
    from snnlab.brian.multicompartment.membrane import PASSIVE
    from snnlab.brian.multicompartment.run import MAX_COMPARTMENT_LENGTH, RESISTIVITY
    from snnlab.brian.quantities import to_seconds

    cell = PASSIVE if card is None else cards.cell(card)
    centre = "soma" if SOMA in morphology.types else "root"
    duration = to_seconds(options["duration"] or _DURATION, "--for")
    default = Injection(centre, _CURRENT, *(f"{1e3 * part * duration:g} ms" for part in (0.1, 0.6)))
    injected = [_injection(morphology, text) for text in inject] or [default]
    recorded = _recorded_places(morphology, centre, injected, record)
    if card is not None and card.endswith(".toml"):
        check_card(cell)
    dt = to_seconds(options["dt"] or cell.dt, "--dt")
    max_length = options["max_compartment_length"] or MAX_COMPARTMENT_LENGTH
    units = {injection.place: "amp" for injection in injected}
    try:
        recording = simulate_morphology(
            morphology,
            dict(injections.sampled(injected, units, dt, duration)),
            duration,
            cell=cell,
            parameters=parameters,
            record=list(recorded),
            resistivity=options["resistivity"] or RESISTIVITY,
            max_compartment_length=max_length,
            dt=dt,
            seed=seed,
            progress=sys.stderr.isatty(),
        )
    except InputError as error:
        raise InputError(_OPTIONS.get(error.field, error.field), error.problem, error.hint) from error
    rows = _description(f"{cell.name} ({cell.id})", recording, morphology, max_length)
    rows += [injection.field for injection in injected]
    if "cell" in recording.spikes:
        rows.append((f"spikes at the {centre}", str(len(recording.spikes["cell"].ids))))
    for place, label in recorded.items():
        values = recording.trace("cell", place).values
        rows.append((f"{label} potential", output.value_range(float(values.min()), float(values.max()), "V")))
    if plot is not None:
        from snnlab.report.cell_figures import plot_morphology

        title, given = f"{cell.name} ({cell.id}) on {path.name}", injections.units_as_given(injected)
        rows.append(("plot", str(plot_morphology(title, morphology, recording, recorded, plot, given))))
    output.fields(rows)


def _description(name: str, recording: Recording, morphology: Morphology, max_length: str) -> list[tuple[str, str]]:
    """Membrane and duration, and the size of the morphology and of its parts."""
    from snnlab.brian.multicompartment.discretization import discretize
    from snnlab.brian.quantities import to_si

    cable = discretize(morphology, to_si(max_length, "metre", "--compartment"))
    size = f"{output.counted(len(morphology), 'point')}, {1e6 * cable.length:,.4g} um of cable"
    size += f" and a soma of {1e6 * cable.soma_diameter:.4g} um" if cable.soma_diameter else ""
    size += f", {1e12 * cable.area:,.5g} um2 of membrane in {output.counted(cable.n_compartments, 'compartment')}"
    steps = f"{1e3 * recording.duration:g} ms in steps of {1e3 * recording.dt:g} ms"
    return [("membrane", f"{name}, {steps}"), ("morphology", f"{morphology.path}: {size}")]


def _injection(morphology: Morphology, text: str) -> Injection:
    injection = injections.parse(text)
    morphology.point(injection.place, f"--inject {text}")
    return injection


def _recorded_places(
    morphology: Morphology, centre: str, injected: Sequence[Injection], record: Sequence[str]
) -> dict[str, str]:
    """Place -> label, of the soma or root, the injected places, and those in `record`, by default the farthest."""
    places = [centre, *(injection.place for injection in injected), *(record or ["farthest"])]
    points: dict[int, str] = {}
    for place in places:
        points.setdefault(morphology.point(place, f"--record {place}"), place)
    return {place: _label(morphology, point, place) for point, place in points.items()}


def _label(morphology: Morphology, point: int, place: str) -> str:
    if place in ("soma", "root"):
        return place
    # measured from the centre: the root of a soma of several points is at its edge
    soma = morphology.points[morphology.point("soma", "")] if SOMA in morphology.types else morphology.points[0]
    distance = float(np.linalg.norm(morphology.points[point] - soma))
    return f"point {morphology.ids[point]} ({1e6 * distance:.3g} um)"
