"""Simulation of unconnected cells in Brian2, and integration of their equations by scipy, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from snnlab import cards
from snnlab.brian import simulate
from snnlab.brian.quantities import to_seconds
from snnlab.data.recording import Recording
from snnlab.networks.circuit import Circuit, Number, Population

SimulateCells = Callable[..., Recording]
Integrate = Callable[..., NDArray[np.float64]]


def _simulate_cells(
    name: str,
    currents: Mapping[str, Sequence[float]],
    duration: float,
    *,
    dt: Number | None = None,
    parameters: Mapping[str, Number] | None = None,
    start: Mapping[str, float | NDArray[np.float64]] | None = None,
    record: Sequence[str] | None = None,
) -> Recording:
    """Simulate copies of a cell for `duration` seconds, each with its own constant currents in SI units."""
    card = cards.cell(name)
    dt = card.dt if dt is None else dt
    steps = round(duration / to_seconds(dt, "dt"))
    (size,) = {len(values) for values in currents.values()}
    cell = Population("cell", card, size, parameters=parameters or {}, initial=start or {})
    return simulate(
        Circuit((cell,), (), dt),
        {f"cell.{place}": np.tile(np.asarray(values, dtype=float), (steps, 1)) for place, values in currents.items()},
        duration,
        record={"cell": record or [part.potential for part in card.compartments.values()]},
        neurons={"cell": range(size)},
        target="numpy",
    )


def _integrate(
    slopes: Callable[..., Sequence[float]],
    start: Sequence[float],
    duration: float,
    threshold: float,
    reset: Callable[[NDArray[np.float64]], Sequence[float]] | None = None,
) -> NDArray[np.float64]:
    """Times at which the first variable of y' = slopes(t, y) rises through `threshold`, with a tolerance of 1e-9.

    reset  function from y at a crossing to y after it; None for no reset
    """

    def rises(t: float, y: NDArray[np.float64]) -> float:
        return y[0] - threshold

    rises.direction, rises.terminal = 1.0, reset is not None  # type: ignore[attr-defined]
    at, now, times = 0.0, list(start), []
    while True:
        run = solve_ivp(slopes, (at, duration), now, method="LSODA", rtol=1e-9, atol=1e-10, events=rises)
        assert run.success
        times.extend(run.t_events[0])
        if reset is None or not run.t_events[0].size:
            return np.array(times)
        at, now = times[-1], list(reset(run.y_events[0][-1]))


@pytest.fixture(scope="session")
def simulate_cells() -> SimulateCells:
    return _simulate_cells


@pytest.fixture(scope="session")
def integrate() -> Integrate:
    return _integrate
