"""The option --inject: a current into a place of a cell, for all or part of the time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from snnlab.cards.parsing import split_quantity
from snnlab.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INJECTION = re.compile(r"(?P<place>\w+)=(?P<current>[^=@]+)(?:@(?P<start>[^:@]*):(?P<stop>[^:@]*))?")


class Injection(NamedTuple):
    """Place, current, start and stop, as texts; empty times are those of the simulation."""

    place: str
    current: str
    start: str = ""
    stop: str = ""

    @property
    def field(self) -> tuple[str, str]:
        """Name and value to print."""
        when = f" from {self.start or 0} to {self.stop or 'the end'}" if self.start or self.stop else ""
        return f"into {self.place}", self.current + when


def parse(text: str) -> Injection:
    match = _INJECTION.fullmatch(text.strip())
    if match is None:
        hint = "must be PLACE=CURRENT or PLACE=CURRENT@FROM:TO, such as soma=0.4*nA@100*ms:400*ms"
        raise InputError("--inject", f"got {text!r}", hint)
    return Injection(match["place"], match["current"].strip(), match["start"] or "", match["stop"] or "")


def sampled(
    injections: Sequence[Injection], units: Mapping[str, str], dt: float, duration: float
) -> dict[str, NDArray[np.float64]]:
    """Place -> the sum of the currents injected there, in SI units (steps,).

    units  place -> unit of the current into it

    Raises InputError for currents of another unit, and for times outside the simulation.
    """
    import numpy as np

    from snnlab.brian.inputs import step_current
    from snnlab.brian.quantities import to_si, to_steps

    steps = to_steps(duration, dt, "--for")
    currents: dict[str, NDArray[np.float64]] = {}
    for place, current, start, stop in injections:
        option = f"--inject {place}"
        amplitude = to_si(current, units[place], option)
        times = to_si(start or 0.0, "second", option), to_si(stop or duration, "second", option)
        if not 0 <= times[0] < min(times[1], duration):
            hint = f"must be 0 <= FROM < TO, and FROM before the end at {duration:g} s"
            raise InputError(option, f"got {times[0]:g} s to {times[1]:g} s", hint)
        currents[place] = currents.get(place, np.zeros(steps)) + step_current(amplitude, *times, steps, dt)
    return currents


def units_as_given(injections: Sequence[Injection]) -> dict[str, str]:
    """Place -> the unit in which its first current was given."""
    return {injection.place: split_quantity(injection.current)[1] for injection in reversed(injections)}
